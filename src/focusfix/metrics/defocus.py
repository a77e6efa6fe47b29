r"""Distance from focus, from the radius to which points are blurred.

A lens of numerical aperture NA in a medium of refractive index n lets rays of up to
:math:`\theta = \arcsin(NA / n)` pass, so that a point at the distance :math:`\Delta z` from focus
becomes a spot of the radius :math:`|\Delta z| \tan\theta`. Rays that fill the aperture evenly do
not fill the spot evenly: it is brighter in the middle, and blurs like an even disc of the radius

.. math:: r = \kappa\, |\Delta z| \tan\theta, \qquad
          \int_0^1 2\rho\, J_0\!\Big(\frac{x_{1/2}}{\kappa}
          \frac{\tan\arcsin(\rho \sin\theta)}{\tan\theta}\Big)\, d\rho = \frac{1}{2},

where :math:`x_{1/2} = 2.215` is where the transfer :math:`2 J_1(x) / x` of an even disc falls to
one half. The factor is 0.98 for :math:`NA / n = 0.3`, 0.94 for 0.5 and 0.84 for 0.75.

The sign is not known from one plane. The geometry holds well outside the depth of field; within
it, diffraction blurs a point in focus, too.
"""

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from focusfix.metrics.noise import estimate_noise

_DISC_HALF = 2.2150894
"""Where the transfer of an even disc, 2 J1(x) / x, is one half."""

_RINGS = 1024
_MEANS_PER_SIDE = 8
_CONFIDENCE = 3.0
_LEAST_SHARE = 0.02

FloatMap = npt.NDArray[np.float32]


class BlurReader(Protocol):
    """Something that tells how much an image is blurred, neighbourhood by neighbourhood."""

    @property
    def cell_px(self) -> int:
        """Side of a neighbourhood; pixels."""
        ...

    @property
    def farthest_px(self) -> float:
        """Largest radius that is told; pixels."""
        ...

    def radius_px(self, image: FloatMap) -> tuple[FloatMap, FloatMap]:
        """Read the blur radius of every neighbourhood, and its expected error.

        The radius is that of the even disc whose transfer falls to one half where that of the blur
        does.

        Parameters
        ----------
        image : ndarray of float32, shape (Y, X)
            Intensities scaled to a nominal [0, 1].

        Returns
        -------
        radius : ndarray of float32, shape (ceil(Y / cell_px), ceil(X / cell_px))
            Pixels.
        error : ndarray of float32, same shape
            Pixels, > 0.
        """
        ...


class Distance(NamedTuple):
    """How far a plane is from focus.

    Parameters
    ----------
    dz_abs_um : float
        Distance; micrometres, at least 0.
    error_um : float
        Absolute error to expect; micrometres.
    """

    dz_abs_um: float
    error_um: float


def um_per_radius_px(
    pixel_size_um: float, numerical_aperture: float, refractive_index: float = 1.0
) -> float:
    r"""Return the distance from focus at which points are blurred like a disc of a pixel's radius.

    Parameters
    ----------
    pixel_size_um : float
        Side of a pixel in the sample; > 0.
    numerical_aperture : float
        Of the objective; 0 < NA < n.
    refractive_index : float
        Of the immersion medium, n.

    Returns
    -------
    float
        :math:`p / (\kappa \tan\arcsin(NA / n))`; micrometres.

    Raises
    ------
    ValueError
        If a value is out of range.

    Examples
    --------
    >>> round(um_per_radius_px(0.5, 0.6), 2)
    0.73
    """
    if not 0 < numerical_aperture < refractive_index:
        msg = (
            f"the numerical aperture must be between 0 and the refractive index, "
            f"{refractive_index:g}, not {numerical_aperture:g}"
        )
        raise ValueError(msg)
    if not 0 < pixel_size_um < math.inf:
        raise ValueError(f"the pixel size must be positive, not {pixel_size_um:g}")
    sine = numerical_aperture / refractive_index
    return pixel_size_um / (even_disc_share(sine) * math.tan(math.asin(sine)))


