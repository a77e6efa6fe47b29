"""Compute one row of tiles: gather pixels, call the network, put its change in place."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from focusfix.engine.canvas import Band, Blend, Mosaic, Tiles, change_band
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.percentiles import Pixels
from focusfix.engine.tiles import Span, TilePlan, plan_axis, reflect_positions, split_span
from focusfix.errors import ModelError, OutOfMemoryError

TileFunction = Callable[[Tiles], Tiles]
"""Maps (N, C_in, Y, X) float32, nominal range [0, 1], to (N, 1, Y, X) float32.

Channel 0 is the image that is restored, the others are its companions.
"""

LEAST_CORE_PX = 32


class BandPainter:
    """Restore bands of one image in order, with smaller tiles once memory runs out.

    Parameters
    ----------
    tile_function : callable
        The network with its parameters.
    plan : TilePlan
        Tiles to start with.
    dtype : dtype
        Type of the restored intensities.
    batch_size : int
        Tiles per call, at least 1.
    copied_samples : frozenset of int
        Samples that are passed on unchanged.
    """

    def __init__(
        self,
        tile_function: TileFunction,
        plan: TilePlan,
        *,
        dtype: np.dtype[Any],
        batch_size: int = 1,
        copied_samples: frozenset[int] = frozenset(),
    ) -> None:
        self._tile_function = tile_function
        self._plan = plan
        self._dtype = dtype
        self._batch_size = batch_size
        self._copied = copied_samples
        self._core_y, self._core_x = plan.core_yx
        self._columns = plan.columns
        self._carry: Tiles | None = None
        self.backed_off = False

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of the tiles in use; pixels."""
        margin = 2 * (self._plan.halo_px + self._plan.ramp_px)
        return self._core_y + margin, self._core_x + margin

    def paint(
        self, band: Band, scale: IntensityScale, on_tiles: Callable[[float], None]
    ) -> tuple[deque[Pixels], int]:
        """Restore one band; bands must come in the order of the plan.

        Parameters
        ----------
        band : Band
            Stored intensities.
        scale : IntensityScale
            Scale of the band's plane.
        on_tiles : callable
            Told the share of the band that is done, 0 to 1.

        Returns
        -------
        strips : deque of ndarray, each of shape (rows, X, samples)
            The next rows that are complete: blended ones wait for the next band.
        n_clipped : int
            Samples outside the range of the output type.

        Raises
        ------
        ModelError
            If the network returns values that are not finite.
        OutOfMemoryError
            If memory does not suffice for the smallest tiles either.
        """
        while True:
            try:
                strips, n_clipped, self._carry = self._paint_once(band, scale, on_tiles)
            except (OutOfMemoryError, MemoryError):
                if not self._shrink():
                    raise self._give_up() from None
            else:
                return strips, n_clipped

    def _paint_once(
        self, band: Band, scale: IntensityScale, on_tiles: Callable[[float], None]
    ) -> tuple[deque[Pixels], int, Tiles | None]:
        if scale.constant:
            on_tiles(1.0)
            return *change_band(band, scale, self._dtype, None), None
        canvas: Mosaic | Blend
        if self._plan.ramp_px:
            carry = self._carry if band.span.rise else None
            canvas = Blend(band, scale, self._dtype, carry)
        else:
            canvas = Mosaic(band, scale, self._dtype)
        for share, row, column, change in self._changes(band, scale):
            canvas.put(row, column, change)
            on_tiles(share)
        return canvas.finish()

    def _changes(
        self, band: Band, scale: IntensityScale
    ) -> Iterator[tuple[float, Span, Span, Tiles]]:
        """Call the network for all tiles; yield the share done and what each tile changes."""
        rows: tuple[Span, ...] = (band.span,)
        if self._core_y < self._plan.core_yx[0]:
            rows = split_span(band.span, self._core_y)
        tiles = [(row, column) for row in rows for column in self._columns]
        for first in range(0, len(tiles), self._batch_size):
            batch = tiles[first : first + self._batch_size]
            scaled = self._gather(band, scale, batch)
            restored = self._call(scaled)
            n_samples = len(scaled) // len(batch)
            for index, (row, column) in enumerate(batch):
                part = slice(index * n_samples, (index + 1) * n_samples)
                inside = (part, 0, row.support_in_window, column.support_in_window)
                change = self._spread(band, restored[inside] - scaled[inside])
                yield (first + index + 1) / len(tiles), row, column, change

    def _gather(
        self, band: Band, scale: IntensityScale, batch: Sequence[tuple[Span, Span]]
    ) -> Tiles:
        height, width = self._plan.shape_yx
        used = [s for s in range(band.rows.pixels.shape[2]) if s not in self._copied]
        images = (band.rows, *band.companions)
        shape = (len(batch), len(used), len(images), *self.tile_shape)
        scaled = np.empty(shape, dtype=np.float32)
        for target, (row, column) in zip(scaled, batch, strict=True):
            inside = _window_index(row, column, height, width, band.rows.first_row)
            for image, rows in enumerate(images):
                window = rows.pixels[inside]
                for index, sample in enumerate(used):
                    target[index, image] = scale.apply(window[..., sample])
        return scaled.reshape(-1, len(images), *self.tile_shape)

    def _call(self, scaled: Tiles) -> Tiles:
        restored = np.asarray(self._tile_function(scaled))
        if restored.shape != (len(scaled), 1, *scaled.shape[2:]):
            raise ModelError(
                f"The network turned tiles of shape {scaled.shape} into {restored.shape}.",
                "Choose a model that takes as many images as are given, and returns one.",
            )
        return restored

    def _spread(self, band: Band, change: Tiles) -> Tiles:
        """Bring samples last and add those that do not change."""
        if not np.isfinite(change).all():
            raise ModelError(
                "The network returned values that are not finite.",
                "Use --precision fp32, and check the intensities of the image for extreme values.",
            )
        if not self._copied:
            return np.moveaxis(change, 0, -1)
        spread = np.zeros((*change.shape[1:], band.rows.pixels.shape[2]), dtype=np.float32)
        used = [s for s in range(spread.shape[2]) if s not in self._copied]
        spread[..., used] = np.moveaxis(change, 0, -1)
        return spread

    def _shrink(self) -> bool:
        """Ask for less memory per call; False if that is impossible."""
        plan = self._plan
        least = -(-max(LEAST_CORE_PX, plan.halo_px // 4) // plan.stride_px) * plan.stride_px
        half_y, half_x = (
            -(-core // (2 * plan.stride_px)) * plan.stride_px
            for core in (self._core_y, self._core_x)
        )
        if self._batch_size > 1:
            self._batch_size //= 2
        elif not plan.ramp_px and self._core_y >= self._core_x and half_y >= least:
            self._core_y = half_y
        elif half_x >= max(least, 2 * plan.ramp_px) and half_x < self._core_x:
            self._core_x = half_x
            self._columns = plan_axis(plan.shape_yx[1], half_x, plan.halo_px, plan.ramp_px)
        elif not plan.ramp_px and least <= half_y < self._core_y:
            self._core_y = half_y
        else:
            return False
        self.backed_off = True
        return True

    def _give_up(self) -> OutOfMemoryError:
        height, width = self.tile_shape
        return OutOfMemoryError(
            f"Memory does not suffice for tiles of {height} x {width} pixels either.",
            "Close other programs, or choose another device or a smaller --tile-size.",
        )


def _window_index(row: Span, column: Span, height: int, width: int, first_row: int) -> Any:
    rows = reflect_positions(row.window_start, row.window_stop, height) - first_row
    columns = reflect_positions(column.window_start, column.window_stop, width)
    inside = row.window_start >= 0 and row.window_stop <= height
    if inside and column.window_start >= 0 and column.window_stop <= width:
        top = row.window_start - first_row
        return slice(top, top + len(rows)), slice(column.window_start, column.window_stop)
    return rows[:, None], columns[None, :]
