"""How large tiles and their cores are: as large as pays, as memory allows, as files like it."""

import math

from focusfix.footprint import Footprint

PREFERRED_CORE_PX = 1536
MOST_TILE_PX = 2048
"""Beyond this, halos cost little and tiles much memory."""

LEAST_CORE_HALOS = 2
ALIGNED_CORES_PX = (1024, 512, 256)
"""Cores of wide images are whole multiples of one of these, as tiles and chunks of files are."""

_MANY_TILES = 8
_LEAST_ALIGNED_SHARE = 2 / 3


def auto_tile_px(footprint: Footprint, *, most_px: int | None = None) -> int:
    """Choose a tile length whose halo is cheap and whose memory is bounded.

    Parameters
    ----------
    footprint : Footprint
        Reach and stride of the network.
    most_px : int, optional
        Longest side that there is memory for; pixels.

    Returns
    -------
    int
        Pixels per side, halo included: room for a core of ``PREFERRED_CORE_PX``, but no more than
        ``MOST_TILE_PX`` unless a core would be narrower than two halos; no more than ``most_px``
        where that leaves a core at all.
    """
    halo, stride = footprint.halo_px, footprint.stride_px
    least = max(round_up(LEAST_CORE_HALOS * halo, stride), stride) + 2 * halo
    tile = max(min(PREFERRED_CORE_PX + 2 * halo, MOST_TILE_PX), least)
    return tile if most_px is None else max(min(tile, most_px), stride + 2 * halo)


def choose_core_px(size: int, limit: int, stride: int) -> int:
    """Share an axis out evenly among a few tiles, or among many in whole chunks of files.

    Parameters
    ----------
    size : int
        Length of the axis; pixels.
    limit : int
        Longest core that there is room for; pixels, a multiple of the stride.
    stride : int
        Of the network; pixels.

    Returns
    -------
    int
        Pixels; a multiple of the stride, at most ``limit``.
    """
    n_tiles = -(-size // limit)
    for side in ALIGNED_CORES_PX if n_tiles >= _MANY_TILES else ():
        grid = math.lcm(side, stride)
        aligned = limit // grid * grid
        if aligned >= _LEAST_ALIGNED_SHARE * limit:
            return aligned
    return round_up(-(-size // n_tiles), stride)


def round_up(value: int, grid: int) -> int:
    """Return the smallest multiple of ``grid`` that is at least ``value``."""
    return -(-value // grid) * grid
