r"""Resolution by Fourier ring correlation (FRC): the finest detail that noise does not hide.

Two recordings :math:`A, B` of one field are correlated on rings of spatial frequencies,

.. math:: F_r = \frac{\mathrm{Re} \sum_{f \in r} A_f B_f^*}
                    {\sqrt{\sum_{f \in r} |A_f|^2 \sum_{f \in r} |B_f|^2}}
              = \frac{q_r}{1 + q_r},

where :math:`q` is the ratio of signal to noise of each. The resolution is the period at which
:math:`F` first falls below 1/7.

A single image is split like a checkerboard into four images of every other row and column, which
make two pairs along the diagonals. Their shift of half a pixel is undone in the spectrum. Each has
a quarter of the pixels, thus of :math:`q`, so that the same resolution shows at 1/25. Detail finer
than four pixels cannot be told.

References
----------
Nieuwenhuizen et al.: Measuring image resolution in optical nanoscopy, Nature Methods 10, 2013
(the threshold). Koho et al.: Fourier ring correlation simplifies image restoration in
fluorescence microscopy, Nature Communications 10, 2019 (splitting one image; there a fitted curve
corrects for the shift and the noise).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from focusfix.metrics.spectrum import frequency_grid, windowed_spectrum

LEAST_SIZE_PX = 64
SINGLE_LIMIT_PX = 4.0
PAIR_LIMIT_PX = 2.0

_PAIR_THRESHOLD = 1 / 7
_SINGLE_THRESHOLD = 1 / 25
_WINDOW_SHARE = 1 / 16

ComplexArray = npt.NDArray[np.complex128]
Sums = npt.NDArray[np.float64]


def pair_resolution(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """Measure the resolution of two recordings of one field that differ in noise only.

    Parameters
    ----------
    first, second : ndarray, shape (Y, X)
        Intensities, at least 64 x 64 pixels; gain and offset do not matter.

    Returns
    -------
    float
        Finest period that both show; pixels, at least 2, which means that it may be finer;
        ``inf`` if nothing agrees.

    Raises
    ------
    ValueError
        If the shapes differ or are too small.
    """
    if first.shape != second.shape:
        raise ValueError(f"the images differ in shape: {first.shape} and {second.shape}")
    _check_size(first)
    sums = _ring_sums(windowed_spectrum(first), windowed_spectrum(second), first.shape)
    return max(_first_below(sums, min(first.shape), _PAIR_THRESHOLD), PAIR_LIMIT_PX)


def single_resolution(plane: npt.NDArray[Any]) -> float:
    """Measure the resolution of one image, whose noise must be independent from pixel to pixel.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities, at least 64 x 64 pixels; gain and offset do not matter.

    Returns
    -------
    float
        Finest period above the noise; pixels, at least 4, which means that it may be finer;
        ``inf`` if there is nothing but noise.

    Raises
    ------
    ValueError
        If the plane is too small.
    """
    _check_size(plane)
    rows, columns = (size // 2 for size in plane.shape)
    parts = {
        (y, x): windowed_spectrum(plane[y : 2 * rows : 2, x : 2 * columns : 2])
        for y in (0, 1)
        for x in (0, 1)
    }
    shift_y = np.exp(1j * np.pi * np.fft.fftfreq(rows))[:, None]
    shift_x = np.exp(1j * np.pi * np.fft.rfftfreq(columns))[None, :]
    sums = _ring_sums(parts[0, 0] * shift_y * shift_x, parts[1, 1], (rows, columns))
    sums += _ring_sums(parts[0, 1] * shift_y, parts[1, 0] * shift_x, (rows, columns))
    period = 2 * _first_below(sums, min(rows, columns), _SINGLE_THRESHOLD)
    return max(period, SINGLE_LIMIT_PX)


def _check_size(plane: npt.NDArray[Any]) -> None:
    if plane.ndim != 2 or min(plane.shape) < LEAST_SIZE_PX:
        msg = f"plane must be at least {LEAST_SIZE_PX} x {LEAST_SIZE_PX} pixels, got {plane.shape}"
        raise ValueError(msg)


def _ring_sums(first: ComplexArray, second: ComplexArray, shape: tuple[int, ...]) -> Sums:
    """Sum cross spectrum and both powers on rings up to half a cycle per pixel."""
    side = min(shape)
    ring = np.minimum(
        (frequency_grid((shape[0], shape[1])) * side).astype(np.intp), side // 2
    ).ravel()
    products = (first * second.conj()).real, np.abs(first) ** 2, np.abs(second) ** 2
    return np.stack([np.bincount(ring, weights=each.ravel())[: side // 2] for each in products])


def _first_below(sums: Sums, side: int, threshold: float) -> float:
    """Return the period at which the correlation, averaged over rings, falls below a threshold."""
    width = 2 * int(side / 2 * _WINDOW_SHARE / 2) + 1
    cross, power, other_power = (
        np.convolve(each, np.ones(width), mode="same")[1:] for each in sums
    )
    scale = np.sqrt(power * other_power)
    correlation = np.divide(cross, scale, out=np.zeros_like(cross), where=scale > 0)
    below = np.flatnonzero(correlation < threshold)
    if not below.size:
        return 0.0
    at = int(below[0])
    if at == 0:
        return math.inf
    before, after = correlation[at - 1], correlation[at]
    ring = at - 1 + (before - threshold) / (before - after)
    return side / float(ring + 1.5)
