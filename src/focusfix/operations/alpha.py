r"""How far to extrapolate: as far as the result still explains the image it was made from.

Extrapolation sharpens more the smaller alpha is, without end. What is real in the result must
give the image back when a lens blurs it again, so each alpha is tried on one window and judged by
the smallest residual over defocus kernels :math:`h_r` of the lens,

.. math:: e(\alpha)^2 = \min_r \; \operatorname{ms}(d_r) - \sigma(d_r)^2, \qquad
          d_r = b - h_r * \hat x(\alpha),

with :math:`b` the image and :math:`\sigma(d)` the part of a difference that is noise from pixel to
pixel, which nothing can explain. The sharpest result wins among those that stay within 2 % of the
contrast of the image (its standard deviation without noise). Where a model says itself where focus
is, and the search only looks around that, it is 10 % for an image and its own copy, whose codes
are known to lie on a line, and 15 % for two images, which are extrapolated a little less far
because that amplifies their errors. What was added must moreover be detail rather than noise: the
variance of noise may not grow by more than half the mean square of the change. Sharpness does not
depend on contrast (:mod:`focusfix.metrics.focus`). If nothing qualifies the image stays as it is,
which is alpha 1.

An image that is in focus already cannot be told from one that is slightly out of it: it is
sharpened as long as a narrow kernel explains the difference.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from focusfix.metrics.focus import LEAST_SIZE_PX, measure_sharpness
from focusfix.operations.reblurring import (
    Plane,
    contrast,
    inside_of,
    kernel_transfer,
    noise_share,
    unexplained_rms,
)

ALPHAS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.325, 0.25, 0.2, 0.16, 0.125)
"""Alphas that are tried, from cautious to bold; below the last one noise grows too much."""

LEAST_ALPHA = 0.02
"""Smallest alpha that is tried where a model asks for it."""

AROUND = (1.7, 1.4, 1.2, 1.0, 0.85, 0.7)
"""Factors of the alphas that are tried around a model's own estimate."""

AROUND_PAIRS = (1.9, 1.6, 1.3)
"""The same for two images: short of the estimate, since extrapolation amplifies their errors."""

CONTRAST_SHARE = 0.02
"""Part of the contrast that a result may leave unexplained."""

CONTRAST_SHARE_OF_PAIRS = 0.15
"""The same around the estimate of a model that knows where focus is, for two images."""

CONTRAST_SHARE_OF_COPIES = 0.1
"""The same for an image and its own blurred copy."""

MOST_NOISE_SHARE = 0.5
IN_FOCUS = 0.97
"""Estimate of a model from which on an image counts as being in focus already."""

LEAST_GAIN = 1.01
"""Sharpness of a result over that of the image below which nothing was gained."""

RADII_PX = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0,
            18.0, 22.0, 27.0, 33.0)  # fmt: skip
"""Blur discs of the kernels that re-blur results; pixels."""


@dataclass(frozen=True)
class AlphaTrial:
    """One alpha that was tried.

    Parameters
    ----------
    alpha : float
        Position of the image between the blurrier end (0) and focus (1).
    sharpness_gain : float
        Sharpness of the result over that of the image.
    residual : float
        What is left between the image and the result blurred again, noise apart, for the best
        kernel; root mean square in the unit of the image.
    noise_share : float
        Growth of the variance of noise over the mean square of the change; at 1, all that was
        added is noise.
    """

    alpha: float
    sharpness_gain: float
    residual: float
    noise_share: float


@dataclass(frozen=True)
class AlphaSearch:
    """What trying alphas has shown.

    Parameters
    ----------
    alpha : float
        The one to use; 1, which changes nothing, where none qualified.
    tolerance : float
        Largest residual that is accepted; in the unit of the image.
    trials : tuple of AlphaTrial
        In the order tried.
    """

    alpha: float
    tolerance: float
    trials: tuple[AlphaTrial, ...]


def search_alpha(
    image: Plane,
    deblur: Callable[[float], Plane],
    psfs: Sequence[npt.NDArray[np.float32]],
    alphas: Sequence[float] = ALPHAS,
    contrast_share: float = CONTRAST_SHARE,
) -> AlphaSearch:
    """Try alphas on one window and choose the boldest that still explains the image.

    Parameters
    ----------
    image : ndarray of float32, shape (Y, X)
        The image, or the sharper one of a pair; finite.
    deblur : callable
        Maps an alpha to the deblurred image, shape (Y, X).
    psfs : sequence of ndarray, shape (S, S), S odd
        Kernels of the lens from no blur to the largest; each sums to one. Those wider than half
        the image are left out.
    alphas : sequence of float
        What to try.
    contrast_share : float
        Part of the contrast of the image that a result may leave unexplained.

    Returns
    -------
    AlphaSearch
        The choice and its reasons.
    """
    side = min(image.shape)
    kernels = [psf for psf in psfs if psf.shape[0] <= side // 2]
    if side < LEAST_SIZE_PX * 2 or not kernels:
        return AlphaSearch(1.0, 0.0, ())
    transfers = [kernel_transfer(psf, image.shape) for psf in kernels]
    inside = inside_of(max(psf.shape[0] for psf in kernels) // 2)
    sharpness = measure_sharpness(image[inside])
    trials = []
    for alpha in alphas:
        result = deblur(alpha)
        gain = measure_sharpness(result[inside]) / sharpness if sharpness > 0 else math.nan
        residual = unexplained_rms(image, result, transfers, inside)
        share = noise_share(image[inside], result[inside])
        trials.append(AlphaTrial(alpha, gain, residual, share))
    return choose_trial(trials, contrast_share * contrast(image[inside]))


def choose_trial(trials: Sequence[AlphaTrial], tolerance: float) -> AlphaSearch:
    """Choose the sharpest of the trials that explain the image and add more detail than noise.

    Parameters
    ----------
    trials : sequence of AlphaTrial
        What was tried.
    tolerance : float
        Largest residual that is accepted; in the unit of the image.

    Returns
    -------
    AlphaSearch
        With alpha 1 if none qualifies.
    """
    fit = [
        trial
        for trial in trials
        if trial.residual <= tolerance
        and trial.noise_share <= MOST_NOISE_SHARE
        and trial.sharpness_gain >= LEAST_GAIN
    ]
    best = max(fit, key=lambda trial: trial.sharpness_gain, default=None)
    return AlphaSearch(1.0 if best is None else best.alpha, tolerance, tuple(trials))


def alphas_around(estimate: float, factors: Sequence[float] = AROUND) -> tuple[float, ...]:
    """List the alphas to try around a model's own estimate.

    Parameters
    ----------
    estimate : float
        What the model takes for the best alpha; 0 to 1.
    factors : sequence of float
        Of the estimate.

    Returns
    -------
    tuple of float
        Descending, from :data:`LEAST_ALPHA` to the largest of :data:`ALPHAS`, each once; none if
        the estimate says that the image is in focus.

    Examples
    --------
    >>> alphas_around(0.5)
    (0.85, 0.7, 0.6, 0.5, 0.425, 0.35)
    """
    if estimate >= IN_FOCUS:
        return ()
    tried = (min(max(estimate * factor, LEAST_ALPHA), ALPHAS[0]) for factor in factors)
    return tuple(sorted({round(alpha, 6) for alpha in tried}, reverse=True))