def even_disc_share(sine: float) -> float:
    r"""Compare the spot of a lens with the even disc that blurs alike.

    Parameters
    ----------
    sine : float
        Of the widest rays, NA / n; 0 < sine < 1.

    Returns
    -------
    float
        Radius of the disc over that of the spot, :math:`\kappa`; 1 for narrow apertures, less for
        wide ones.
    """
    from scipy.optimize import brentq
    from scipy.special import j0

    rho = np.sqrt((np.arange(_RINGS) + 0.5) / _RINGS)  # rings of equal area
    landing = np.tan(np.arcsin(sine * rho)) / math.tan(math.asin(sine))
    half = brentq(lambda x: float(j0(x * landing).mean()) - 0.5, 1.0, 40.0)
    return float(_DISC_HALF / half)


def map_distance(
    reader: BlurReader, image: FloatMap, um_per_px: float
) -> tuple[FloatMap, FloatMap]:
    """Read the distance from focus of every neighbourhood.

    Parameters
    ----------
    reader : BlurReader
        Reads blur radii.
    image : ndarray of float32, shape (Y, X)
        Intensities scaled to a nominal [0, 1]; at least 3 x 3 pixels.
    um_per_px : float
        From :func:`um_per_radius_px`.

    Returns
    -------
    distance_um : ndarray of float32, shape (ceil(Y / cell_px), ceil(X / cell_px))
        At least 0; micrometres.
    error_um : ndarray of float32, same shape
        Absolute error to expect: that of the reader, divided by the share of the variance that is
        not noise.
    """
    radius, error = reader.radius_px(image)
    share = signal_share(image, reader.cell_px)
    return radius * np.float32(um_per_px), error * np.float32(um_per_px) / share


def signal_share(plane: npt.NDArray[Any], cell_px: int) -> FloatMap:
    """Tell which neighbourhoods show something that is not noise.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities, at least 3 x 3 pixels.
    cell_px : int
        Side of a neighbourhood; those at the lower and right edge are mirrored to full size.

    Returns
    -------
    ndarray of float32, shape (ceil(Y / cell_px), ceil(X / cell_px))
        Share of the variance, of means over a few pixels, that is more than noise makes by
        chance; 0.02 to 1.
    """
    step = math.gcd(cell_px, max(cell_px // _MEANS_PER_SIDE, 1))
    rows, columns = (math.ceil(size / cell_px) for size in plane.shape)
    edges = [
        (0, count * cell_px - size)
        for count, size in zip((rows, columns), plane.shape, strict=True)
    ]
    whole = np.pad(np.asarray(plane, dtype=np.float64), edges, mode="symmetric")
    side = cell_px // step
    means = whole.reshape(rows * side, step, columns * side, step).mean(axis=(1, 3))
    variance = means.reshape(rows, side, columns, side).var(axis=(1, 3))
    noise = (estimate_noise(plane) / step) ** 2
    chance = 1 + _CONFIDENCE * math.sqrt(2) / side  # of the variance of side x side means
    signal = np.maximum(variance - noise * chance, 0)
    share = np.divide(signal, variance, out=np.zeros_like(signal), where=signal > 0)
    return np.asarray(np.clip(share, _LEAST_SHARE, 1), dtype=np.float32)


def typical_distance(distance_um: FloatMap, error_um: FloatMap) -> Distance:
    """Sum a map up: the median of neighbourhoods, each counting as much as it is certain.

    Parameters
    ----------
    distance_um, error_um : ndarray, same shape
        Distance of every neighbourhood and its expected error, > 0; micrometres.

    Returns
    -------
    Distance
        The median weighed by the squared inverse of the errors, so that empty neighbourhoods
        hardly count. Neighbourhoods share most of what may mislead the reading: the error is
        their mean error, weighed alike, and not smaller for there being many.

    Raises
    ------
    ValueError
        If the shapes differ, or an error is not positive.

    Examples
    --------
    >>> found = typical_distance(np.array([2.0, 9.0, 3.0]), np.array([0.5, 50.0, 0.5]))
    >>> found.dz_abs_um, round(found.error_um, 1)
    (3.0, 0.5)
    """
    if distance_um.shape != error_um.shape:
        raise ValueError(f"the maps differ in shape: {distance_um.shape} and {error_um.shape}")
    if not (error_um > 0).all():
        raise ValueError("expected errors must be positive")
    distances, errors = (np.asarray(each, np.float64).ravel() for each in (distance_um, error_um))
    weights = errors**-2.0
    order = np.argsort(distances)
    reached = np.cumsum(weights[order])
    middle = order[int(np.searchsorted(reached, reached[-1] / 2))]
    return Distance(float(distances[middle]), float(np.average(errors, weights=weights)))
