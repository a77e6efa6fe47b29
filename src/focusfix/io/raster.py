"""PNG and JPEG images, which are decoded and encoded whole."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import imagecodecs
import numpy as np

from focusfix.blocks import PaintedBlock
from focusfix.errors import InputError, OutputError
from focusfix.io.atomic import partial_file
from focusfix.io.cells import gather_cells
from focusfix.io.metadata import ImageMetadata

_JPEG_END = b"\xff\xd9"
_NEXT_STEP = "Copy it again from where it was recorded, or export it as TIFF."


class RasterReader:
    """Read windows of a PNG or JPEG image, held in memory.

    Parameters
    ----------
    path : Path
        Image file.
    kind : str
        "png" or "jpeg".
    axes : str, optional
        Axes that the user states; they must be those of the image.

    Raises
    ------
    InputError
        If the file is damaged, not grey or RGB, or has other axes.
    """

    def __init__(self, path: Path, kind: str, *, axes: str | None = None) -> None:
        pixels = _decode(path, kind)
        pixels, notes = _without_opaque_alpha(path, kind, pixels)
        found = "YX" if pixels.ndim == 2 else "YXS"
        if axes is not None and axes.upper() != found:
            raise InputError(
                f"The axes {axes} do not fit {path}, whose shape is {pixels.shape} ({found}).",
                "Leave --axes out for PNG and JPEG images.",
            )
        self.path = path
        self.chunk_yx = pixels.shape[:2]
        self.notes: tuple[str, ...] = notes
        self.metadata = ImageMetadata(
            axes=found,
            shape=pixels.shape,
            dtype=pixels.dtype,
            format=kind,
            compression=kind,
            photometric="minisblack" if found == "YX" else "rgb",
        )
        self._pixels = pixels.reshape(*self.metadata.shape_yx, self.metadata.samples)

    def read_window(self, plane: int, rows: slice, columns: slice) -> np.ndarray:
        """Read part of the plane as an array of shape (Y, X, S); see ``ImageReader``."""
        if plane != 0:
            raise IndexError(f"plane {plane} of 1")
        for span, size in zip((rows, columns), self.metadata.shape_yx, strict=True):
            start, stop, step = span.indices(size)
            if step != 1 or start >= stop or (span.stop is not None and span.stop > size):
                raise IndexError(f"window {span.start}:{span.stop} of {size} pixels")
        return self._pixels[rows, columns].copy()

    def close(self) -> None:
        """Do nothing: the file is closed once it is decoded."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def write_png(
    path: Path, metadata: ImageMetadata, blocks: Iterable[PaintedBlock]
) -> tuple[str, ...]:
    """Write one plane as PNG, held in memory; see ``write_image``.

    Parameters
    ----------
    path : Path
        File to write; replaced if it exists.
    metadata : ImageMetadata
        Image of one plane.
    blocks : iterable of (Block, ndarray of shape (rows, columns, S))
        Its pixels.

    Returns
    -------
    tuple of str
        What PNG does not hold of the image.

    Raises
    ------
    OutputError
        If the image does not fit into a PNG, the disk is full or the folder cannot be written to.
    ValueError
        If the blocks do not make up the plane.
    """
    check_png(path, metadata)
    ((_, pixels),) = gather_cells(blocks, metadata, metadata.shape_yx)
    if metadata.samples == 1:
        pixels = pixels[..., 0]
    with partial_file(path) as partial:
        partial.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))
    return () if metadata.pixel_size_um is None else ("the PNG does not hold the pixel size",)


def check_png(path: Path, metadata: ImageMetadata) -> None:
    """Find out before any work whether an image fits into a PNG.

    Parameters
    ----------
    path : Path
        File to be written.
    metadata : ImageMetadata
        The image.

    Raises
    ------
    OutputError
        If it has several planes, or is not 8- or 16-bit grey, RGB or RGBA.
    """
    if metadata.n_planes > 1 or metadata.dtype.name not in ("uint8", "uint16"):
        raise OutputError(
            f"{path} cannot hold {metadata.n_planes} planes of type {metadata.dtype.name}: a PNG "
            "is one plane of 8 or 16 bits.",
            "Give an output name that ends with .tif.",
        )


def _decode(path: Path, kind: str) -> np.ndarray:
    data = path.read_bytes()
    decode = imagecodecs.png_decode if kind == "png" else imagecodecs.jpeg_decode
    try:
        pixels: np.ndarray = decode(data)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path} is damaged or incomplete: {error}.", _NEXT_STEP) from error
    # A cut JPEG decodes without complaint, with grey where data are missing.
    if kind == "jpeg" and _JPEG_END not in data[-4096:]:
        raise InputError(f"{path} is truncated: its last part is missing.", _NEXT_STEP)
    return pixels


def _without_opaque_alpha(
    path: Path, kind: str, pixels: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Leave transparency out, which is no intensity."""
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    if kind == "jpeg" and samples == 4:
        raise InputError(f"{path} has CMYK colours.", "Convert it to RGB or grey.")
    if samples in (1, 3):
        return pixels, ()
    alpha = pixels[..., -1]
    if (alpha != np.iinfo(pixels.dtype).max).any():
        raise InputError(
            f"{path} is partly transparent.", "Flatten it to grey or RGB without transparency."
        )
    shown = pixels[..., 0] if samples == 2 else pixels[..., :-1]
    return np.ascontiguousarray(shown), ("the opaque alpha channel is left out",)
