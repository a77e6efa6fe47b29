r"""The power spectrum of an image, and what of it is structure, blur and noise.

Averaged over rings of equal spatial frequency f, the power of an image is taken to be

.. math:: P(f) = S(f)\,|H(f)|^2 + N, \qquad S(f) = \frac{A}{\big(1 + (f / f_0)^2\big)^2}

with the transfer function :math:`H` of the blur, white noise of power :math:`N`, and structure of
power :math:`S`: level up to a knee :math:`f_0`, which is the inverse size of the objects, and
falling with the fourth power of the frequency above, as the edges of objects make it.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LEAST_SIZE_PX",
    "RingSpectrum",
    "SignalModel",
    "fit_signal",
    "ring_power",
    "ring_transfer",
]

Array = NDArray[np.float64]

LEAST_SIZE_PX = 32
_MOST_RINGS = 192
_FIRST_RING = 2
"""Rings below hold the mean and what the window leaks of it."""

_LOWEST_LOGS = (-600.0, -7.0, -600.0)
_HIGHEST_LOGS = (600.0, -1.5, 600.0)
_KNEE_PER_PX = 0.02
_SEARCH = {"maxiter": 400, "xatol": 1e-3, "fatol": 1e-7}
_LOWEST_POWER = 1e-300
_LEAST_PERCENT = 5
_SCATTER = 1.1
_NOISE_MARGIN = 1.5
_BLOCK_PX = 16
_MEDIAN_OF_ROUGHNESS = 6 * 0.6744897501960817
"""Of the size of mixed second differences (weights 1, -2, 1 both ways) of unit normal noise."""

_ROUNDING_VARIANCE = 1 / 12
_LEAST_NOISE_SHARE = 1e-12


@dataclass(frozen=True)
class RingSpectrum:
    """Power of an image, ring by ring.

    Parameters
    ----------
    frequencies : ndarray, shape (R,)
        Middle of each ring; cycles per pixel, 0 to 0.5.
    power : ndarray, shape (R,)
        Mean power of a frequency of the ring; for white noise its variance.
    counts : ndarray, shape (R,)
        Frequencies in each ring.
    most_noise : float
        Power that noise cannot exceed; squared grey values.
    """

    frequencies: Array
    power: Array
    counts: Array
    most_noise: float = np.inf


@dataclass(frozen=True)
class SignalModel:
    """Structure and noise of one image; the symbols of the module's head.

    Parameters
    ----------
    level : float
        Power of the structure below the knee, A; squared grey values.
    knee_per_px : float
        Frequency from which it falls, f_0; cycles per pixel.
    noise : float
        Power of the noise, N; squared grey values.
    """

    level: float
    knee_per_px: float
    noise: float

    def structure(self, frequencies: Array) -> Array:
        """Return the power of the structure, S, at frequencies in cycles per pixel."""
        fall = np.square(1 + np.square(frequencies / self.knee_per_px))
        return np.asarray(self.level / fall)


def ring_power(plane: NDArray[np.float32] | Array) -> RingSpectrum:
    """Measure the power spectrum of an image.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities; finite, at least 32 pixels along each axis. Faded out towards its borders, so
        that these leave no trace.

    Returns
    -------
    RingSpectrum
        With as many rings as half the shorter axis, 192 at most.

    Raises
    ------
    ValueError
        If the image is too small or of another shape.
    """
    from scipy.fft import rfft2

    if plane.ndim != 2 or min(plane.shape) < LEAST_SIZE_PX:
        msg = f"plane must be at least {LEAST_SIZE_PX} pixels along each axis, got {plane.shape}"
        raise ValueError(msg)
    window = np.outer(*(np.hanning(size + 1)[:-1] for size in plane.shape))
    centred = plane - np.average(plane, weights=window)
    power = np.abs(rfft2(centred * window)) ** 2 / np.sum(window**2)
    rings = min(min(plane.shape) // 2, _MOST_RINGS)
    spectrum = _average(power, (plane.shape[0], plane.shape[1]), rings)
    return replace(spectrum, most_noise=_NOISE_MARGIN * _mean_noise(plane))


def _mean_noise(plane: NDArray[np.float32] | Array) -> float:
    """Estimate the mean variance of noise, rather too much: block by block, from what is rough.

    The median size of mixed second differences in a block hardly sees edges; the mean over blocks
    has the shot noise of the bright ones.
    """
    values = np.asarray(plane, dtype=np.float64)
    rough = np.abs(np.diff(np.diff(values, n=2, axis=0), n=2, axis=1))
    height, width = (size // _BLOCK_PX * _BLOCK_PX for size in rough.shape)
    blocks = rough[:height, :width].reshape(height // _BLOCK_PX, _BLOCK_PX, -1, _BLOCK_PX)
    deviations = np.median(blocks, axis=(1, 3)) / _MEDIAN_OF_ROUGHNESS
    rounding = _ROUNDING_VARIANCE if np.array_equal(values, np.rint(values)) else 0.0
    return float(np.square(deviations).mean()) + rounding


def ring_transfer(psf: NDArray[np.float32], rings: int) -> Array:
    """Average the squared transfer function of a PSF over the same rings.

    Parameters
    ----------
    psf : ndarray, shape (S, S)
        Sums to one.
    rings : int
        Number of rings from 0 to 0.5 cycles per pixel.

    Returns
    -------
    ndarray, shape (rings,)
        Between 0 and 1.
    """
    from scipy.fft import rfft2

    size = max(4 * rings, 2 * psf.shape[0])
    return _average(np.abs(rfft2(psf, (size, size))) ** 2, (size, size), rings).power


def fit_signal(spectrum: RingSpectrum, transfer: Array) -> tuple[SignalModel, float]:
    r"""Find the structure and noise that explain a spectrum, if the blur is known.

    Minimised is the misfit of powers, which scatter in proportion to themselves,

    .. math:: D = \sum_f w_f \left(\frac{P_f}{M_f} - 1 - \ln \frac{P_f}{M_f}\right),
              \qquad M_f = S_f |H_f|^2 + N,

    with weights that grow with the square root of the size of a ring and sum to one. No ring has
    less power than the noise, which bounds it where structure reaches up to the highest
    frequencies.

    Parameters
    ----------
    spectrum : RingSpectrum
        Of the blurred image.
    transfer : ndarray, shape (R,)
        Squared transfer function of the blur, from `ring_transfer`.

    Returns
    -------
    signal : SignalModel
        The likeliest structure and noise.
    misfit : float
        D; 0 for a perfect explanation.
    """
    from scipy.optimize import minimize

    used = slice(_FIRST_RING, None)
    frequencies, squares = spectrum.frequencies[used], transfer[used]
    power = np.maximum(spectrum.power[used], _LOWEST_POWER)
    weights = np.sqrt(spectrum.counts[used])
    weights /= weights.sum()
    least_power = float(np.percentile(power, _LEAST_PERCENT))
    most_noise = min(_SCATTER * least_power, spectrum.most_noise)
    most_noise = max(most_noise, _LEAST_NOISE_SHARE * float(power.max()))

    def read(point: Array) -> SignalModel:
        level, knee, noise = np.exp(np.clip(point, _LOWEST_LOGS, _HIGHEST_LOGS)).tolist()
        return SignalModel(level, knee, min(noise, most_noise))

    def misfit(point: Array) -> float:
        signal = read(point)
        ratio = power / (signal.structure(frequencies) * squares + signal.noise)
        return float(np.sum(weights * (ratio - 1 - np.log(ratio))))

    start = np.log([power[0], _KNEE_PER_PX, most_noise])
    found = minimize(misfit, start, method="Nelder-Mead", options=_SEARCH)
    return read(found.x), float(found.fun)


def _average(power: Array, shape: tuple[int, int], rings: int) -> RingSpectrum:
    """Average a power spectrum on the half grid of a real transform over rings."""
    ring, counts = _ring_index(shape, rings)
    sums = np.bincount(ring, power.ravel(), minlength=rings + 1)[:rings]
    return RingSpectrum((np.arange(rings) + 0.5) / (2 * rings), sums / counts, counts)


@lru_cache(maxsize=4)
def _ring_index(shape: tuple[int, int], rings: int) -> tuple[NDArray[np.intp], Array]:
    """Give every frequency its ring, those beyond 0.5 the last one, and count each ring's."""
    vertical, horizontal = np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1])
    radius = np.hypot(vertical[:, None], horizontal[None, :])
    ring = np.minimum((radius * 2 * rings).astype(np.intp), rings).ravel()
    return ring, np.bincount(ring, minlength=rings + 1)[:rings].astype(np.float64)
