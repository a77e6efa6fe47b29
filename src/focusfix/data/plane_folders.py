"""Layout: one folder per z-level, with one image per field and channel in it (BBBC006)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from focusfix.data.focus_series import FocusSeries, PlaneSource, join_names
from focusfix.data.image_files import channel_name, intensity_samples, list_images, read_metadata
from focusfix.errors import InputError
from focusfix.io.image import ImageMetadata

BBBC006_FOCAL_LEVEL = 16
"""The plane that the description of BBBC006 calls optimal."""

_LEVEL_FOLDER = re.compile(r"(?:^|.*[_\-. ])z[_\-]?(\d+)$", re.IGNORECASE)
_BBBC006_FOLDER = re.compile(r"^bbbc006.*z[_\-]?\d+$", re.IGNORECASE)
_WELL_FILE = re.compile(
    r"(?:^|_)(?P<well>[a-p]\d{1,2})_s(?P<site>\d+)_w(?P<channel>\d)", re.IGNORECASE
)


@dataclass(frozen=True, order=True)
class _Place:
    """What the images of one field and channel have in common in all folders."""

    field: str
    channel: str
    well: str = ""


def find_plane_folders(data: Path) -> dict[int, Path]:
    """Recognise folders of z-levels by their names: ``z_00``, ``BBBC006_v1_images_z_16``.

    Parameters
    ----------
    data : Path
        Folder that may hold such folders.

    Returns
    -------
    dict of int to Path
        Folder of each z-level, ascending; empty if there are fewer than two.

    Raises
    ------
    InputError
        If two folders have the same z-level.
    """
    found: dict[int, Path] = {}
    for path in sorted(data.iterdir()):
        match = _LEVEL_FOLDER.match(path.name)
        if not path.is_dir() or match is None:
            continue
        level = int(match[1])
        if level in found:
            raise InputError(
                f"{found[level]} and {path} are both z-level {level}.",
                "Give the folder of one data set.",
            )
        found[level] = path
    return dict(sorted(found.items())) if len(found) > 1 else {}


def index_plane_folders(
    levels: Mapping[int, Path], pattern: str | None = None, axes: str | None = None
) -> tuple[FocusSeries, ...]:
    """Index folders of z-levels.

    File names like ``..._a01_s1_w1...tif`` name well, site and channel, and what follows may
    differ between folders; other files belong together if their names are the same.

    Parameters
    ----------
    levels : mapping of int to Path
        From :func:`find_plane_folders`.
    pattern : str, optional
        Glob that file names must match.
    axes : str, optional
        Axes to read the files with instead of those that they state.

    Returns
    -------
    tuple of FocusSeries

    Raises
    ------
    InputError
        If a field is not in every folder, is twice in one, or its planes differ in shape.
    """
    places = {level: _places_in(folder, pattern) for level, folder in levels.items()}
    everywhere = set().union(*places.values())
    if not everywhere:
        raise InputError(
            f"{next(iter(levels.values()))} and the folders beside it hold no images.",
            "Put the images of each z-level into its folder.",
        )
    for level, found in places.items():
        missing = sorted(everywhere - found.keys())
        if missing:
            names = join_names(f"{p.field} {p.channel}".strip() for p in missing)
            raise InputError(
                f"{levels[level]} lacks {len(missing)} images that other z-levels have: {names}.",
                "Add them, or remove these fields from all folders.",
            )
    metadata = read_metadata([path for found in places.values() for path in found.values()], axes)
    bbbc006 = all(_BBBC006_FOLDER.match(folder.name) for folder in levels.values())
    focal_level = BBBC006_FOCAL_LEVEL if bbbc006 else None
    series: list[FocusSeries] = []
    for place in sorted(everywhere):
        paths = {level: found[place] for level, found in places.items()}
        series += _series_of(place, paths, metadata, axes, focal_level)
    return tuple(series)


def _places_in(folder: Path, pattern: str | None) -> dict[_Place, Path]:
    found: dict[_Place, Path] = {}
    for path in list_images(folder, pattern):
        place = _place_of(path, folder)
        if place in found:
            raise InputError(
                f"{found[place]} and {path} are the same field, channel and z-level.",
                "Remove one of them.",
            )
        found[place] = path
    return found


def _place_of(path: Path, folder: Path) -> _Place:
    match = _WELL_FILE.search(path.name)
    if match is None:
        return _Place(path.relative_to(folder).with_suffix("").as_posix(), "")
    well = match["well"].lower()
    return _Place(f"{well}_s{match['site']}", f"w{match['channel']}", well)


def _series_of(
    place: _Place,
    paths: Mapping[int, Path],
    metadata: Mapping[Path, ImageMetadata],
    axes: str | None,
    focal_level: int | None,
) -> list[FocusSeries]:
    first = metadata[next(iter(paths.values()))]
    for path in paths.values():
        check_same_planes(path, metadata[path], next(iter(paths.values())), first)
    size = first.pixel_size_um
    return [
        FocusSeries(
            field=place.field,
            channel=" ".join(n for n in (place.channel, channel_name(first, plane.channel)) if n),
            planes=tuple(PlaneSource(path, plane.position, axes) for path in paths.values()),
            z_levels=tuple(paths),
            shape_yx=first.shape_yx,
            samples=intensity_samples(first),
            frame=plane.coordinates.get("T", 0),
            well=place.well or None,
            pixel_size_um=size[0] if size else None,
            focal_level=focal_level,
        )
        for plane in first.planes
    ]


def check_same_planes(
    path: Path, metadata: ImageMetadata, other: Path, expected: ImageMetadata
) -> None:
    """Refuse two files of one field whose planes differ in number or shape.

    Parameters
    ----------
    path : Path
        One file.
    metadata : ImageMetadata
        What it says about itself.
    other : Path
        Another file of the field.
    expected : ImageMetadata
        What that one says.

    Raises
    ------
    InputError
        If axes or shape differ.
    """
    if metadata.axes != expected.axes or metadata.shape != expected.shape:
        raise InputError(
            f"{path} ({metadata.axes} {metadata.shape}) and {other} "
            f"({expected.axes} {expected.shape}) are of one field but differ in shape.",
            "All planes of a field must have the same shape.",
        )
