r"""Structural similarity over five scales (MS-SSIM), which sees errors of coarse structure too.

.. math:: \prod_{j=1}^{5} \overline{c_j}^{\,w_j} \; \overline{l_5}^{\,w_5}

with the contrast-structure term :math:`c_j` of each scale and the luminance term of the coarsest
(taken together with its :math:`c_5` before averaging, as in the authors' program).

References
----------
Wang, Simoncelli, Bovik: Multiscale structural similarity for image quality assessment,
Asilomar 2003.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from focusfix.metrics.fidelity import SSIM_SIGMA_PX, check_images

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, fine to coarse, as published."""

_RADIUS_PX = 5
LEAST_SIZE_PX = (2 * _RADIUS_PX + 1) * 2 ** (len(WEIGHTS) - 1)
_K1, _K2 = 0.01, 0.03

FloatArray = npt.NDArray[np.float64]


def ms_ssim(image: npt.NDArray[Any], reference: npt.NDArray[Any], *, data_range: float) -> float:
    """Compute the multi-scale structural similarity index with its authors' settings.

    Window and constants are those of :func:`focusfix.metrics.fidelity.ssim`; scales are halved
    by averaging 2 x 2 pixels, an odd last row or column is left out.

    Parameters
    ----------
    image, reference : ndarray, shape (Y, X)
        Intensities on the same scale; at least 176 x 176 pixels.
    data_range : float
        Largest possible intensity; > 0.

    Returns
    -------
    float
        0 to 1; 1 for identical images, 0 if structure is reversed at any scale.

    Raises
    ------
    ValueError
        If the shapes differ, are too small, or ``data_range`` is not positive.
    """
    check_images(image, reference, data_range)
    if min(reference.shape) < LEAST_SIZE_PX:
        msg = f"MS-SSIM needs {LEAST_SIZE_PX} x {LEAST_SIZE_PX} pixels, not {reference.shape}"
        raise ValueError(msg)
    first, second = (np.asarray(each, dtype=np.float64) for each in (image, reference))
    product = 1.0
    for weight in WEIGHTS[:-1]:
        contrast, _ = _mean_terms(first, second, data_range)
        product *= max(contrast, 0.0) ** weight
        first, second = _halve(first), _halve(second)
    _, similarity = _mean_terms(first, second, data_range)
    return float(product * math.pow(max(similarity, 0.0), WEIGHTS[-1]))


def _mean_terms(first: FloatArray, second: FloatArray, data_range: float) -> tuple[float, float]:
    """Return the means of contrast-structure and of the whole similarity, without the border."""
    from scipy.ndimage import gaussian_filter

    def local_mean(values: FloatArray) -> FloatArray:
        blurred = gaussian_filter(values, SSIM_SIGMA_PX, radius=_RADIUS_PX)
        return np.asarray(blurred[_RADIUS_PX:-_RADIUS_PX, _RADIUS_PX:-_RADIUS_PX])

    mean, true_mean = local_mean(first), local_mean(second)
    variance = local_mean(first**2) - mean**2 + local_mean(second**2) - true_mean**2
    covariance = local_mean(first * second) - mean * true_mean
    constant = (_K2 * data_range) ** 2
    contrast = (2 * covariance + constant) / (variance + constant)
    constant = (_K1 * data_range) ** 2
    luminance = (2 * mean * true_mean + constant) / (mean**2 + true_mean**2 + constant)
    return float(contrast.mean()), float((luminance * contrast).mean())


def _halve(values: FloatArray) -> FloatArray:
    rows, columns = (size // 2 for size in values.shape)
    even = values[: 2 * rows, : 2 * columns]
    return np.asarray(even.reshape(rows, 2, columns, 2).mean(axis=(1, 3)))
