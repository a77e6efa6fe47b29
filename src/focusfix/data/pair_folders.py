"""Layout: out-of-focus images in one folder, and in-focus images in another.

Mostly of the same fields; a model that needs no pairs also learns from any fields.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from focusfix.data.focus_series import FocusSeries, PlaneSource, join_names
from focusfix.data.image_files import channel_name, intensity_samples, list_images, read_metadata
from focusfix.errors import InputError
from focusfix.io.image import ImageMetadata

OUT_OF_FOCUS_LEVEL, IN_FOCUS_LEVEL = 0, 1
_ONLY_LEVEL = 0

# fmt: off
_IN_FOCUS_NAMES = frozenset((
    "infocus", "focus", "focused", "focussed", "sharp", "gt", "groundtruth", "truth", "target",
    "targets", "clean", "clear", "high", "reference",
))
_OUT_OF_FOCUS_NAMES = frozenset((
    "outoffocus", "outfocus", "unfocused", "unfocussed", "defocus", "defocused", "defocussed",
    "blur", "blurry", "blurred", "low", "input", "inputs", "source",
))
# fmt: on


@dataclass(frozen=True)
class _Pair:
    field: str
    out_of_focus: Path
    in_focus: Path


def find_pair_folders(data: Path) -> tuple[Path, Path] | None:
    """Recognise a pair of folders by their names.

    Parameters
    ----------
    data : Path
        Folder that may hold, say, ``out_of_focus`` and ``in_focus``, ``blurry`` and ``sharp``
        or ``low`` and ``GT``.

    Returns
    -------
    tuple of Path or None
        Out of focus and in focus; None if there is not exactly one of each.
    """
    folders = {path: _plain(path.name) for path in sorted(data.iterdir()) if path.is_dir()}
    blurry = [path for path, name in folders.items() if name in _OUT_OF_FOCUS_NAMES]
    sharp = [path for path, name in folders.items() if name in _IN_FOCUS_NAMES]
    return (blurry[0], sharp[0]) if len(blurry) == len(sharp) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def index_pairs(
    out_of_focus: Path, in_focus: Path, pattern: str | None = None, axes: str | None = None
) -> tuple[FocusSeries, ...]:
    """Index two folders of images as series of two levels, of which the second is in focus.

    Parameters
    ----------
    out_of_focus, in_focus : Path
        Folders; images belong together whose paths below them are the same but for the suffix.
    pattern : str, optional
        Glob that file names must match.
    axes : str, optional
        Axes to read the files with instead of those that they state.

    Returns
    -------
    tuple of FocusSeries
        One for each plane of each pair; every plane of a file is paired with its like.

    Raises
    ------
    InputError
        If there are no pairs, images without partner, or pairs of different shape.
    """
    pairs = _match(out_of_focus, in_focus, pattern)
    metadata = read_metadata([path for p in pairs for path in (p.out_of_focus, p.in_focus)], axes)
    found: list[FocusSeries] = []
    for pair in pairs:
        first, second = metadata[pair.out_of_focus], metadata[pair.in_focus]
        if first.axes != second.axes or first.shape != second.shape:
            raise InputError(
                f"{pair.out_of_focus} ({first.axes} {first.shape}) and {pair.in_focus} "
                f"({second.axes} {second.shape}) differ in shape.",
                "Both images of a pair must show the same field with the same pixels.",
            )
        levels = {OUT_OF_FOCUS_LEVEL: pair.out_of_focus, IN_FOCUS_LEVEL: pair.in_focus}
        found += _planes_of(pair.field, levels, second, axes, IN_FOCUS_LEVEL)
    return tuple(found)


def are_pairs(out_of_focus: Path, in_focus: Path, pattern: str | None = None) -> bool:
    """Tell whether two folders have images of the same names; others as :func:`index_pairs`."""
    blurry, sharp = _by_name(out_of_focus, pattern), _by_name(in_focus, pattern)
    return blurry.keys() == sharp.keys()


def index_single_images(
    folder: Path, side: str, pattern: str | None = None, axes: str | None = None
) -> tuple[FocusSeries, ...]:
    """Index a folder of images of which nothing but the focus is known: series of one level.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders.
    side : str
        Which folder it is; fields are named by it and their path below the folder.
    pattern : str, optional
        Glob that file names must match.
    axes : str, optional
        Axes to read the files with instead of those that they state.

    Returns
    -------
    tuple of FocusSeries
        One for each plane of each image.

    Raises
    ------
    InputError
        If there are no images, or one cannot be read.
    """
    paths = _by_name(folder, pattern)
    if not paths:
        wanted = f"image that matches {pattern}" if pattern else "image"
        raise InputError(f"{folder} holds no {wanted}.", "Give two folders with images.")
    metadata = read_metadata(paths.values(), axes)
    found: list[FocusSeries] = []
    for name, path in sorted(paths.items()):
        levels = {_ONLY_LEVEL: path}
        found += _planes_of(f"{side}/{name}", levels, metadata[path], axes, _ONLY_LEVEL)
    return tuple(found)


def _match(out_of_focus: Path, in_focus: Path, pattern: str | None) -> list[_Pair]:
    blurry, sharp = _by_name(out_of_focus, pattern), _by_name(in_focus, pattern)
    alone = [str(blurry[name]) for name in sorted(blurry.keys() - sharp.keys())]
    alone += [str(sharp[name]) for name in sorted(sharp.keys() - blurry.keys())]
    if alone:
        raise InputError(
            f"{len(alone)} images have no partner of the same name: {join_names(alone)}.",
            "Give both images of a pair the same name, or move those without partner away; "
            "--model comi --lesson-setting paired=false needs no pairs.",
        )
    if not blurry:
        raise InputError(
            f"{out_of_focus} and {in_focus} hold no pair of images.",
            "Give two folders with images of the same names.",
        )
    return [_Pair(name, blurry[name], sharp[name]) for name in sorted(blurry)]


def _by_name(folder: Path, pattern: str | None) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in list_images(folder, pattern):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise InputError(
                f"{found[name]} and {path} have the same name but for the suffix.",
                "Keep one of them, or choose with --pattern.",
            )
        found[name] = path
    return found


def _planes_of(
    field: str,
    path_of_level: Mapping[int, Path],
    metadata: ImageMetadata,
    axes: str | None,
    focal_level: int,
) -> list[FocusSeries]:
    """Make a series of every plane of one field."""
    channels = metadata.axis_size("C")
    size = metadata.pixel_size_um
    return [
        FocusSeries(
            field=field,
            channel=channel_name(metadata, plane.channel),
            planes=tuple(
                PlaneSource(path, plane.position, axes) for path in path_of_level.values()
            ),
            z_levels=tuple(path_of_level),
            shape_yx=metadata.shape_yx,
            samples=intensity_samples(metadata),
            frame=frame,
            pixel_size_um=size[0] if size else None,
            focal_level=focal_level,
        )
        for channel in range(channels)
        for frame, plane in enumerate(p for p in metadata.planes if p.channel == channel)
    ]
