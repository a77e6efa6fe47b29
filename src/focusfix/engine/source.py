"""An image as the engine sees it: planes of equal shape, of which windows are read."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np

from focusfix.blocks import Block, PaintedBlock
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.percentiles import Pixels
from focusfix.engine.tiles import Span, reflect_positions
from focusfix.errors import InputError

READ_BYTES = 4 << 20
"""Size of the pieces that whole images are read in; bytes."""


class PixelSource(Protocol):
    """What the engine needs to know of an image."""

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Height and width of every plane in pixels."""

    @property
    def n_planes(self) -> int:
        """Planes that are restored one by one."""

    @property
    def samples(self) -> int:
        """Values per pixel: 1 for grey, 3 for RGB."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored intensities."""

    @property
    def chunk_yx(self) -> tuple[int, int]:
        """Height and width of what is decoded at once; pixels."""

    def read_window(self, plane: int, rows: slice, columns: slice) -> Pixels:
        """Return stored intensities, shape (rows, columns, samples)."""


class ArraySource:
    """An image that is in memory already.

    Parameters
    ----------
    planes : ndarray, shape (planes, Y, X, samples)
        Intensities; not copied.

    Raises
    ------
    ValueError
        If there are not four axes, or one of them is empty.
    """

    def __init__(self, planes: Pixels) -> None:
        if planes.ndim != 4 or planes.size == 0:
            raise ValueError(f"expected (planes, Y, X, samples), not an array of {planes.shape}")
        self._planes = planes
        self.n_planes, height, width, self.samples = planes.shape
        self.shape_yx = (height, width)
        self.chunk_yx = (1, width)
        self.dtype: np.dtype[Any] = planes.dtype

    def read_window(self, plane: int, rows: slice, columns: slice) -> Pixels:
        """Return a view of a window, shape (rows, columns, samples)."""
        return self._planes[plane, rows, columns]


def read_pieces(source: PixelSource, planes: Sequence[int]) -> Iterator[PaintedBlock]:
    """Read planes in pieces of bounded size, each chunk of the file once.

    Parameters
    ----------
    source : PixelSource
        The image.
    planes : sequence of int
        Planes wanted, in order.

    Yields
    ------
    Block, ndarray of shape (rows, columns, samples)
        Pieces that make up each plane: rows of the full width, or some chunks side by side.
    """
    height, width = source.shape_yx
    tall, wide = source.chunk_yx
    pixel_bytes = source.samples * source.dtype.itemsize
    if wide < width:
        wide *= max(READ_BYTES // (tall * wide * pixel_bytes), 1)
    else:
        tall, wide = height, width
    step = max(READ_BYTES // (min(wide, width) * pixel_bytes), 1)
    for plane, top, left in product(planes, range(0, height, tall), range(0, width, wide)):
        bottom, columns = min(top + tall, height), slice(left, min(left + wide, width))
        for first in range(top, bottom, step):
            rows = slice(first, min(first + step, bottom))
            yield Block(plane, rows, columns), source.read_window(plane, rows, columns)


def read_tile(
    source: PixelSource, plane: int, row: Span, column: Span, scale: IntensityScale
) -> Pixels:
    """Read the window of one tile, reflections beyond the border of the image included.

    Parameters
    ----------
    source : PixelSource
        The image.
    plane : int
        Plane of the source.
    row, column : Span
        The tile.
    scale : IntensityScale
        Scale of the plane; its ``fill`` replaces pixels that are not finite.

    Returns
    -------
    ndarray, shape (rows, columns, samples)
        Finite intensities.

    Raises
    ------
    InputError
        If pixels are not finite and there is no ``fill``.
    """
    spans = list(zip((row, column), source.shape_yx, strict=True))
    rows, columns = (
        reflect_positions(span.window_start, span.window_stop, size) for span, size in spans
    )
    top, left = int(rows.min()), int(columns.min())
    bottom, right = int(rows.max()) + 1, int(columns.max()) + 1
    window = source.read_window(plane, slice(top, bottom), slice(left, right))
    if window.dtype.kind == "f":
        window = _without_gaps(window, scale, Block(plane, slice(top, bottom), slice(left, right)))
    if all(span.window_start >= 0 and span.window_stop <= size for span, size in spans):
        return window
    reflected: Pixels = window.take(columns - left, axis=1).take(rows - top, axis=0)
    return reflected


def _without_gaps(pixels: Pixels, scale: IntensityScale, place: Block) -> Pixels:
    gaps = ~np.isfinite(pixels)
    if not gaps.any():
        return pixels
    if scale.fill is None:
        row, column = (int(axis[0]) for axis in np.nonzero(gaps)[:2])
        raise InputError(
            f"Plane {place.plane} holds NaN or Inf, first at row {place.rows.start + row}, "
            f"column {place.columns.start + column}.",
            "Use --nan-policy fill to replace such pixels.",
        )
    return np.where(gaps, pixels.dtype.type(scale.fill), pixels)
