"""How far a tiled result is from that of one tile that holds everything, where tiles meet."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import PixelSource
from focusfix.engine.stream import restore
from focusfix.engine.tile_sizes import round_up
from focusfix.engine.tiles import TilePlan, reflect_positions
from focusfix.runtime.executor import NetworkFunction

GREY_LEVELS = 4095
"""Of 12 bits; peers are given the image divided by it."""

_WINDOW_PX = 1024

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SeamCheck:
    """A part of the image, restored as one tile.

    Parameters
    ----------
    place : tuple of slice
        Rows and columns of the image; pixels.
    expected : ndarray of float32
        Restored; nominal range [0, 1].
    """

    place: tuple[slice, slice]
    expected: FloatArray

    def difference(self, restored: FloatArray) -> float:
        """Compare a whole restored image on the range [0, 1].

        Returns
        -------
        float
            Largest absolute difference over the standard deviation of what is expected.
        """
        differences = np.abs(restored[self.place] - self.expected)
        return float(differences.max() / self.expected.std())


def prepare_check(
    image: FloatArray, plan: TilePlan, build: Callable[[int], NetworkFunction]
) -> SeamCheck:
    """Restore a part around the first corner of tiles, with all that it depends on.

    Parameters
    ----------
    image : ndarray of float32, shape (Y, X)
        Scaled to a nominal [0, 1].
    plan : TilePlan
        Tiles of the image.
    build : callable
        Returns the network, given a margin that is left out; pixels.

    Returns
    -------
    SeamCheck
    """
    halo, stride = plan.halo_px, plan.stride_px
    windows, places = [], []
    for size, core in zip(plan.shape_yx, plan.core_yx, strict=True):
        side = min(_WINDOW_PX, size)
        first = min(max(core - side // 2, 0), size - side) // stride * stride
        places.append(slice(first, first + side))
        stop = first + round_up(side, stride) + halo
        windows.append(reflect_positions(first - halo, stop, size))
    tile = np.ascontiguousarray(image[np.ix_(*windows)][None, None])
    expected = build(halo)(tile)[0, 0, halo:, halo:]
    rows, columns = (place.stop - place.start for place in places)
    return SeamCheck((places[0], places[1]), expected[:rows, :columns])


def restore_whole(source: PixelSource, function: NetworkFunction, plan: TilePlan) -> FloatArray:
    """Restore an image tile by tile on the scale that peers are given, into memory."""
    scale = IntensityScale(offset=0.0, gain=1 / GREY_LEVELS)
    whole = np.empty(plan.shape_yx, dtype=np.float32)
    for block, pixels in restore(source, function, plan, [scale], dtype=np.float32):
        whole[block.rows, block.columns] = pixels[..., 0]
    return whole / np.float32(GREY_LEVELS)
