"""Image files of a data set: list them, and read what they say about themselves."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from focusfix.errors import InputError
from focusfix.io.image import IMAGE_SUFFIXES, ImageMetadata, open_image
from focusfix.io.plates import list_fields
from focusfix.io.zarr_files import is_zarr

_READERS = 8


def list_images(folder: Path, pattern: str | None = None) -> list[Path]:
    """List the images below a folder, sorted; hidden files and folders are left out.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders; may be an OME-Zarr plate itself.
    pattern : str, optional
        Glob that the name of a file, or of an OME-Zarr image or plate, must match, such as
        ``*_w1*.tif``.

    Returns
    -------
    list of Path
        Files, OME-Zarr images, and the fields of OME-Zarr plates. May be empty.

    Raises
    ------
    InputError
        If there is no such folder, or it is a single OME-Zarr image.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", "Check the path and its spelling.")
    if is_zarr(folder):
        fields = list_fields(folder)
        if fields is None:
            raise InputError(
                f"{folder} is one image, where a folder of images is needed.",
                "Give the folder that it lies in.",
            )
        return fields
    found: list[Path] = []
    for path in sorted(_walk(folder)):
        if pattern is None or path.match(pattern):
            found += (list_fields(path) or [path]) if path.is_dir() else [path]
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Go through image files and Zarr folders, but not into these."""
    for top, folders, files in os.walk(folder):
        here = Path(top)
        shown = [name for name in folders if not name.startswith(".")]
        stores = {name for name in shown if is_zarr(here / name)}
        folders[:] = [name for name in shown if name not in stores]
        yield from (here / name for name in stores)
        for name in files:
            if not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES):
                yield here / name


def read_metadata(paths: Iterable[Path], axes: str | None = None) -> dict[Path, ImageMetadata]:
    """Read the metadata of many files, several at a time.

    Parameters
    ----------
    paths : iterable of Path
        Image files; each is opened once.
    axes : str, optional
        Axes to read the files with instead of those that they state.

    Returns
    -------
    dict of Path to ImageMetadata

    Raises
    ------
    InputError
        If a file is no image that can be read.
    """

    def read(path: Path) -> ImageMetadata:
        with open_image(path, axes=axes) as reader:
            return reader.metadata

    wanted = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(_READERS) as pool:
        return dict(zip(wanted, pool.map(read, wanted), strict=True))


def intensity_samples(metadata: ImageMetadata) -> int:
    """Count the samples of a pixel that hold intensities: alpha, if there is any, comes last."""
    return metadata.samples - 1 if metadata.samples in (2, 4) else metadata.samples


def channel_name(metadata: ImageMetadata, channel: int) -> str:
    """Name a channel as the file does, by its number otherwise, not at all if it is the only one.

    Parameters
    ----------
    metadata : ImageMetadata
        Of the file.
    channel : int
        Index along C.
    """
    if metadata.axis_size("C") == 1:
        return ""
    names = metadata.channel_names
    return names[channel] if names and len(set(names)) == len(names) else f"c{channel}"
