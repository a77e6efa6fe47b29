"""An image as the engine sees it: planes of equal shape, read top to bottom."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from focusfix.engine.normalize import IntensityScale
from focusfix.engine.percentiles import Pixels
from focusfix.engine.tiles import Span, TilePlan, reflect_positions
from focusfix.errors import InputError

READ_BYTES = 4 << 20
"""Size of the pieces that images are read and handed out in; bytes."""


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
        self.dtype: np.dtype[Any] = planes.dtype

    def read_window(self, plane: int, rows: slice, columns: slice) -> Pixels:
        """Return a view of a window, shape (rows, columns, samples)."""
        return self._planes[plane, rows, columns]


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of one plane.

    Parameters
    ----------
    plane : int
        Plane of the source.
    first_row : int
        Row of the plane that ``pixels`` starts with.
    pixels : ndarray, shape (rows, X, samples)
        Stored intensities.
    """

    plane: int
    first_row: int
    pixels: Pixels = field(repr=False)

    @property
    def stop_row(self) -> int:
        """Row after the last one."""
        return self.first_row + len(self.pixels)

    def between(self, start: int, stop: int) -> Pixels:
        """Return a view of some rows of the plane."""
        return self.pixels[start - self.first_row : stop - self.first_row]


def read_rows(source: PixelSource, planes: Sequence[int]) -> Iterator[Rows]:
    """Read planes in pieces of bounded size, each row once.

    Parameters
    ----------
    source : PixelSource
        The image.
    planes : sequence of int
        Planes wanted, in order.

    Yields
    ------
    Rows
        Pieces of the full width, top to bottom.
    """
    height, width = source.shape_yx
    step = rows_per_piece(width * source.samples * source.dtype.itemsize)
    for plane in planes:
        for first in range(0, height, step):
            rows = slice(first, min(first + step, height))
            yield Rows(plane, first, source.read_window(plane, rows, slice(0, width)))


def rows_per_piece(row_bytes: int) -> int:
    """Return how many rows of ``row_bytes`` bytes make a piece; at least 1."""
    return max(READ_BYTES // max(row_bytes, 1), 1)


class BandReader:
    """Collect the rows that each row of tiles needs, from pieces that come in order.

    Consecutive rows of tiles overlap by their halos; what they share is copied from one band to
    the next rather than read again.

    Parameters
    ----------
    source : PixelSource
        The image.
    pieces : iterator of Rows
        All rows of all planes that will be asked for, in order.
    plan : TilePlan
        The tiles.
    """

    def __init__(self, source: PixelSource, pieces: Iterator[Rows], plan: TilePlan) -> None:
        self._source = source
        self._pieces = pieces
        self._plan = plan
        self._piece: Rows | None = None
        self._band: Rows | None = None

    def read(self, plane: int, span: Span, scale: IntensityScale) -> Rows:
        """Return the rows that the windows of one row of tiles hold, reflections included.

        Parameters
        ----------
        plane : int
            Plane of the source.
        span : Span
            The row of tiles; spans must be asked for in order.
        scale : IntensityScale
            Scale of the plane; its ``fill`` replaces pixels that are not finite.

        Returns
        -------
        Rows
            Finite intensities.

        Raises
        ------
        InputError
            If pixels are not finite and there is no ``fill``.
        """
        height, width = self._plan.shape_yx
        needed = reflect_positions(span.window_start, span.window_stop, height)
        first, stop = int(needed.min()), int(needed.max()) + 1
        shape = (stop - first, width, self._source.samples)
        band = Rows(plane, first, np.empty(shape, dtype=self._source.dtype))
        old, self._band = self._band, band
        done = first
        if old is not None and span.start > 0:
            done = min(old.stop_row, stop)
            band.between(first, done)[...] = old.between(first, done)
        del old
        while done < stop:
            piece = self._piece_at(plane, done)
            until = min(piece.stop_row, stop)
            fresh = band.between(done, until)
            fresh[...] = piece.between(done, until)
            if fresh.dtype.kind == "f":
                _fill_gaps(fresh, scale, plane, done)
            done = until
        return band

    def _piece_at(self, plane: int, row: int) -> Rows:
        piece = self._piece
        while piece is None or piece.plane != plane or not piece.first_row <= row < piece.stop_row:
            piece = next(self._pieces)
        self._piece = piece
        return piece


def _fill_gaps(pixels: Pixels, scale: IntensityScale, plane: int, first_row: int) -> None:
    gaps = ~np.isfinite(pixels)
    if not gaps.any():
        return
    if scale.fill is None:
        row, column = (int(axis[0]) for axis in np.nonzero(gaps)[:2])
        raise InputError(
            f"Plane {plane} holds NaN or Inf, first at row {first_row + row}, column {column}.",
            "Use --nan-policy fill to replace such pixels.",
        )
    pixels[gaps] = scale.fill
