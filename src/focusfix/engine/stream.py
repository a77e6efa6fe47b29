"""One generator from pixels to restored pixels, pulled by whoever writes them.

Three threads overlap: one reads rows of tiles ahead, one computes, and the caller's own writes.
About two rows of tiles are in memory at each hand-over, however tall the image is.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from focusfix.engine.normalize import IntensityScale, Pixels
from focusfix.engine.overlap import run_ahead
from focusfix.engine.painter import Band, BandPainter, TileFunction
from focusfix.engine.tiles import TilePlan, reflect_positions
from focusfix.errors import InputError

READ_CHUNK_BYTES = 4 << 20


class PixelSource(Protocol):
    """What the engine needs to know of an image: planes of equal shape, read in windows."""

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
    bands = run_ahead(_read_bands(source, plan, scales, wanted), name="focusfix-read")
    total = len(wanted) * len(plan.rows)
    restored = _compute(
        bands, painter, scales, stats, lambda n: on_progress and on_progress(n / total)
    )
    return run_ahead(restored, name="focusfix-compute")


def _compute(
    bands: Generator[Band, None, None],
    painter: BandPainter,
    scales: Sequence[IntensityScale],
    stats: RestoreStats,
    on_bands: Callable[[float], None],
) -> Iterator[Pixels]:
    done = 0
    try:
        for band in bands:

            def tell(share: float, before: int = done) -> None:
                on_bands(before + share)

            pixels, n_clipped = painter.paint(band, scales[band.plane], tell)
            _count(stats, painter, pixels.size, n_clipped)
            done += 1
            del band
            yield pixels
            del pixels
    finally:
        bands.close()


def _count(stats: RestoreStats, painter: BandPainter, n_pixels: int, n_clipped: int) -> None:
    stats.n_pixels += n_pixels
    stats.n_clipped += n_clipped
    stats.tile_shape = painter.tile_shape
    stats.backed_off = painter.backed_off


def _read_bands(
    source: PixelSource, plan: TilePlan, scales: Sequence[IntensityScale], planes: Sequence[int]
) -> Iterator[Band]:
    """Read each row of the image once, though rows of tiles overlap."""
    height, width = plan.shape_yx
    for plane in planes:
        band: Band | None = None
        for span in plan.rows:
            needed = reflect_positions(span.window_start, span.window_stop, height)
            first, stop = int(needed.min()), int(needed.max()) + 1
            pixels = np.empty((stop - first, width, source.samples), dtype=source.dtype)
            known = _carry_over(band, pixels, first)
            band = Band(plane, span, first, pixels)
            for rows in (range(first, known.start), range(known.stop, stop)):
                _read_rows(source, plane, rows, pixels, first, scales[plane])
            yield band


def _carry_over(previous: Band | None, pixels: Pixels, first: int) -> range:
    """Copy the rows that the previous band holds already; return which."""
    if previous is None:
        return range(first, first)
    start = max(first, previous.first_row)
    stop = min(first + len(pixels), previous.first_row + len(previous.pixels))
    if stop <= start:
        return range(first, first)
    known = previous.pixels[start - previous.first_row : stop - previous.first_row]
    pixels[start - first : stop - first] = known
    return range(start, stop)


def _read_rows(
    source: PixelSource,
    plane: int,
    rows: range,
    pixels: Pixels,
    first: int,
    scale: IntensityScale,
) -> None:
    row_bytes = pixels[0].nbytes
    step = max(READ_CHUNK_BYTES // row_bytes, 1)
    for start in range(rows.start, rows.stop, step):
        stop = min(start + step, rows.stop)
        target = pixels[start - first : stop - first]
        target[...] = source.read_window(plane, slice(start, stop), slice(0, target.shape[1]))
        if target.dtype.kind == "f":
            _fill_gaps(target, scale, plane, start)


def _fill_gaps(pixels: Pixels, scale: IntensityScale, plane: int, first_row: int) -> None:
    gaps = ~np.isfinite(pixels)
    if not gaps.any():
        return
    if scale.fill is None:
        row, column, _ = (int(axis[0]) for axis in np.nonzero(gaps))
        raise InputError(
            f"Plane {plane} holds NaN or Inf, first at row {first_row + row}, column {column}.",
            "Use --nan-policy fill to replace such pixels.",
        )
    pixels[gaps] = scale.fill
