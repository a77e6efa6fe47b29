"""Open images for windowed reading and write them from blocks, whatever their format."""

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from focusfix.blocks import PaintedBlock
from focusfix.errors import InputError, OutputError
from focusfix.io.metadata import PIXEL_TYPES, ImageMetadata, PlaneIndex, Resolution
from focusfix.io.zarr_files import (
    ZARR_SUFFIX,
    check_no_address,
    check_zarr_installed,
    is_zarr,
    names_zarr,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "PIXEL_TYPES",
    "TIFF_SUFFIXES",
    "ImageMetadata",
    "ImageReader",
    "PlaneIndex",
    "Resolution",
    "check_target",
    "open_image",
    "write_image",
]

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".tf2")
IMAGE_SUFFIXES = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg")

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RASTER_MAGIC = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))


class ImageReader(Protocol):
    """An open image, from which windows of planes are read."""

    @property
    def path(self) -> Path:
        """File that is read."""
        ...

    @property
    def metadata(self) -> ImageMetadata:
        """What the image says about itself."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how the file was understood or is read."""
        ...

    @property
    def chunk_yx(self) -> tuple[int, int]:
        """Height and width of what is read at once, in pixels: of a tile, strip or chunk."""
        ...

    def read_window(self, plane: int, rows: slice, columns: slice) -> np.ndarray:
        """Read part of a plane as an array of shape (Y, X, S) in the pixel type of the image."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_image(path: str | os.PathLike[str], *, axes: str | None = None) -> ImageReader:
    """Open a TIFF, PNG, JPEG or OME-Zarr image, told apart by content.

    Parameters
    ----------
    path : path-like
        Image file, or folder of an OME-Zarr image.
    axes : str, optional
        Axes to use instead of those the file states, one letter of TZCYXS for each dimension of
        the stored image.

    Returns
    -------
    ImageReader
        Reader whose ``read_window`` may be called from several threads.

    Raises
    ------
    InputError
        If the file is missing, unreadable, not an image, truncated or empty, has a pixel type
        outside ``PIXEL_TYPES``, or ``axes`` does not fit; or it is OME-Zarr and zarr is not
        installed.
    """
    source = Path(path)
    if source.is_dir() and (is_zarr(source) or source.suffix.lower() == ZARR_SUFFIX):
        from focusfix.io.zarr_reader import ZarrReader

        return ZarrReader(source, axes=axes)
    head = _read_head(source)
    if head.startswith(_TIFF_MAGIC):
        from focusfix.io.tiff_reader import TiffReader

        return TiffReader(source, axes=axes)
    for magic, kind in _RASTER_MAGIC:
        if head.startswith(magic):
            from focusfix.io.raster import RasterReader

            return RasterReader(source, kind, axes=axes)
    if not head:
        raise InputError(
            f"{source} is empty (0 bytes).", "Copy or export the image again, it was not saved."
        )
    raise InputError(
        f"{source} is not a TIFF, PNG or JPEG image: it starts with {head[:8]!r}.",
        "Export the image as TIFF (in Fiji: File > Save As > Tiff) and give that file.",
    )


def write_image(
    path: str | os.PathLike[str],
    metadata: ImageMetadata,
    blocks: Iterable[PaintedBlock],
    *,
    overwrite: bool = False,
    compression: str = "auto",
    bigtiff_bytes: int | None = None,
) -> tuple[str, ...]:
    """Write an image from blocks, without ever holding a plane, and move it into place whole.

    The pixels go to ``<name>.partial`` in the same folder, which gets the final name when it is
    complete and is removed when anything stops the writing.

    Parameters
    ----------
    path : path-like
        File to write: ``.tif`` and its relatives, ``.png`` for one plane, or ``.zarr`` for a
        folder.
    metadata : ImageMetadata
        Axes, shape, pixel type and format of the image. ImageJ, OME and plain TIFF stay what they
        are where the format can hold the image; other formats become plain TIFF.
    blocks : iterable of (Block, ndarray of shape (rows, columns, S))
        Rectangles of any size that hold every pixel once: plane after plane in C-order, and within
        a plane in any order. What is held of them is least where they come row by row.
    overwrite : bool
        Whether an existing file is replaced.
    compression : str
        "auto" (that of the input, or a lossless one in place of a lossy), "none", "lzw",
        "deflate" or "zstd"; of a TIFF.
    bigtiff_bytes : int, optional
        Size of the pixels above which BigTIFF is written; bytes, by default just under 4 GiB.

    Returns
    -------
    tuple of str
        What the user should know of the file written, such as a change of format.

    Raises
    ------
    OutputError
        If the file exists, or the folder or the disk does not take it.
    ValueError
        If the blocks do not make up the image.
    """
    target = Path(path)
    check_target(target, overwrite=overwrite)
    if names_zarr(target):
        from focusfix.io.zarr_writer import write_zarr

        return write_zarr(target, metadata, blocks)
    if target.suffix.lower() == ".png":
        from focusfix.io.raster import write_png

        return write_png(target, metadata, blocks)
    from focusfix.io.tiff_writer import write_tiff

    return write_tiff(
        target, metadata, blocks, compression=compression, bigtiff_bytes=bigtiff_bytes
    )


def check_target(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Find out before any work whether an image can be written here.

    Parameters
    ----------
    path : path-like
        File to be written.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        If the file exists and may not be replaced, its folder is missing or takes no files, or
        its suffix belongs to a format that focusfix does not write; or it would be OME-Zarr and
        zarr is not installed.
    """
    target = Path(path)
    is_folder = names_zarr(target)
    if not is_folder and target.suffix.lower() not in (*TIFF_SUFFIXES, ".png"):
        raise OutputError(
            f"{target} cannot be written: focusfix writes TIFF, PNG and OME-Zarr images.",
            "Give an output name that ends with .tif or .zarr.",
        )
    if is_folder:
        check_zarr_installed(target, OutputError)
        _check_folder_target(target)
    elif target.is_dir():
        raise OutputError(f"{target} is a folder.", "Give a file name for the output image.")
    if target.exists() and not overwrite:
        raise OutputError(
            f"{target} exists already.", "Use --overwrite to replace it, or give another name."
        )
    if not target.parent.is_dir():
        raise OutputError(
            f"The folder {target.parent} does not exist.", "Create it or give another folder."
        )
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"The folder {target.parent} cannot be written to.",
            "Give another folder, or ask for write permission.",
        )


def _check_folder_target(target: Path) -> None:
    """Refuse to replace a folder that is no Zarr folder, or to write an image into another."""
    if target.exists() and not is_zarr(target):
        raise OutputError(
            f"{target} exists already and is no Zarr folder, so it is not replaced.",
            "Give another name.",
        )
    if target.suffix.lower() == ZARR_SUFFIX and is_zarr(target.parent):
        raise OutputError(
            f"{target} would lie within the Zarr folder {target.parent}.",
            "Give a name outside of it.",
        )


def _read_head(source: Path) -> bytes:
    check_no_address(source)
    try:
        with source.open("rb") as file:
            return file.read(16)
    except FileNotFoundError:
        raise InputError(f"{source} does not exist.", "Check the path and its spelling.") from None
    except IsADirectoryError:
        raise InputError(
            f"{source} is a folder, not an image.",
            "Give an image file, or give the folder to a command that takes several inputs.",
        ) from None
    except PermissionError:
        raise InputError(
            f"{source} cannot be read: permission denied.", "Ask for read permission on the file."
        ) from None
    except OSError as error:
        raise InputError(
            f"{source} cannot be read: {error.strerror or error}.",
            "Check the disk or network drive and try again.",
        ) from error
