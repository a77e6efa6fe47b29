"""Where tiles lie: pure geometry, one axis at a time.

One axis of an image that is cut into three tiles (``halo`` 2, ``ramp`` 1, ``core`` 6)::

    image             0.....................size
    cores             [ core  )[ core  )[ core  )
    window of tile 0  hhr      rhh                   h: halo, read but thrown away
    window of tile 1        hhr       rhh            r: ramp, shared with the neighbour

Every window has the same length and starts on the stride grid that is anchored at the first pixel
of the image. A network is equivariant only for shifts on that grid, so the phase of a tile
matters more than its size. Positions outside the image are filled with the image's reflection.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from focusfix.engine.tile_sizes import auto_tile_px, choose_core_px, round_up
from focusfix.errors import UsageError
from focusfix.footprint import Footprint


@dataclass(frozen=True)
class Span:
    """One tile along one axis; all positions are pixels of the image.

    Parameters
    ----------
    start, stop : int
        The core: pixels that this tile owns; ``0 <= start < stop <= size``.
    support_start, support_stop : int
        The core and the ramps it shares with its neighbours: pixels it contributes to.
    rise, fall : int
        Half the width of the blend around ``start`` and ``stop``; 0 where there is no neighbour.
    window_start, window_stop : int
        What the network sees; may lie partly outside the image.
    """

    start: int
    stop: int
    support_start: int
    support_stop: int
    rise: int
    fall: int
    window_start: int
    window_stop: int

    @property
    def support(self) -> slice:
        """Pixels of the image that this tile contributes to."""
        return slice(self.support_start, self.support_stop)

    @property
    def support_in_window(self) -> slice:
        """The support, counted from the first pixel of the window."""
        return slice(self.support_start - self.window_start, self.support_stop - self.window_start)


@dataclass(frozen=True)
class TilePlan:
    """All tiles of one plane: a grid of row spans and column spans.

    Parameters
    ----------
    shape_yx : tuple of int
        Height and width of the plane in pixels.
    rows, columns : tuple of Span
        Tiles along each axis, in order.
    core_yx, halo_px, ramp_px, stride_px : tuple of int, int, int, int
        Sizes in pixels before cores are clipped to the image.
    exact : bool
        Whether the tiles together equal one tile over the whole image.
    """

    shape_yx: tuple[int, int]
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    core_yx: tuple[int, int]
    halo_px: int
    ramp_px: int
    stride_px: int
    exact: bool

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width in pixels that the network sees; the same for every tile."""
        first_row, first_column = self.rows[0], self.columns[0]
        return (
            first_row.window_stop - first_row.window_start,
            first_column.window_stop - first_column.window_start,
        )

    @property
    def n_tiles(self) -> int:
        """Tiles per plane."""
        return len(self.rows) * len(self.columns)

    @property
    def halo_overhead(self) -> float:
        """Pixels computed per pixel of the image, less one; dimensionless."""
        height, width = self.tile_shape
        return self.n_tiles * height * width / (self.shape_yx[0] * self.shape_yx[1]) - 1.0


def plan_axis(size: int, core: int, halo: int, ramp: int = 0) -> tuple[Span, ...]:
    """Cut one axis into cores of equal length; the last one is clipped to the image.

    Parameters
    ----------
    size : int
        Length of the axis in pixels; at least 1.
    core, halo, ramp : int
        Sizes in pixels, as drawn at the top of this module.

    Returns
    -------
    tuple of Span
        In order; the cores partition ``range(size)``.

    Raises
    ------
    ValueError
        If a size is out of range, or ``ramp`` is so wide that three tiles would overlap.
    """
    if size < 1 or core < 1 or halo < 0 or ramp < 0 or (ramp and core < 2 * ramp):
        raise ValueError(f"impossible tiling: size={size}, core={core}, halo={halo}, ramp={ramp}")
    margin = halo + ramp
    spans = []
    for start in range(0, size, core):
        stop = min(start + core, size)
        rise, fall = (ramp if start else 0), (ramp if stop < size else 0)
        support = start - rise, min(stop + fall, size)
        window = start - margin, start + core + margin
        spans.append(Span(start, stop, *support, rise, fall, *window))
    return tuple(spans)


