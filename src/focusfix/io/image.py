"""Images on disk as the rest of focusfix sees them: metadata, planes, windows and row bands."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from focusfix.errors import InputError, OutputError

PIXEL_TYPES = ("uint8", "uint16", "int16", "uint32", "float16", "float32", "float64")
IMAGE_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".tf2", ".png", ".jpg", ".jpeg")

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RASTER_MAGIC = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))


@dataclass(frozen=True)
class PlaneIndex:
    """One YX (or RGB) plane of an image.

    Parameters
    ----------
    position : int
        Index in C-order over the axes other than Y, X and S; what ``read_window`` takes.
    coordinates : Mapping of str to int
        Index along each of those axes, by axis letter. A letter that occurs again gets a number
        appended ("Q", "Q2").
    channel : int
        Index along C; 0 for an image without that axis.
    """

    position: int
    coordinates: Mapping[str, int]
    channel: int


@dataclass(frozen=True)
class Resolution:
    """Resolution tags of a TIFF, kept as stored.

    Parameters
    ----------
    x, y : tuple of int
        Pixels per unit as numerator and denominator.
    unit : int
        TIFF code of the unit: 1 none, 2 inch, 3 centimetre.
    """

    x: tuple[int, int]
    y: tuple[int, int]
    unit: int


@dataclass(frozen=True)
class ImageMetadata:
    """What an image says about itself, apart from its pixels.

    Parameters
    ----------
    axes : str
        One letter per dimension: T, Z, C in the order of the file, then "YX" or "YXS". Axes that
        the file does not name keep the letter of the reader ("Q", "I") and are taken as a plain
        series of planes. A file with another position of Y, X or S is presented in this order,
        and the reader's notes say so.
    shape : tuple of int
        Size along each axis; pixels, planes or samples.
    dtype : numpy.dtype
        Pixel type in native byte order, one of ``PIXEL_TYPES``.
    pixel_size_um : tuple of float, optional
        Pixel size (y, x); micrometres.
    z_spacing_um : float, optional
        Distance of neighbouring z levels; micrometres.
    frame_interval_s : float, optional
        Time between frames; seconds.
    channel_names : tuple of str, optional
        One name per channel.
    display_ranges : tuple of (float, float), optional
        Grey values shown as black and white, per channel.
    format : str
        "imagej", "ome", "tiff" (plain), "png" or "jpeg".
    significant_bits : int, optional
        Declared bit depth, where it is less than that of the pixel type.
    compression : str, optional
        Name of the compression of the pixels, in lower case; None if uncompressed.
    photometric : str
        "minisblack", "miniswhite", "rgb" or "palette".
    resolution : Resolution, optional
        Resolution tags as stored.
    description : str, optional
        Free text of a plain TIFF.
    extras : Mapping of str to object
        What else the format stores and must survive, in the format's own words: lookup tables,
        slice labels, units of an ImageJ file; attributes of OME channels.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pixel_size_um: tuple[float, float] | None = None
    z_spacing_um: float | None = None
    frame_interval_s: float | None = None
    channel_names: tuple[str, ...] | None = None
    display_ranges: tuple[tuple[float, float], ...] | None = None
    format: str = "tiff"
    significant_bits: int | None = None
    compression: str | None = None
    photometric: str = "minisblack"
    resolution: Resolution | None = None
    description: str | None = None
    extras: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.axes) != len(self.shape):
            raise ValueError(f"axes {self.axes} do not match shape {self.shape}")
        if not self.axes.endswith(("YX", "YXS")):
            raise ValueError(f"axes {self.axes} do not end with YX or YXS")
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("="))
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))

    @property
    def plane_axes(self) -> str:
        """Letters of the axes that number the planes."""
        return self.axes[: self.axes.rindex("YX")]

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Height and width of a plane; pixels."""
        start = len(self.plane_axes)
        return self.shape[start], self.shape[start + 1]

    @property
    def samples(self) -> int:
        """Number of colour samples of a pixel; 1 for grey."""
        return self.shape[-1] if self.axes.endswith("S") else 1

    @property
    def n_planes(self) -> int:
        """Number of YX planes."""
        return prod(self.shape[: len(self.plane_axes)])

    @property
    def nbytes(self) -> int:
        """Size of the pixels without compression; bytes."""
        return prod(self.shape) * self.dtype.itemsize

    @cached_property
    def planes(self) -> tuple[PlaneIndex, ...]:
        """Every plane in C-order over the axes other than Y, X and S."""
        letters = _distinct(self.plane_axes)
        sizes = self.shape[: len(letters)]
        found = []
        for position, index in enumerate(product(*(range(size) for size in sizes))):
            coordinates = dict(zip(letters, index, strict=True))
            found.append(PlaneIndex(position, coordinates, coordinates.get("C", 0)))
        return tuple(found)

    def axis_size(self, letter: str) -> int:
        """Return the size along one axis; 1 if the image does not have it."""
        return self.shape[self.axes.index(letter)] if letter in self.axes else 1


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
    """Open a TIFF, PNG or JPEG image, told apart by content.

    Parameters
    ----------
    path : path-like
        Image file.
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
        outside ``PIXEL_TYPES``, or ``axes`` does not fit.
    """
    source = Path(path)
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
    bands: Iterable[np.ndarray],
    *,
    overwrite: bool = False,
    compression: str = "auto",
    bigtiff_bytes: int | None = None,
) -> tuple[str, ...]:
    """Write an image from row bands, without ever holding a plane, and move it into place whole.

    The pixels go to ``<name>.partial`` in the same folder, which gets the final name when it is
    complete and is removed when anything stops the writing.

    Parameters
    ----------
    path : path-like
        File to write: ``.tif`` and its relatives, or ``.png`` for one plane.
    metadata : ImageMetadata
        Axes, shape, pixel type and format of the image. ImageJ, OME and plain TIFF stay what they
        are where the format can hold the image; other formats become plain TIFF.
    bands : iterable of numpy.ndarray, shape (rows, X, S)
        For each plane in C-order, consecutive rows from top to bottom; any number of rows a band.
    overwrite : bool
        Whether an existing file is replaced.
    compression : str
        "auto" (that of the input, or a lossless one in place of a lossy), "none", "lzw",
        "deflate" or "zstd".
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
        If the bands do not make up the image.
    """
    target = Path(path)
    check_target(target, overwrite=overwrite)
    if target.suffix.lower() == ".png":
        from focusfix.io.raster import write_png

        return write_png(target, metadata, bands)
    from focusfix.io.tiff_writer import write_tiff

    return write_tiff(target, metadata, bands, compression=compression, bigtiff_bytes=bigtiff_bytes)


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
        its suffix belongs to a format that focusfix does not write.
    """
    target = Path(path)
    if target.suffix.lower() not in (*IMAGE_SUFFIXES[:5], ".png"):
        raise OutputError(
            f"{target} cannot be written: focusfix writes TIFF and PNG images.",
            "Give an output name that ends with .tif.",
        )
    if target.is_dir():
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


def _read_head(source: Path) -> bytes:
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


def _distinct(letters: str) -> tuple[str, ...]:
    """Number the letters that occur again, so that each axis has a name of its own."""
    return tuple(
        letter if letters.index(letter) == at else f"{letter}{letters[: at + 1].count(letter)}"
        for at, letter in enumerate(letters)
    )
