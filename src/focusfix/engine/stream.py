"""One generator from pixels to restored pixels, pulled by whoever writes them.

Three threads overlap: one reads rows of tiles ahead, one computes, and the caller's own writes.
One row of tiles is read, one restored and one written at a time, however tall the image is.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from focusfix.engine.canvas import Band
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.overlap import run_ahead
from focusfix.engine.painter import BandPainter, TileFunction
from focusfix.engine.percentiles import Pixels
from focusfix.engine.source import BandReader, PixelSource, Rows, read_rows
from focusfix.engine.tiles import Span, TilePlan

READ_AHEAD = 4
"""Pieces of rows that are read before they are needed."""


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
) -> Generator[Pixels, None, None]:
    """Restore an image plane by plane, as bands of rows for a writer to pull.

    Each sample of a pixel goes through the network on its own, on the scale of its plane. The
    predicted change is added to the stored intensities, so that a network which returns its input
    returns every bit of the image. Planes with a constant scale are passed on unchanged.

    Parameters
    ----------
    source : PixelSource
        The image. Read from one other thread.
    tile_function : TileFunction
        The network with its parameters. Called from one other thread.
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
        Told the share of the work that is done, 0 to 1, from the computing thread.

    Yields
    ------
    ndarray of ``dtype``, shape (rows, X, samples)
        Consecutive rows, top to bottom, plane after plane; heights vary.

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
    painter = BandPainter(
        tile_function,
        plan,
        dtype=np.dtype(source.dtype if dtype is None else dtype),
        batch_size=batch_size,
        copied_samples=frozenset(copied_samples),
    )
    stats = RestoreStats() if stats is None else stats
    _check_companions(source, companions, len(copied_samples))
    progress = _Progress(stats, on_progress, n_bands=len(wanted) * len(plan.rows))
    bands = _read_bands((source, *companions), wanted, plan, scales)

    def compute() -> Iterator[deque[Pixels]]:
        with closing(bands):
            for plane, band in bands:
                strips, n_clipped = painter.paint(band, scales[plane], progress.tell)
                progress.count(painter, strips, n_clipped)
                del band
                yield strips
                del strips

    return _hand_out(run_ahead(compute(), name="focusfix-compute"))


def _read_bands(
    images: Sequence[PixelSource],
    planes: Sequence[int],
    plan: TilePlan,
    scales: Sequence[IntensityScale],
) -> Generator[tuple[int, Band], None, None]:
    """Read all images ahead, and bring together what each row of tiles needs of them."""
    pieces = [
        run_ahead(read_rows(image, planes), capacity=READ_AHEAD, name="focusfix-read")
        for image in images
    ]
    readers = [BandReader(image, rows, plan) for image, rows in zip(images, pieces, strict=True)]
    with ExitStack() as stack:
        for rows in pieces:
            stack.enter_context(closing(rows))
        for plane, span in product(planes, plan.rows):
            yield plane, Band(span, *_first_and_rest(readers, plane, span, scales[plane]))


def _first_and_rest(
    readers: Sequence[BandReader], plane: int, span: Span, scale: IntensityScale
) -> tuple[Rows, tuple[Rows, ...]]:
    first, *others = (reader.read(plane, span, scale) for reader in readers)
    return first, tuple(others)


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


def _hand_out(bands: Generator[deque[Pixels], None, None]) -> Generator[Pixels, None, None]:
    """Let go of each strip when it is given away, so that writing frees memory as it goes."""
    with closing(bands):
        for strips in bands:
            while strips:
                yield strips.popleft()


class _Progress:
    """Count finished bands, and tell how far the work has come."""

    def __init__(
        self, stats: RestoreStats, on_progress: Callable[[float], None] | None, n_bands: int
    ) -> None:
        self._stats = stats
        self._on_progress = on_progress
        self._n_bands = n_bands
        self._n_done = 0

    def tell(self, share: float) -> None:
        """Tell the share of all work, given that of the band at hand; 0 to 1."""
        if self._on_progress is not None:
            self._on_progress((self._n_done + share) / self._n_bands)

    def count(self, painter: BandPainter, strips: deque[Pixels], n_clipped: int) -> None:
        """Add a finished band to the figures."""
        self._n_done += 1
        self._stats.n_pixels += sum(strip.size for strip in strips)
        self._stats.n_clipped += n_clipped
        self._stats.tile_shape = painter.tile_shape
        self._stats.backed_off = painter.backed_off
