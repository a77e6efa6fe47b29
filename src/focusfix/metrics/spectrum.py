r"""Spectra of windowed planes on rings, and the band of frequencies that a blur destroyed.

On every ring of frequencies, one step of the Fourier grid wide, the transfer of the blur is read
from the blurry image :math:`B` and the reference :math:`R` as

.. math:: H_r = \frac{\mathrm{Re} \sum_{f \in r} B_f R_f^*}{\sum_{f \in r} (|R_f|^2 - N)},

where :math:`N` is the level of white noise in the reference, from the corners of its spectrum.
Noise in the blurry image does not correlate with the reference and cancels.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST_SIZE_PX = 32

_NOISE_FROM = 0.52
_SIGNAL_TO = 0.5
_CONFIDENCE = 3.0
_LOST_BELOW = 0.1
_SUMMED_RINGS = 3
_COARSEST = 2

FloatArray = npt.NDArray[np.float64]


def windowed_spectrum(plane: npt.NDArray[Any]) -> npt.NDArray[np.complex128]:
    """Transform a plane without its mean, under a Hann window.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities.

    Returns
    -------
    ndarray of complex, shape (Y, X // 2 + 1)
        Half plane of frequencies, as of :func:`numpy.fft.rfft2`.
    """
    values = without_mean(plane)
    values *= hann_window((plane.shape[0], plane.shape[1]))
    return np.asarray(np.fft.rfft2(values))


@lru_cache(maxsize=2)
def hann_window(shape: tuple[int, int]) -> FloatArray:
    """Return the product of a Hann window along each axis; shared, not to be written to."""
    window = np.outer(*(np.hanning(size) for size in shape))
    window.setflags(write=False)
    return window


def power_of(spectrum: npt.NDArray[np.complex128]) -> FloatArray:
    """Return the squares of the sizes of complex numbers."""
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return power


def without_mean(values: npt.NDArray[Any]) -> FloatArray:
    """Subtract the mean; what holds one value only becomes exactly 0, without rounding errors.

    Parameters
    ----------
    values : ndarray, any shape
        Intensities.

    Returns
    -------
    ndarray of float64, same shape
        With a mean of about 0.
    """
    exact = np.asarray(values, dtype=np.float64)
    return np.asarray(exact - (exact.flat[0] if np.ptp(exact) == 0 else exact.mean()))


def frequency_grid(shape: tuple[int, int]) -> FloatArray:
    """Return the spatial frequency of each coefficient of such a spectrum; cycles per pixel."""
    rows, columns = shape
    return np.asarray(np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :]))


def find_lost_band(
    blurry: npt.NDArray[Any], reference: npt.NDArray[Any]
) -> tuple[float, float] | None:
    """Find the spatial frequencies that the reference has and the blurry image has lost.

    The band begins where the transfer of the blur first falls below a tenth of that of the
    coarsest detail, and ends where the reference sinks into its noise.

    Parameters
    ----------
    blurry, reference : ndarray, shape (Y, X)
        One field, at least 32 x 32 pixels; gain and offset do not matter.

    Returns
    -------
    tuple of float, optional
        Lower and upper edge; cycles per pixel, at most 0.5. None if nothing was lost.

    Raises
    ------
    ValueError
        If the shapes differ or are too small.
    """
    if blurry.shape != reference.shape or min(reference.shape) < LEAST_SIZE_PX:
        raise ValueError(
            f"the images must have one shape of at least {LEAST_SIZE_PX} x {LEAST_SIZE_PX} "
            f"pixels: {blurry.shape} and {reference.shape}"
        )
    cross, signal, significant = _ring_sums(blurry, reference)
    cross, signal = _sliding(cross), _sliding(signal)
    if signal[_COARSEST] <= 0:
        return None
    kept = max(float(cross[_COARSEST] / signal[_COARSEST]), 0.0)
    lost = (signal > 0) & (cross <= _LOST_BELOW * kept * signal)
    lost[0] = False  # the mean, which was taken out
    pairs = np.flatnonzero(significant[:-1] & significant[1:])
    if not lost.any() or not pairs.size:
        return None
    side = min(reference.shape)
    low, high = int(np.argmax(lost)), int(pairs[-1]) + 2
    return (low / side, min(high / side, _SIGNAL_TO)) if low < high else None


def _ring_sums(
    blurry: npt.NDArray[Any], reference: npt.NDArray[Any]
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Sum cross spectrum and signal of every ring; say where the signal exceeds the noise."""
    first, second = windowed_spectrum(blurry), windowed_spectrum(reference)
    frequency = frequency_grid((reference.shape[0], reference.shape[1]))
    power = np.abs(second) ** 2
    noise = float(power[frequency > _NOISE_FROM].mean())
    band = frequency <= _SIGNAL_TO
    ring = (frequency[band] * min(reference.shape)).astype(np.intp)
    cross, total = (
        np.bincount(ring, weights=values[band]).astype(np.float64)
        for values in ((first * second.conj()).real, power)
    )
    count = np.maximum(np.bincount(ring), 1)
    significant = total / count > noise * (1 + _CONFIDENCE / np.sqrt(count))
    return cross, total - noise * count, significant


def _sliding(values: FloatArray) -> FloatArray:
    """Sum neighbouring rings, which steadies the ratio where rings hold few frequencies."""
    return np.convolve(values, np.ones(_SUMMED_RINGS), mode="same")
