r"""How far to refocus: to where the result is sharpest and still explains the image.

A refocuser sharpens more the farther it is told to go, until it invents. What is real in a result
that is said to be :math:`d` from the image must give the image back when the lens blurs it by that
distance,

.. math:: e(d)^2 = \min_{c} \; \operatorname{ms}(r) - \sigma(r)^2, \qquad
          r = b - \frac{H_{c d} H_0}{H_0^2 + \epsilon} \hat x(d),

with :math:`b` the image, :math:`H_0` the transfer function of the lens in focus, which the result
has been through already, :math:`\sigma(r)` the noise from pixel to pixel, and :math:`c` from 0.8 to
1.25, since no lens is quite what its label says. Results that leave more than 6 % of the contrast
unexplained are refused, as are those that leave two thirds as much of it as they are sharper, and
those in which noise makes up more than half of the change; the sharpest of the others wins.

Sharpness is the root-mean-square slope of the smoothed result. Refocusing moves light and adds
none, so that slopes can be compared among results of one image, and the one at distance 0, whose
noise is taken out as well, is what they have to exceed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from focusfix.operations.reblurring import (
    Inside,
    Plane,
    Transfer,
    contrast,
    inside_of,
    kernel_transfer,
    noise_share,
    unexplained_rms,
)
from focusfix.optics import OpticsSettings, blur_radius_px, defocus_psf

CONTRAST_SHARE = 0.06
"""Part of the contrast of the image that a result may leave unexplained."""

GAIN_PER_SHARE = 1.5
"""How much sharper a result must be for each part of the contrast that it leaves unexplained: an
image that is in focus already gets little sharper, and that little does not explain it."""

MOST_NOISE_SHARE = 0.5
LEAST_GAIN = 1.01
"""Sharpness over that of the result at distance 0 below which nothing was gained."""

LEAST_SIZE_PX = 32
"""Side below which a window does not tell."""

_SMOOTHING_PX = 1.5
_COARSE_STEPS = 10
_FINE_PARTS = (0.5, 0.25)
_LENS_FACTORS = (0.8, 1.0, 1.25)
_EPSILON = 1e-3
_MOST_MARGIN_SHARE = 0.25


@dataclass(frozen=True)
class DistanceTrial:
    """One distance that was tried.

    Parameters
    ----------
    dz_um : float
        From the image to the result; micrometres.
    sharpness_gain : float
        Root-mean-square slope of the result over that of the result at distance 0.
    residual : float
        What is left between the image and the result blurred again, noise apart; root mean square
        in the unit of the image.
    noise_share : float
        Growth of the variance of noise over the mean square of the change.
    """

    dz_um: float
    sharpness_gain: float
    residual: float
    noise_share: float


@dataclass(frozen=True)
class DistanceSearch:
    """What trying distances has shown.

    Parameters
    ----------
    best : DistanceTrial, optional
        The one to use; None where no result is sharper and explains the image.
    contrast : float
        Of the image: standard deviation without noise, in its unit.
    trials : tuple of DistanceTrial
        In the order tried.
    """

    best: DistanceTrial | None
    contrast: float
    trials: tuple[DistanceTrial, ...]


def search_distance(
    image: Plane,
    refocus: Callable[[float], Plane],
    optics: OpticsSettings,
    *,
    range_um: float,
    both_ways: bool,
) -> DistanceSearch:
    """Try distances on one window and choose the sharpest result that explains the image.

    Parameters
    ----------
    image : ndarray of float32, shape (Y, X)
        The window; finite.
    refocus : callable
        Maps a distance in micrometres to the refocused window, shape (Y, X).
    optics : OpticsSettings
        Lens and pixel of the microscope that the distances are those of.
    range_um : float
        Largest distance to try; micrometres.
    both_ways : bool
        Whether focus may lie either way; otherwise only negative distances are tried.

    Returns
    -------
    DistanceSearch
        The choice and its reasons.
    """
    if min(image.shape) < LEAST_SIZE_PX:
        return DistanceSearch(None, 0.0, ())
    judge = _Judge(image, refocus(0.0), optics)
    trials: dict[float, DistanceTrial] = {}

    def try_all(distances: list[float]) -> DistanceTrial | None:
        for dz_um in distances:
            if 0 < abs(dz_um) <= range_um and dz_um not in trials:
                trials[dz_um] = judge.judge(dz_um, refocus(dz_um))
        return choose_distance(list(trials.values()), judge.contrast)

    step = range_um / _COARSE_STEPS
    grid = [-step * number for number in range(1, _COARSE_STEPS + 1)]
    best = try_all([*grid, *(-dz_um for dz_um in grid)] if both_ways else grid)
    for part in _FINE_PARTS:
        if best is not None:
            best = try_all([best.dz_um + side * part * step for side in (-1, 1)])
    return DistanceSearch(best, judge.contrast, tuple(trials.values()))


def choose_distance(trials: list[DistanceTrial], contrast_of_image: float) -> DistanceTrial | None:
    """Choose the sharpest of the trials that explain the image and add more detail than noise.

    Parameters
    ----------
    trials : list of DistanceTrial
        What was tried.
    contrast_of_image : float
        Of which 6 % may stay unexplained.

    Returns
    -------
    DistanceTrial or None
        None if none qualifies.
    """
    fit = [
        trial
        for trial in trials
        if trial.residual <= CONTRAST_SHARE * contrast_of_image
        and trial.noise_share <= MOST_NOISE_SHARE
        and trial.sharpness_gain >= LEAST_GAIN
        and (trial.sharpness_gain - 1) * contrast_of_image >= GAIN_PER_SHARE * trial.residual
    ]
    return max(fit, key=lambda trial: trial.sharpness_gain, default=None)


def measure_slope(image: Plane) -> float:
    """Measure the root-mean-square slope of an image, smoothed by 1.5 pixels; units per pixel."""
    from scipy.ndimage import gaussian_gradient_magnitude

    slope = gaussian_gradient_magnitude(image.astype(np.float64), _SMOOTHING_PX)
    return float(np.sqrt(np.mean(slope**2)))


class _Judge:
    """What results for one window are compared with."""

    def __init__(self, image: Plane, at_zero: Plane, optics: OpticsSettings) -> None:
        self._image = image
        self._optics = optics
        self._in_focus = self._transfer(0.0)
        self._slope = max(measure_slope(at_zero), float(np.finfo(np.float32).tiny))
        self.contrast = contrast(image)

    def judge(self, dz_um: float, result: Plane) -> DistanceTrial:
        """Measure one result."""
        inside = self._inside(dz_um)
        transfers = [self._from_focus(factor * dz_um) for factor in _LENS_FACTORS]
        return DistanceTrial(
            dz_um,
            measure_slope(result) / self._slope,
            unexplained_rms(self._image, result, transfers, inside),
            noise_share(self._image, result),
        )

    def _inside(self, dz_um: float) -> Inside:
        radius_px = math.ceil(_LENS_FACTORS[-1] * blur_radius_px(self._optics, dz_um)) + 1
        return inside_of(min(radius_px, int(min(self._image.shape) * _MOST_MARGIN_SHARE)))

    def _from_focus(self, dz_um: float) -> Transfer:
        """Return what a result in focus has to go through to be as blurred as the image."""
        power = np.abs(self._in_focus) ** 2
        share = self._in_focus.conj() / (power + _EPSILON)
        return np.asarray(self._transfer(dz_um) * share * (1 + _EPSILON))

    def _transfer(self, dz_um: float) -> Transfer:
        side = min(self._image.shape)
        size = side - 1 + side % 2
        psf = defocus_psf(self._optics, dz_um)
        if psf.shape[0] > size:
            psf = defocus_psf(self._optics, dz_um, size)
        return kernel_transfer(psf, self._image.shape)
