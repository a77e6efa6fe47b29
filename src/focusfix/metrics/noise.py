"""What a camera adds and cuts off: noise from pixel to pixel, and clipped pixels."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

_NORMAL_QUARTILE = 0.6744897501960817
_STENCIL_NORM = 6.0
_BRIGHTNESS_CLASSES = 8
LEAST_SIZE_PX = 3


def estimate_noise(plane: npt.NDArray[Any]) -> float:
    r"""Estimate the standard deviation of noise that is independent from pixel to pixel.

    The second differences along rows of the second differences along columns are blind to
    gradients; noise of standard deviation :math:`\sigma` makes them normal with :math:`6 \sigma`
    (the weights are 1, -2 and 1 both ways). Their median size is read, which edges and other
    structure hardly change as long as they are rare. What the rounding to grey values adds is
    part of the noise.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities; finite.

    Returns
    -------
    float
        Grey values. Where noise depends on brightness, that of the commonest brightness.

    Raises
    ------
    ValueError
        If the plane is smaller than 3 x 3 pixels.

    References
    ----------
    Immerkaer: Fast noise variance estimation, Computer Vision and Image Understanding 64, 1996
    (the stencil; there with the mean size).
    """
    return _noise_of(_second_differences(plane).ravel())


def rms_without_noise(plane: npt.NDArray[Any], brightness: npt.NDArray[Any] | None = None) -> float:
    r"""Return the root mean square of a plane without the part that is noise from pixel to pixel.

    .. math:: \sqrt{\max\big(\operatorname{ms}(x) - \overline{\sigma^2},\ 0\big)}

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        A difference of two images, or an image less its mean; finite.
    brightness : ndarray, shape (Y, X), optional
        An image that says how bright each pixel is. The variance of the noise is then estimated
        in eight classes of brightness and averaged: that of light grows with its intensity, and
        the commonest brightness is mostly that of the background.

    Returns
    -------
    float
        In the unit of the plane.

    Raises
    ------
    ValueError
        If the plane is smaller than 3 x 3 pixels, or the brightness has another shape.
    """
    power = float(np.mean(np.square(plane, dtype=np.float64)))
    if brightness is None:
        return math.sqrt(max(power - estimate_noise(plane) ** 2, 0.0))
    if brightness.shape != plane.shape:
        raise ValueError(f"the shapes differ: {brightness.shape} and {plane.shape}")
    differences = _second_differences(plane).ravel()
    order = np.argsort(_grey_levels(brightness[1:-1, 1:-1]), axis=None, kind="stable")
    classes = np.array_split(differences[order], min(_BRIGHTNESS_CLASSES, differences.size))
    noise = sum(_noise_of(each) ** 2 * each.size for each in classes) / differences.size
    return math.sqrt(max(power - noise, 0.0))


def clipped_shares(pixels: npt.NDArray[Any], *, data_range: float) -> tuple[float, float]:
    """Count the pixels at either end of the range of grey values.

    Parameters
    ----------
    pixels : ndarray
        Intensities.
    data_range : float
        Largest possible grey value.

    Returns
    -------
    tuple of float
        Shares at or below 0, and at or above the largest value.

    Examples
    --------
    >>> clipped_shares(np.array([0, 3, 255, 255]), data_range=255)
    (0.25, 0.5)
    """
    return float(np.mean(pixels <= 0)), float(np.mean(pixels >= data_range))


def _grey_levels(brightness: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Round to 65,536 levels, which numpy sorts by counting and not by comparing."""
    darkest = float(brightness.min())
    spread = float(brightness.max()) - darkest
    scale = np.iinfo(np.uint16).max / spread if spread > 0 else 0.0
    return ((brightness - darkest) * scale).astype(np.uint16)


def _second_differences(plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if plane.ndim != 2 or min(plane.shape) < LEAST_SIZE_PX:
        raise ValueError(f"plane must be at least 3 x 3 pixels, got {plane.shape}")
    values = np.asarray(plane, dtype=np.float64)
    along_columns = values[2:] + values[:-2]
    along_columns -= 2 * values[1:-1]
    both = along_columns[:, 2:] + along_columns[:, :-2]
    both -= 2 * along_columns[:, 1:-1]
    return both


def _noise_of(differences: npt.NDArray[np.float64]) -> float:
    return _smooth_median(np.abs(differences)) / (_NORMAL_QUARTILE * _STENCIL_NORM)


def _smooth_median(values: npt.NDArray[np.float64]) -> float:
    """Take the median as if equal values, such as sums of grey values, were spread evenly.

    Otherwise the noise of integer images would come in steps of a quarter of a grey value. The
    values are left in another order.
    """
    half = values.size // 2
    values.partition(half)
    middle = float(values[half])
    lower, upper = values[:half], values[half:]
    lower, upper = lower[lower < middle], upper[upper > middle]
    low = (float(lower.max()) + middle) / 2 if lower.size else middle
    high = (float(upper.min()) + middle) / 2 if upper.size else middle
    at = values.size - lower.size - upper.size
    return low + (high - low) * (values.size / 2 - lower.size) / at
