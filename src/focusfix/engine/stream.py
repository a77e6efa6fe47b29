"""One generator from pixels to restored pixels, pulled by whoever writes them.

A thread reads tiles ahead; who draws the blocks computes them. With `run_behind` another thread
writes them meanwhile. A few tiles are in memory at a time, however large the image is.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from focusfix.blocks import PaintedBlock
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.overlap import run_ahead
from focusfix.engine.painter import Tile, TileFunction, TilePainter
from focusfix.engine.source import PixelSource, read_tile
from focusfix.engine.tiles import TilePlan


@dataclass
class RestoreStats:
    """What happened on the way; complete once the generator has ended.

    Parameters
    ----------
    n_pixels, n_clipped : int
        Samples written, and those that did not fit the range of the output type.
    tile_shape : tuple of int
        Height and width of the tiles used last; pixels.
    backed_off : bool
        Whether tiles or batches had to shrink for want of memory.
    """

    n_pixels: int = 0
    n_clipped: int = 0
    tile_shape: tuple[int, int] = (0, 0)
    backed_off: bool = False

    @property
    def clipped_share(self) -> float:
        """Share of samples that were clipped; 0 to 1."""
        return self.n_clipped / self.n_pixels if self.n_pixels else 0.0


def restore(
    source: PixelSource,
    tile_function: TileFunction,
    plan: TilePlan,
    scales: Sequence[IntensityScale],
    *,
    companions: Sequence[PixelSource] = (),
    planes: Sequence[int] | None = None,
    batch_size: int = 1,
    dtype: npt.DTypeLike | None = None,
    copied_samples: Sequence[int] = (),
    stats: RestoreStats | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Generator[PaintedBlock, None, None]:
    """Restore an image tile by tile, as blocks for a writer to pull.

    Each sample of a pixel goes through the network on its own, on the scale of its plane. The
    predicted change is added to the stored intensities, so that a network which returns its input
    returns every bit of the image. Planes with a constant scale are passed on unchanged.

    Parameters
    ----------
    source : PixelSource
        The image. Read in another thread, if there is more than one batch of tiles.
    tile_function : TileFunction
        The network with its parameters. Called in the thread that draws the blocks.
    plan : TilePlan
        Tiles, from `plan_tiles` for the shape of ``source``.
    scales : sequence of IntensityScale
        One for each plane of ``source``.
    companions : sequence of PixelSource
        Other images of the same field, which ``tile_function`` sees as further channels: plane by
        plane, window by window, on the scale of ``source``.
    planes : sequence of int, optional
        Planes to restore, in the order wanted; all when not given.
    batch_size : int
        Tiles per call of ``tile_function``.
    dtype : dtype-like, optional
        Type of the result; that of ``source`` when not given.
    copied_samples : sequence of int
        Samples that are no intensities, such as alpha; passed on unchanged.
    stats : RestoreStats, optional
        Filled in on the way.
    on_progress : callable, optional
        Told the share of the work that is done, 0 to 1.

    Yields
    ------
    Block, ndarray of ``dtype`` and shape (rows, columns, samples)
        Rectangles that make up each plane, row by row of tiles, plane after plane. Planes are
        counted as in ``source``.

    Raises
    ------
    ValueError
        If a companion has another shape than ``source``, or fewer planes or samples.
    InputError
        If there are NaN or Inf pixels and the scale names no stand-in.
    ModelError
        If the network returns values that are not finite.
    OutOfMemoryError
        If memory does not suffice for the smallest tiles either.
    """
    wanted = range(source.n_planes) if planes is None else planes
    painter = TilePainter(
        tile_function,
        plan,
        dtype=np.dtype(source.dtype if dtype is None else dtype),
        batch_size=batch_size,
        copied_samples=frozenset(copied_samples),
    )
    stats = RestoreStats() if stats is None else stats
    _check_companions(source, companions, len(copied_samples))
    n_tiles = len(wanted) * plan.n_tiles
    progress = _Progress(stats, on_progress, n_tiles)
    tiles = _read_tiles((source, *companions), wanted, plan, scales)
    if n_tiles > batch_size:
        tiles = run_ahead(tiles, capacity=batch_size + 1, name="focusfix-read")
    blocks = _paint(_batches(tiles, batch_size), painter, scales, progress)
    return _closing_after(tiles, blocks)


def _paint(
    batches: Iterator[list[Tile]],
    painter: TilePainter,
    scales: Sequence[IntensityScale],
    progress: "_Progress",
) -> Iterator[PaintedBlock]:
    for batch in batches:
        for painted, n_clipped in painter.paint(batch, scales[batch[0].plane]):
            progress.count(painter, painted, n_clipped)
            yield painted
            del painted
        batch.clear()


def _closing_after(
    tiles: Generator[Tile, None, None], blocks: Iterator[PaintedBlock]
) -> Generator[PaintedBlock, None, None]:
    """Stop reading when nobody wants the blocks any more."""
    with closing(tiles):
        yield from blocks


def _read_tiles(
    images: Sequence[PixelSource],
    planes: Sequence[int],
    plan: TilePlan,
    scales: Sequence[IntensityScale],
) -> Generator[Tile, None, None]:
    """Read what each tile sees of all images."""
    for plane, row, column in product(planes, plan.rows, plan.columns):
        windows = (read_tile(image, plane, row, column, scales[plane]) for image in images)
        yield Tile(plane, row, column, tuple(windows))


def _batches(tiles: Iterator[Tile], batch_size: int) -> Iterator[list[Tile]]:
    """Take tiles of one plane together."""
    batch: list[Tile] = []
    for tile in tiles:
        if batch and batch[0].plane != tile.plane:
            yield batch
            batch = []
        batch.append(tile)
        del tile
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def _check_companions(
    source: PixelSource, companions: Sequence[PixelSource], n_copied: int
) -> None:
    """Refuse companions that do not lie on the source pixel by pixel."""
    for other in companions:
        lacking = other.n_planes < source.n_planes or other.samples < source.samples - n_copied
        if other.shape_yx != source.shape_yx or lacking:
            msg = (
                f"a companion has {other.n_planes} planes of {other.shape_yx} with "
                f"{other.samples} samples, the source {source.n_planes} of {source.shape_yx} "
                f"with {source.samples}"
            )
            raise ValueError(msg)


class _Progress:
    """Count finished tiles, and tell how far the work has come."""

    def __init__(
        self, stats: RestoreStats, on_progress: Callable[[float], None] | None, n_tiles: int
    ) -> None:
        self._stats = stats
        self._on_progress = on_progress
        self._n_tiles = n_tiles
        self._n_done = 0

    def count(self, painter: TilePainter, painted: PaintedBlock, n_clipped: int) -> None:
        """Add a finished tile to the figures."""
        self._n_done += 1
        self._stats.n_pixels += painted[1].size
        self._stats.n_clipped += n_clipped
        self._stats.tile_shape = painter.tile_shape
        self._stats.backed_off = painter.backed_off
        if self._on_progress is not None:
            self._on_progress(self._n_done / self._n_tiles)
