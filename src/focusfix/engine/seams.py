"""Join what neighbouring tiles change, tile by tile in the order of reading."""

from typing import Any

import numpy as np
import numpy.typing as npt

from focusfix.engine.blend import blend_window
from focusfix.engine.tiles import Span

Tiles = npt.NDArray[np.float32]


class Seams:
    """What tiles of one plane share with the tiles that follow.

    Each tile completes one rectangle, its core shifted by the ramps: what lies to the right of
    it waits for the next tile of the row, what lies below for the next row. Tiles without ramps
    complete their cores, and nothing waits.

    Notes
    -----
    What waits for the next row is as wide as the image: two ramps of float32.
    """

    def __init__(self) -> None:
        self._beside: Tiles | None = None
        self._below: dict[int, Tiles] = {}

    def join(self, row: Span, column: Span, change: Tiles) -> tuple[slice, slice, Tiles]:
        """Take in one tile; tiles must come row by row, from left to right.

        Parameters
        ----------
        row, column : Span
            The tile.
        change : ndarray of float32, shape (support, support, samples)
            What it predicts for the pixels that it contributes to.

        Returns
        -------
        rows, columns : slice
            Pixels of the plane that are complete.
        change : ndarray of float32, shape (rows, columns, samples)
            The weighted mean of all tiles there.
        """
        if row.rise or row.fall or column.rise or column.fall:
            change = change * _weights(row, column)
        _add(change, self._beside if column.rise else None, axis=1)
        done_x = column.stop - column.fall - column.support_start
        self._beside = change[:, done_x:].copy() if column.fall else None
        change = change[:, :done_x]
        above = self._below.pop(column.support_start, None)
        _add(change, above if row.rise else None, axis=0)
        done_y = row.stop - row.fall - row.support_start
        if row.fall:
            self._below[column.support_start] = change[done_y:].copy()
        first_y, first_x = row.support_start, column.support_start
        done = slice(first_y, first_y + done_y), slice(first_x, first_x + done_x)
        return *done, change[:done_y]


def blend_parts(shape: tuple[int, ...], parts: list[tuple[Span, Span, Tiles]]) -> Tiles:
    """Put the parts of one tile together.

    Parameters
    ----------
    shape : tuple of int
        Height and width of what the tile contributes to, and samples.
    parts : list of (Span, Span, ndarray of float32)
        Row and column as from `split_span`, the first part at the upper left, and what they
        predict for their supports.

    Returns
    -------
    ndarray of float32
        Their weighted mean.
    """
    whole = np.zeros(shape, dtype=np.float32)
    top, left = parts[0][0].support_start, parts[0][1].support_start
    for row, column, change in parts:
        rows = slice(row.support_start - top, row.support_stop - top)
        columns = slice(column.support_start - left, column.support_stop - left)
        whole[rows, columns] += change * _weights(row, column)
    return whole


def _weights(row: Span, column: Span) -> npt.NDArray[Any]:
    return (blend_window(row)[:, None] * blend_window(column)[None, :])[:, :, None]


def _add(change: Tiles, waiting: Tiles | None, *, axis: int) -> None:
    """Add what waited for a tile to its first rows or columns."""
    if waiting is not None:
        first = slice(0, waiting.shape[axis])
        change[first if axis == 0 else (slice(None), first)] += waiting
