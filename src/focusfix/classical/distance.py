"""How far an image is out of focus, read from its power spectrum with the lens known.

A plain comparison of the image with its deconvolved and re-blurred self cannot tell: the residual
is smallest for no blur at all. What tells is the power that the re-blurred structure and the noise
leave unexplained, ring by ring: an assumed distance beyond the true one has dark rings where the
image has power, one before it has power where the image has none.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusfix.classical.spectrum import SignalModel, fit_signal, ring_power, ring_transfer
from focusfix.optics import OpticsSettings, blur_radius_px, defocus_psf

_DEPTH_SHARE = 0.5
_STEP_SHARE = 0.06
_PARTS = 4
_WIDEST_DISC_PX = 64.0
_DISCS_PER_IMAGE = 10


@dataclass(frozen=True)
class DistanceFit:
    """The distance from focus that explains an image best.

    Parameters
    ----------
    dz_um : float
        Its size; the sign cannot be known from one plane. Micrometres.
    signal : SignalModel
        Structure and noise of the image with that blur.
    misfit : float
        What it leaves unexplained; 0 for nothing.
    misfit_in_focus : float
        What no blur at all would leave unexplained.
    farthest_um : float
        Largest distance that was tried; micrometres.
    """

    dz_um: float
    signal: SignalModel
    misfit: float
    misfit_in_focus: float
    farthest_um: float

    @property
    def at_the_end(self) -> bool:
        """Whether the farthest distance fits best, so that the true one may be farther."""
        return self.dz_um >= self.farthest_um


def estimate_distance(
    plane: NDArray[np.float32] | NDArray[np.float64], optics: OpticsSettings, *, farthest_um: float
) -> DistanceFit:
    """Find the distance whose blur explains the power spectrum of an image best.

    Distances are tried in steps that grow with them, then between the neighbours of the best.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities; at least 32 pixels along each axis.
    optics : OpticsSettings
        Lens and pixel.
    farthest_um : float
        Largest distance to try; micrometres, > 0.

    Returns
    -------
    DistanceFit
        The best distance and how well it fits.

    Raises
    ------
    ValueError
        If the image is too small, or the largest distance is not positive.
    """
    spectrum = ring_power(plane)

    def fit(dz_um: float) -> tuple[float, SignalModel]:
        transfer = ring_transfer(defocus_psf(optics, dz_um), spectrum.power.size)
        signal, misfit = fit_signal(spectrum, transfer)
        return misfit, signal

    coarse = candidate_distances(optics, farthest_um)
    fits = {dz_um: fit(dz_um) for dz_um in coarse}
    nearest = coarse.index(min(coarse, key=lambda dz_um: fits[dz_um][0]))
    around = coarse[max(nearest - 1, 0)], coarse[min(nearest + 1, len(coarse) - 1)]
    fits |= {dz_um: fit(dz_um) for dz_um in np.linspace(*around, 2 * _PARTS + 1).tolist()}
    best = min(fits, key=lambda dz_um: fits[dz_um][0])
    return DistanceFit(best, fits[best][1], fits[best][0], fits[0.0][0], farthest_um)


def candidate_distances(optics: OpticsSettings, farthest_um: float) -> tuple[float, ...]:
    """List distances to try first: none, then steps that grow with the distance.

    Parameters
    ----------
    optics : OpticsSettings
        Lens; the first step is half its depth of field.
    farthest_um : float
        Largest distance; micrometres, > 0.

    Returns
    -------
    tuple of float
        Ascending from 0 to ``farthest_um``; micrometres.

    Raises
    ------
    ValueError
        If the largest distance is not positive.
    """
    if not 0 < farthest_um < np.inf:
        raise ValueError(f"farthest_um must be greater than 0, not {farthest_um}")
    depth_um = optics.refractive_index * optics.wavelength_um / optics.numerical_aperture**2
    distances, step = [0.0], _DEPTH_SHARE * depth_um
    while distances[-1] + step < farthest_um:
        distances.append(distances[-1] + step)
        step = max(step, _STEP_SHARE * distances[-1])
    return (*distances, farthest_um)


def farthest_visible(optics: OpticsSettings, shape: tuple[int, int]) -> float:
    """Choose how far to search: until the blur disc fills a fifth of the image, or 64 pixels.

    Parameters
    ----------
    optics : OpticsSettings
        Lens and pixel.
    shape : tuple of int
        Height and width of the image; pixels.

    Returns
    -------
    float
        Largest distance worth trying; micrometres.
    """
    radius_px = min(_WIDEST_DISC_PX, min(shape) / _DISCS_PER_IMAGE)
    return radius_px / blur_radius_px(optics, 1.0)
