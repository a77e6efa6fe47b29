"""Compute tiles: bring pixels to scale, call the network, add its change to what is stored."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from focusfix.blocks import Block, PaintedBlock
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.percentiles import Pixels
from focusfix.engine.seams import Seams, Tiles, blend_parts
from focusfix.engine.tiles import Span, TilePlan, split_span
from focusfix.errors import ModelError, OutOfMemoryError

TileFunction = Callable[[Tiles], Tiles]
"""Maps (N, C_in, Y, X) float32, nominal range [0, 1], to (N, 1, Y, X) float32.

Channel 0 is the image that is restored, the others are its companions.
"""

LEAST_CORE_PX = 32
_ROWS_BYTES = 4 << 20


@dataclass(frozen=True)
class Tile:
    """One tile and what it sees.

    Parameters
    ----------
    plane : int
        Plane of the source.
    row, column : Span
        Where it lies.
    images : tuple of ndarray, each of shape (window, window, samples)
        Finite stored intensities of the image that is restored, then of its companions.
    """

    plane: int
    row: Span
    column: Span
    images: tuple[Pixels, ...] = field(repr=False)

    @property
    def support_shape(self) -> tuple[int, int, int]:
        """Height and width of what the tile contributes to, and samples."""
        height, width = (span.support_stop - span.support_start for span in (self.row, self.column))
        return height, width, self.images[0].shape[2]


class TilePainter:
    """Restore the tiles of one image in order, in smaller parts once memory runs out.

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
        self._seams = Seams()
        self.backed_off = False

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of the tiles in use; pixels."""
        margin = 2 * (self._plan.halo_px + self._plan.ramp_px)
        return self._core_y + margin, self._core_x + margin

    def paint(
        self, tiles: Sequence[Tile], scale: IntensityScale
    ) -> Iterator[tuple[PaintedBlock, int]]:
        """Restore the next tiles of one plane; they must come in the order of the plan.

        Parameters
        ----------
        tiles : sequence of Tile
            As many as are computed at once, or fewer.
        scale : IntensityScale
            Scale of their plane.

        Yields
        ------
        painted : (Block, ndarray of shape (rows, columns, samples))
            For each tile what it completes: where tiles are blended, not quite its core.
        n_clipped : int
            Samples outside the range of the output type.

        Raises
        ------
        ModelError
            If the network returns values that are not finite.
        OutOfMemoryError
            If memory does not suffice for the smallest tiles either.
        """
        for tile, change in zip(tiles, self._changes_of(tiles, scale), strict=True):
            rows, columns, complete = self._seams.join(tile.row, tile.column, change)
            stored = tile.images[0][
                _counted_from(tile.row.window_start, rows),
                _counted_from(tile.column.window_start, columns),
            ]
            pixels, n_clipped = _changed(stored, complete, scale, self._dtype)
            yield (Block(tile.plane, rows, columns), pixels), n_clipped

    def _changes_of(self, tiles: Sequence[Tile], scale: IntensityScale) -> list[Tiles]:
        """Predict the change of each tile on its support."""
        if scale.constant:
            return [np.zeros(tile.support_shape, dtype=np.float32) for tile in tiles]
        while True:
            try:
                return self._try_changes(tiles, scale)
            except (OutOfMemoryError, MemoryError):
                if not self._shrink():
                    raise self._give_up() from None

    def _try_changes(self, tiles: Sequence[Tile], scale: IntensityScale) -> list[Tiles]:
        parts_of = [self._parts_of(tile) for tile in tiles]
        parts = [
            (tile, row, column)
            for tile, spans in zip(tiles, parts_of, strict=True)
            for row, column in spans
        ]
        changes = self._part_changes(parts, scale)
        whole = []
        for tile, spans in zip(tiles, parts_of, strict=True):
            placed = [(row, column, next(changes)) for row, column in spans]
            one = len(placed) == 1
            whole.append(placed[0][2] if one else blend_parts(tile.support_shape, placed))
        return whole

    def _parts_of(self, tile: Tile) -> list[tuple[Span, Span]]:
        """Cut a tile as far as memory asks for."""
        if (self._core_y, self._core_x) == self._plan.core_yx:
            return [(tile.row, tile.column)]
        rows, columns = split_span(tile.row, self._core_y), split_span(tile.column, self._core_x)
        return list(product(rows, columns))

    def _part_changes(
        self, parts: Sequence[tuple[Tile, Span, Span]], scale: IntensityScale
    ) -> Iterator[Tiles]:
        """Call the network; yield what changes on the support of each part."""
        for first in range(0, len(parts), self._batch_size):
            batch = parts[first : first + self._batch_size]
            scaled = self._gather(batch, scale)
            restored = self._call(scaled)
            n_samples = len(scaled) // len(batch)
            for index, (tile, row, column) in enumerate(batch):
                part = slice(index * n_samples, (index + 1) * n_samples)
                inside = (part, 0, row.support_in_window, column.support_in_window)
                yield self._spread(tile, restored[inside] - scaled[inside])

    def _gather(self, batch: Sequence[tuple[Tile, Span, Span]], scale: IntensityScale) -> Tiles:
        """Bring what parts see to scale, shape (parts * samples, images, Y, X)."""
        images = batch[0][0].images
        used = [s for s in range(images[0].shape[2]) if s not in self._copied]
        shape = (len(batch), len(used), len(images), *self.tile_shape)
        scaled = np.empty(shape, dtype=np.float32)
        for target, (tile, row, column) in zip(scaled, batch, strict=True):
            rows, columns = (
                _counted_from(whole.window_start, slice(part.window_start, part.window_stop))
                for whole, part in ((tile.row, row), (tile.column, column))
            )
            for number, image in enumerate(tile.images):
                for index, sample in enumerate(used):
                    target[index, number] = scale.apply(image[rows, columns, sample])
        return scaled.reshape(-1, len(images), *self.tile_shape)

    def _call(self, scaled: Tiles) -> Tiles:
        restored = np.asarray(self._tile_function(scaled))
        if restored.shape != (len(scaled), 1, *scaled.shape[2:]):
            raise ModelError(
                f"The network turned tiles of shape {scaled.shape} into {restored.shape}.",
                "Choose a model that takes as many images as are given, and returns one.",
            )
        return restored

    def _spread(self, tile: Tile, change: Tiles) -> Tiles:
        """Bring samples last and add those that do not change."""
        if not np.isfinite(change).all():
            raise ModelError(
                "The network returned values that are not finite.",
                "Use --precision fp32, and check the intensities of the image for extreme values.",
            )
        if not self._copied:
            return np.moveaxis(change, 0, -1)
        spread = np.zeros((*change.shape[1:], tile.images[0].shape[2]), dtype=np.float32)
        used = [s for s in range(spread.shape[2]) if s not in self._copied]
        spread[..., used] = np.moveaxis(change, 0, -1)
        return spread

    def _shrink(self) -> bool:
        """Ask for less memory per call; False if that is impossible."""
        plan = self._plan
        stride = plan.stride_px
        least = -(-max(LEAST_CORE_PX, plan.halo_px // 4) // stride) * stride
        least = max(least, 2 * plan.ramp_px)
        half_y, half_x = (
            -(-core // (2 * stride)) * stride for core in (self._core_y, self._core_x)
        )
        can_y, can_x = (
            least <= half < core for half, core in ((half_y, self._core_y), (half_x, self._core_x))
        )
        if self._batch_size > 1:
            self._batch_size //= 2
        elif can_y and (self._core_y >= self._core_x or not can_x):
            self._core_y = half_y
        elif can_x:
            self._core_x = half_x
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


def _changed(
    stored: Pixels, change: Tiles, scale: IntensityScale, dtype: np.dtype[Any]
) -> tuple[Pixels, int]:
    """Add a change to stored intensities, some rows at a time."""
    changed = np.empty(stored.shape, dtype)
    step = max(_ROWS_BYTES // max(change[0].nbytes, 1), 1)
    n_clipped = 0
    for first in range(0, len(stored), step):
        rows = slice(first, first + step)
        changed[rows], n_more = scale.add_change(stored[rows], change[rows], dtype)
        n_clipped += n_more
    return changed, n_clipped


def _counted_from(start: int, span: slice) -> slice:
    return slice(span.start - start, span.stop - start)
