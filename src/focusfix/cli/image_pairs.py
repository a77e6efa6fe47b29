"""Images that are compared: which belong together, and which of their planes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from focusfix.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.io.image import ImageMetadata, ImageReader

_LISTED = 3


@dataclass(frozen=True)
class Comparison:
    """One image and what it is compared with.

    Parameters
    ----------
    source : Path
        The image.
    reference : Path
        What it should be.
    blurry : Path, optional
        What it was made from.
    trust : Path, optional
        Map of the errors that it is expected to have.
    """

    source: Path
    reference: Path
    blurry: Path | None
    trust: Path | None = None


@dataclass(frozen=True)
class Inspection:
    """One image, and maybe a second recording of it.

    Parameters
    ----------
    source : Path
        The image.
    repeat : Path, optional
        The same field, recorded once more.
    """

    source: Path
    repeat: Path | None


def plan_comparisons(
    sources: Sequence[Path],
    reference: Path,
    blurry: Path | None,
    trust: Path | None = None,
    in_focus: Mapping[str, Sequence[str]] | None = None,
) -> list[Comparison]:
    """Find for every image its reference and its input, before any work.

    Parameters
    ----------
    sources : sequence of Path
        Images.
    reference, blurry, trust : Path
        One image for all of them; or a folder, in which each is looked for by its name, and then
        by its name with another image suffix.
    in_focus : mapping of str to sequence of str, optional
        Further names of the references, with or without suffix, by the names of the images.

    Returns
    -------
    list of Comparison
        In the order of the images.

    Raises
    ------
    InputError
        If something is missing or cannot be told apart.
    """
    references = find_partners(sources, reference, "reference", in_focus or {})
    inputs = find_partners(sources, blurry, "input") if blurry else [None] * len(sources)
    maps = find_partners(sources, trust, "trust map") if trust else [None] * len(sources)
    return [Comparison(*each) for each in zip(sources, references, inputs, maps, strict=True)]


def plan_inspections(sources: Sequence[Path], repeat: Path | None) -> list[Inspection]:
    """Find for every image its second recording, before any work.

    Parameters
    ----------
    sources : sequence of Path
        Images.
    repeat : Path, optional
        As the reference in :func:`plan_comparisons`; None if there are none.

    Returns
    -------
    list of Inspection
        In the order of the images.

    Raises
    ------
    InputError
        If something is missing or cannot be told apart.
    """
    repeats = find_partners(sources, repeat, "repeat") if repeat else [None] * len(sources)
    return [Inspection(*each) for each in zip(sources, repeats, strict=True)]


def match_planes(image: "ImageReader", other: "ImageReader") -> list[int]:
    """Find the plane of another image that belongs to each plane of an image.

    Axes of the same letters may have another order; axes of length one do not count. Where the
    letters differ (a plain TIFF does not name them), the lengths must be the same.

    Parameters
    ----------
    image, other : ImageReader
        Open images.

    Returns
    -------
    list of int
        Position in the other image, for each plane of the first in order.

    Raises
    ------
    InputError
        If the images differ in height, width, colours or planes.
    """
    first, second = image.metadata, other.metadata
    sizes, other_sizes = _plane_sizes(first), _plane_sizes(second)
    same_planes = sizes == other_sizes or [*sizes.values()] == [*other_sizes.values()]
    same_pixels = first.shape_yx == second.shape_yx and _colours(first) == _colours(second)
    if not (same_planes and same_pixels):
        raise InputError(
            f"{image.path} is {_describe(first)}, and {other.path} is {_describe(second)}.",
            "Give images of the same field, cut and binned alike.",
        )
    if sizes != other_sizes:
        return list(range(second.n_planes))
    positions = {
        tuple(plane.coordinates[axis] for axis in sizes): plane.position for plane in second.planes
    }
    return [positions[tuple(plane.coordinates[axis] for axis in sizes)] for plane in first.planes]


def read_intensities(image: "ImageReader", plane: int) -> "np.ndarray":
    """Read a whole plane without alpha.

    Parameters
    ----------
    image : ImageReader
        Open image.
    plane : int
        Position.

    Returns
    -------
    ndarray of float64, shape (Y, X, S)
        Grey values.

    Raises
    ------
    InputError
        If some are NaN or infinite.
    """
    import numpy as np

    rows, columns = image.metadata.shape_yx
    window = image.read_window(plane, slice(0, rows), slice(0, columns))
    values = window[..., : _colours(image.metadata)].astype(np.float64)
    n_gaps = int(values.size - np.isfinite(values).sum())
    if n_gaps:
        raise InputError(
            f"{image.path} holds {n_gaps} pixels that are NaN or infinite, in plane {plane}.",
            "Cut them off, or replace them by grey values, in all images that are compared.",
        )
    return values


def _plane_sizes(metadata: "ImageMetadata") -> dict[str, int]:
    """Lengths of the axes that number the planes, those of length one left out."""
    last = metadata.planes[-1].coordinates
    return {axis: index + 1 for axis, index in last.items() if index > 0}


def _colours(metadata: "ImageMetadata") -> int:
    from focusfix.data.image_files import intensity_samples

    return intensity_samples(metadata)


def _describe(metadata: "ImageMetadata") -> str:
    return f"{' x '.join(map(str, metadata.shape))} ({metadata.axes})"


def find_partners(
    sources: Sequence[Path],
    place: Path,
    role: str,
    others: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[Path]:
    """Find what belongs to each image in a file or folder.

    Parameters
    ----------
    sources : sequence of Path
        Images.
    place : Path
        One image for all of them; or a folder, in which each is looked for by its name, and then
        by its name with another image suffix; or a plate, in which fields are looked for.
    role : str
        What is looked for, for messages.
    others : mapping of str to sequence of str
        Further names to look for, with or without suffix, by the names of the images.

    Returns
    -------
    list of Path
        In the order of the images.

    Raises
    ------
    InputError
        If something is missing or cannot be told apart.
    """
    if not place.exists():
        raise InputError(f"The {role} {place} does not exist.", "Check the path and its spelling.")
    from focusfix.io.image import IMAGE_SUFFIXES
    from focusfix.io.zarr_files import ZARR_SUFFIX, is_zarr

    if is_zarr(place):
        return _find_fields(sources, place, role)
    if not place.is_dir():
        return [place] * len(sources)
    suffixes = (*IMAGE_SUFFIXES, ZARR_SUFFIX)
    images = sorted(path for path in place.iterdir() if path.suffix.lower() in suffixes)
    found, missing = [], []
    for source in sources:
        candidates = _find_alike(source, images, others.get(source.name, ()))
        found += candidates[:1]
        if len(candidates) != 1:
            missing.append(f"{source.name} ({len(candidates)} found)")
    if missing:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        raise InputError(
            f"The {role} folder {place} does not have one image for each of "
            f"{', '.join(missing[:_LISTED])}{more}.",
            "Give the files of both folders the same names.",
        )
    return found


def _find_alike(source: Path, images: Sequence[Path], others: Sequence[str]) -> list[Path]:
    """Find images of the name of one, then of its stem, then of one of its other names."""
    from focusfix.io.naming import image_stem

    alike = [
        [path for path in images if path.name == source.name],
        [path for path in images if path.stem == source.stem],
        [path for path in images if image_stem(path) == image_stem(source)],
    ]
    alike += [[path for path in images if name in (path.name, path.stem)] for name in others]
    return next((paths for paths in alike if paths), [])


def _find_fields(sources: Sequence[Path], place: Path, role: str) -> list[Path]:
    """Find what belongs to each image in an OME-Zarr image, or to each field in a plate."""
    from focusfix.io.plates import list_fields

    fields = list_fields(place)
    if fields is None:
        return [place] * len(sources)
    found = [place.joinpath(*source.parts[-3:]) for source in sources]
    for source, field in zip(sources, found, strict=True):
        if field not in fields:
            raise InputError(
                f"The {role} plate {place} has no field for {source}.",
                "Give a plate with the same wells and fields.",
            )
    return found
