r"""Sharpness of a plane, comparable between the planes of a stack whatever their contrast.

Defocus takes fine detail away before coarse detail, so the root-mean-square spatial frequency of
the detail that is left tells how sharp a plane is; it is weighed with the share of the variance
that is detail and not noise, so that empty, noisy planes do not pass for sharp ones:

.. math::

    s = \frac{\sum_f S(f)}{\sum_f P(f)} \sqrt{\frac{\sum_f f^2\, S(f)}{\sum_f S(f)}},
    \qquad S(f) = \max(P(f) - N, 0),

where :math:`P` is the power spectrum and :math:`N` the level of white noise, read from the
corners of the spectrum, where a microscope that is sampled well leaves no signal. The mean of the
power on a ring scatters, and a single high ring that chance lifted above :math:`N` would outweigh
all true detail by its :math:`f^2`. A ring therefore counts where it exceeds :math:`N` by three and
a half times its scatter and a neighbour does, too, or by twelve times on its own; otherwise its
:math:`S` is 0.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from focusfix.metrics.spectrum import frequency_grid, hann_window, power_of

_NOISE_FROM = 0.52
_SIGNAL_TO = 0.5
_N_BINS = 64
_LIKELY, _CERTAIN = 3.5, 12.0
_VALUES_PER_FREEDOM = 4.5
"""How many coefficients have the scatter of one: each comes twice, and the window ties
neighbours (1.5 along either axis)."""

LEAST_SIZE_PX = 8

FloatPlane = npt.NDArray[np.float64]


def measure_sharpness(plane: npt.NDArray[Any]) -> float:
    """Measure how fine the detail of one plane is.

    Multiplying the intensities or adding a constant changes nothing; white noise is taken out as
    far as it can be told from detail.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities of any type; finite.

    Returns
    -------
    float
        Root-mean-square spatial frequency, weighed with the share of detail; cycles per pixel,
        0 to 0.5. 0 for a plane without detail above its noise.

    Raises
    ------
    ValueError
        If the plane is smaller than 8 x 8 pixels.

    Examples
    --------
    >>> x = np.arange(64)
    >>> stripes = np.tile(np.cos(2 * np.pi * x / 8), (64, 1))
    >>> round(measure_sharpness(stripes), 2)
    0.13
    """
    if plane.ndim != 2 or min(plane.shape) < LEAST_SIZE_PX:
        msg = f"plane must be at least {LEAST_SIZE_PX} x {LEAST_SIZE_PX} pixels, got {plane.shape}"
        raise ValueError(msg)
    if plane.min() == plane.max():
        return 0.0  # otherwise rounding would be measured
    return sharpness_of_power(windowed_power(plane), (plane.shape[0], plane.shape[1]))


def sharpness_of_power(power: FloatPlane, shape: tuple[int, int]) -> float:
    """Measure how fine the detail of a plane is whose power spectrum is known.

    Parameters
    ----------
    power : ndarray of float64, shape (Y, X // 2 + 1)
        By :func:`windowed_power`.
    shape : tuple of int
        Of the plane, (Y, X).

    Returns
    -------
    float
        As by :func:`measure_sharpness`.
    """
    rings, frequency, count = _average_rings(power, shape)
    noise = rings[frequency > _NOISE_FROM]
    noise_count = count[frequency > _NOISE_FROM]
    level = float((noise * noise_count).sum() / noise_count.sum())
    band = frequency <= _SIGNAL_TO
    signal = (
        np.where(_stands_out(rings[band], level, count[band]), rings[band] - level, 0.0)
        * count[band]
    )
    total = signal.sum()
    if total <= 0:
        return 0.0
    share = total / (rings * count).sum()
    return float(share * np.sqrt((frequency[band] ** 2 * signal).sum() / total))


def sharpness_ratio(image: npt.NDArray[Any], reference: npt.NDArray[Any]) -> float:
    """Divide the sharpness of an image by that of a reference of the same field.

    Parameters
    ----------
    image, reference : ndarray, shape (Y, X)
        As for :func:`measure_sharpness`.

    Returns
    -------
    float
        Below 1 for an image that is blurrier than the reference, above 1 for one with more fine
        detail, be it true or not; NaN if the reference has no detail.

    Raises
    ------
    ValueError
        If a plane is smaller than 8 x 8 pixels.
    """
    reference_sharpness = measure_sharpness(reference)
    return measure_sharpness(image) / reference_sharpness if reference_sharpness > 0 else math.nan


def rank_focus(planes: Iterable[npt.NDArray[Any]]) -> tuple[list[float], int]:
    """Measure the planes of a stack and find the sharpest.

    Parameters
    ----------
    planes : iterable of ndarray, shape (Y, X)
        At least one; the same field at different heights.

    Returns
    -------
    sharpness : list of float
        As by :func:`measure_sharpness`; cycles per pixel.
    focal_level : int
        Index of the sharpest plane.
    """
    sharpness = [measure_sharpness(plane) for plane in planes]
    return sharpness, int(np.argmax(sharpness))


def _stands_out(power: FloatPlane, level: float, count: FloatPlane) -> npt.NDArray[np.bool_]:
    """Tell the rings that hold more than noise, whose scatter is that of chance."""
    scatter = np.sqrt(_VALUES_PER_FREEDOM / count)
    likely = power > level * (1 + _LIKELY * scatter)
    beside = np.zeros_like(likely)
    beside[1:] |= likely[:-1]
    beside[:-1] |= likely[1:]
    certain = power > level * (1 + _CERTAIN * scatter)
    return np.asarray((likely & beside) | certain)


class _Rings(NamedTuple):
    """Rings of frequencies of one shape: of the half plane, and how much of the whole each is."""

    ring: npt.NDArray[np.intp]
    share: FloatPlane
    frequency: FloatPlane
    size: FloatPlane


@lru_cache(maxsize=2)
def _rings_of(shape: tuple[int, int]) -> _Rings:
    """Sort the coefficients of a real transform into rings; all planes of a stack share them."""
    frequency = frequency_grid(shape).ravel()
    ring = np.minimum((frequency / np.sqrt(0.5) * _N_BINS).astype(np.intp), _N_BINS - 1)
    share = np.full(shape[1] // 2 + 1, 2.0)  # a coefficient stands for its conjugate, too
    share[[0, -1] if shape[1] % 2 == 0 else [0]] = 1.0
    shares = np.tile(share, shape[0])
    size = np.bincount(ring, weights=shares, minlength=_N_BINS).astype(np.float64)
    sums = np.bincount(ring, weights=frequency * shares, minlength=_N_BINS)
    return _Rings(ring, share, sums[size > 0] / size[size > 0], size)


def windowed_power(plane: npt.NDArray[Any]) -> FloatPlane:
    """Measure the power of each frequency of a plane under a Hann window, the mean taken out.

    Parameters
    ----------
    plane
        As for :func:`measure_sharpness`.

    Returns
    -------
    ndarray of float64, shape (Y, X // 2 + 1)
        Half plane of frequencies, as of :func:`numpy.fft.rfft2`.
    """
    window = hann_window((plane.shape[0], plane.shape[1]))
    values = plane.astype(np.float64)
    values -= np.vdot(values, window) / window.sum()
    values *= window
    return power_of(np.fft.rfft2(values))


def _average_rings(
    power: FloatPlane, shape: tuple[int, int]
) -> tuple[FloatPlane, FloatPlane, FloatPlane]:
    """Average a power spectrum over rings; return power, mean frequency and count per ring."""
    rings = _rings_of(shape)
    weights = (power * rings.share).ravel()
    sums = np.bincount(rings.ring, weights=weights, minlength=_N_BINS)
    count = rings.size[rings.size > 0]
    return sums[rings.size > 0] / count, rings.frequency, count
