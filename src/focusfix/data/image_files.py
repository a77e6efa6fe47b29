"""Image files of a data set: list them, and read what they say about themselves."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from focusfix.errors import InputError
from focusfix.io.image import IMAGE_SUFFIXES, ImageMetadata, open_image

_READERS = 8


def list_images(folder: Path, pattern: str | None = None) -> list[Path]:
    """List the image files below a folder, sorted; hidden files are left out.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders.
    pattern : str, optional
        Glob that the file name must match, such as ``*_w1*.tif``.

    Returns
    -------
    list of Path
        May be empty.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", "Check the path and its spelling.")
    return sorted(
        path
        for path in folder.rglob(pattern or "*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


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