def split_span(span: Span, part: int) -> tuple[Span, ...]:
    """Cut one span into smaller ones whose windows lie within its own.

    Parameters
    ----------
    span : Span
        One tile along one axis.
    part : int
        Core of the smaller spans; pixels, a multiple of the stride, and at least two ramps.

    Returns
    -------
    tuple of Span
        All of one window length; their cores partition the core of ``span``. Where ``span`` is
        blended with its neighbours they are blended with each other, and the outermost reach as
        far as ``span`` does, without a blend there.
    """
    core = span.window_stop - span.window_start - 2 * _margin(span)
    ramp = max(span.rise, span.fall)
    spans = []
    for start in range(span.start, span.stop, part):
        stop = min(start + part, span.stop)
        is_first, is_last = start == span.start, stop == span.stop
        rise, fall = (0 if is_first else ramp), (0 if is_last else ramp)
        support = (
            span.support_start if is_first else start - rise,
            span.support_stop if is_last else min(stop + fall, span.support_stop),
        )
        first = min(start, span.start + core - part)
        window = first - _margin(span), first + part + _margin(span)
        spans.append(Span(start, stop, *support, rise, fall, *window))
    return tuple(spans)


def _margin(span: Span) -> int:
    return span.start - span.window_start


def reflect_positions(start: int, stop: int, size: int) -> npt.NDArray[np.intp]:
    """Map positions that may lie outside an axis to pixels by reflection about its end pixels.

    Parameters
    ----------
    start, stop : int
        Range of positions in pixels; may be negative or beyond ``size``.
    size : int
        Length of the axis in pixels; at least 1. One pixel is repeated.

    Returns
    -------
    ndarray of int, shape (stop - start,)
        Pixels in ``range(size)``; the same position always gives the same pixel.
    """
    period = max(2 * (size - 1), 1)
    folded = np.arange(start, stop, dtype=np.intp) % period
    return np.where(folded < size, folded, period - folded)


def plan_tiles(
    shape_yx: tuple[int, int],
    footprint: Footprint,
    *,
    tile_px: int | None = None,
    halo_px: int | None = None,
    ramp_px: int | None = None,
    most_px: int | None = None,
) -> TilePlan:
    """Plan the tiles of one plane for one network.

    Parameters
    ----------
    shape_yx : tuple of int
        Height and width in pixels.
    footprint : Footprint
        Reach, stride and exactness of the network.
    tile_px : int, optional
        Longest side that the network may see, halo included; pixels. Chosen by `auto_tile_px`
        when not given.
    halo_px : int, optional
        Context around each core; rounded up to the stride. The footprint's own when not given;
        one narrower than the reach makes the plan inexact.
    ramp_px : int, optional
        Half the width over which neighbours are blended; rounded up to the stride. When not
        given, 0 for exact plans and about an eighth of the tile for others.
    most_px : int, optional
        Longest side that there is memory for, where ``tile_px`` is not given; pixels.

    Returns
    -------
    TilePlan
        Tiles of one shape; along each axis the image is shared out evenly among a few, and in
        whole chunks of a file among many.

    Raises
    ------
    UsageError
        If the tile has no room for a core beside its halo.
    """
    stride = footprint.stride_px
    halo = footprint.halo_px if halo_px is None else round_up(halo_px, stride)
    tile = tile_px or auto_tile_px(Footprint(halo, stride, footprint.exact), most_px=most_px)
    room = (tile - 2 * halo) // stride * stride
    one_tile = max(shape_yx) <= room
    exact = one_tile or (footprint.exact and halo >= footprint.reach_px)
    if one_tile or (exact and ramp_px is None):
        ramp = 0
    else:
        ramp = _auto_ramp(room, stride) if ramp_px is None else round_up(ramp_px, stride)
    limit = room - 2 * ramp
    if limit < max(stride, 2 * ramp):
        raise UsageError(
            f"A tile of {tile} pixels has no room for a core beside a halo of {halo} pixels.",
            f"Use tiles of at least {2 * halo + max(stride, 4 * ramp)} pixels or the size auto.",
        )
    core_y, core_x = (max(choose_core_px(size, limit, stride), 2 * ramp) for size in shape_yx)
    return TilePlan(
        shape_yx=shape_yx,
        rows=plan_axis(shape_yx[0], core_y, halo, ramp),
        columns=plan_axis(shape_yx[1], core_x, halo, ramp),
        core_yx=(core_y, core_x),
        halo_px=halo,
        ramp_px=ramp,
        stride_px=stride,
        exact=exact,
    )


def _auto_ramp(room: int, stride: int) -> int:
    return 0 if room < 4 * stride else max(room // 8 // stride * stride, stride)
