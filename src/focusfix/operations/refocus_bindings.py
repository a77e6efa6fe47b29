"""Bind refocusers: to one distance, to a surface, or to several recorded planes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from focusfix.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

    from focusfix.engine.normalize import IntensityScale
    from focusfix.engine.source import PixelSource
    from focusfix.models.base import Restorer
    from focusfix.models.refocuser import Refocuser


def bind_distance(network: "Refocuser", dz_um: float) -> "Restorer":
    """Bind refocusing by one distance.

    Parameters
    ----------
    network : Refocuser
        With its weights.
    dz_um : float
        From the image to the wanted plane, with the network's sign; micrometres.

    Returns
    -------
    Restorer
        Of one image.
    """
    from focusfix.models.bound_refocus import AtDistance

    return AtDistance(network, dz_um)


def bind_surface(network: "Refocuser") -> "Restorer":
    """Bind refocusing to a surface.

    Parameters
    ----------
    network : Refocuser
        With its weights.

    Returns
    -------
    Restorer
        Of an image and its distances, which are shares of the network's range; see
        :class:`SurfaceSource`.
    """
    from focusfix.models.bound_refocus import AtSurface

    return AtSurface(network)


def bind_planes(network: "Refocuser", distances_um: Sequence[float]) -> "Restorer":
    """Bind making a plane from recorded ones.

    Parameters
    ----------
    network : Refocuser
        With its weights.
    distances_um : sequence of float
        From each recorded plane to the wanted one; micrometres.

    Returns
    -------
    Restorer
        Of as many images, and one before them, which the engine adds the change to.

    Raises
    ------
    ModelError
        If the network takes one plane only.
    """
    from focusfix.models.bound_refocus import FromPlanes

    if not 1 <= len(distances_um) <= network.most_planes:
        raise ModelError(
            f"The network takes {network.most_planes} planes at most, not {len(distances_um)}.",
            "Choose weights of refocus-multi.",
        )
    return FromPlanes(network, distances_um)


def nearest_levels(
    wanted_um: float, heights_um: Sequence[float], *, most: int, range_um: float
) -> list[int]:
    """Choose the recorded planes that a wanted one is made from.

    Parameters
    ----------
    wanted_um : float
        Height of the wanted plane; micrometres.
    heights_um : sequence of float
        Of the recorded ones.
    most : int
        How many planes the network takes.
    range_um : float
        Planes farther away are left out.

    Returns
    -------
    list of int
        Nearest first; the lower one first where two are as near. None if all are too far.

    Examples
    --------
    >>> nearest_levels(2.5, [0.0, 2.0, 4.0, 6.0], most=3, range_um=10.0)
    [1, 2, 0]
    """
    ways = [(round(abs(height - wanted_um), 9), level) for level, height in enumerate(heights_um)]
    return [level for way, level in sorted(ways)[:most] if way <= range_um]


class SurfaceSource:
    """Distances of a surface, as a companion of the image that the engine restores.

    The engine brings companions to the scale of the image; here that is undone beforehand, so that
    the network sees distances as shares of its range.

    Parameters
    ----------
    surface : PixelSource
        One plane of distances; micrometres.
    image : PixelSource
        The image; the same surface serves all its planes and samples.
    scales : sequence of IntensityScale
        One for each plane of the image.
    range_um : float
        Of the network; micrometres.
    """

    def __init__(
        self,
        surface: "PixelSource",
        image: "PixelSource",
        scales: "Sequence[IntensityScale]",
        range_um: float,
    ) -> None:
        self._surface = surface
        self._scales = scales
        self._range_um = range_um
        self.shape_yx = surface.shape_yx
        self.chunk_yx = surface.chunk_yx
        self.n_planes = image.n_planes
        self.samples = image.samples
        self.dtype: np.dtype[Any] = np.dtype(np.float64)

    def read_window(self, plane: int, rows: slice, columns: slice) -> "npt.NDArray[np.float64]":
        """Return what becomes shares of the range on the scale of a plane.

        Parameters
        ----------
        plane : int
            Position of the plane of the image.
        rows, columns : slice
            Window; pixels.

        Returns
        -------
        ndarray, shape (rows, columns, samples)
        """
        scale = self._scales[plane]
        window = self._surface.read_window(0, rows, columns)[..., :1].astype(np.float64)
        shares = window / self._range_um / scale.gain + scale.offset
        return np.repeat(shares, self.samples, axis=2)
