"""Put the changes that tiles predict on the rows of one band."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from focusfix.engine.blend import blend_window
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.percentiles import Pixels
from focusfix.engine.source import Rows, rows_per_piece
from focusfix.engine.tiles import Span

Tiles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Band:
    """One row of tiles and the rows of the plane that it reads.

    Parameters
    ----------
    span : Span
        The row of tiles.
    rows : Rows
        Stored intensities, all finite.
    companions : tuple of Rows
        The same rows of the images that the network sees beside this one.
    """

    span: Span
    rows: Rows
    companions: tuple[Rows, ...] = ()


class Mosaic:
    """Cores side by side: each pixel comes from one tile.

    Strips are allocated when the first core arrives, by when the writer may have freed those of
    the band before.

    Parameters
    ----------
    band : Band
        What is restored.
    scale : IntensityScale
        Scale of its plane.
    dtype : dtype
        Type of the restored intensities.
    """

    def __init__(self, band: Band, scale: IntensityScale, dtype: np.dtype[Any]) -> None:
        self._band, self._scale, self._dtype = band, scale, dtype
        self._strips: deque[Rows] = deque()
        self._n_clipped = 0

    def put(self, row: Span, column: Span, change: Tiles) -> None:
        """Take in the change of one tile, shape (support, support, samples)."""
        if not self._strips:
            self._strips.extend(self._empty_strips())
        for strip in self._strips:
            start, stop = max(strip.first_row, row.start), min(strip.stop_row, row.stop)
            if start >= stop:
                continue
            stored = self._band.rows.between(start, stop)[:, column.support]
            part = change[start - row.start : stop - row.start]
            changed, n_clipped = self._scale.add_change(stored, part, self._dtype)
            strip.between(start, stop)[:, column.support] = changed
            self._n_clipped += n_clipped

    def finish(self) -> tuple[deque[Pixels], int, None]:
        """Return the restored strips and how many of their samples were clipped."""
        return deque(strip.pixels for strip in self._strips), self._n_clipped, None

    def _empty_strips(self) -> Iterator[Rows]:
        row_shape = self._band.rows.pixels.shape[1:]
        for start, stop in _strip_bounds(self._band, self._dtype):
            pixels = np.empty((stop - start, *row_shape), dtype=self._dtype)
            yield Rows(self._band.rows.plane, start, pixels)


class Blend:
    """Overlapping tiles whose changes are averaged with weights that sum to one.

    Parameters
    ----------
    band : Band
        What is restored.
    scale : IntensityScale
        Scale of its plane.
    dtype : dtype
        Type of the restored intensities.
    carry : ndarray, optional
        What the band before contributed to the first rows.
    """

    def __init__(
        self, band: Band, scale: IntensityScale, dtype: np.dtype[Any], carry: Tiles | None
    ) -> None:
        self._band, self._scale, self._dtype = band, scale, dtype
        n_rows = band.span.support_stop - band.span.support_start
        self._change = np.zeros((n_rows, *band.rows.pixels.shape[1:]), dtype=np.float32)
        if carry is not None:
            self._change[: len(carry)] = carry

    def put(self, row: Span, column: Span, change: Tiles) -> None:
        """Take in the change of one tile, shape (support, support, samples)."""
        weights = blend_window(row)[:, None] * blend_window(column)[None, :]
        self._change[:, column.support] += change * weights[:, :, None]

    def finish(self) -> tuple[deque[Pixels], int, Tiles]:
        """Return the complete strips, their clipped samples, and what the next band shares."""
        change = Rows(self._band.rows.plane, self._band.span.support_start, self._change)
        strips, n_clipped = change_band(self._band, self._scale, self._dtype, change)
        last = self._band.span.stop - self._band.span.fall
        return strips, n_clipped, change.between(last, change.stop_row).copy()


def change_band(
    band: Band, scale: IntensityScale, dtype: np.dtype[Any], change: Rows | None
) -> tuple[deque[Pixels], int]:
    """Add a change to all rows that a band completes.

    Parameters
    ----------
    band : Band
        Stored intensities.
    scale : IntensityScale
        Scale of its plane.
    dtype : dtype
        Type of the result.
    change : Rows or None
        Output of the network less its input, float32; None where there is nothing to restore.

    Returns
    -------
    strips : deque of ndarray
        Consecutive rows.
    n_clipped : int
        Samples outside the range of ``dtype``.
    """
    strips: deque[Pixels] = deque()
    n_clipped = 0
    for start, stop in _strip_bounds(band, dtype):
        stored = band.rows.between(start, stop)
        part = np.zeros(stored.shape, np.float32) if change is None else change.between(start, stop)
        changed, n_more = scale.add_change(stored, part, dtype)
        strips.append(changed)
        n_clipped += n_more
    return strips, n_clipped


def _strip_bounds(band: Band, dtype: np.dtype[Any]) -> list[tuple[int, int]]:
    """Cut the rows that a band completes into strips of bounded size."""
    first, last = band.span.support_start, band.span.stop - band.span.fall
    step = rows_per_piece(band.rows.pixels[0].size * dtype.itemsize)
    return [(start, min(start + step, last)) for start in range(first, last, step)]
