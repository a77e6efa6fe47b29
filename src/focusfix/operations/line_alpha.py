"""The alpha of a latent-line model for one image: tried out, around what the model itself says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from focusfix.operations.alpha import (
    ALPHAS,
    AROUND,
    AROUND_PAIRS,
    CONTRAST_SHARE,
    CONTRAST_SHARE_OF_COPIES,
    CONTRAST_SHARE_OF_PAIRS,
    RADII_PX,
    AlphaSearch,
    alphas_around,
    search_alpha,
)
from focusfix.operations.bindings import bind_extrapolation, estimate_alpha, run_whole
from focusfix.optics import blur_radius_px, defocus_psf

if TYPE_CHECKING:
    from focusfix.models.line_model import LatentLineModel
    from focusfix.optics import OpticsSettings
    from focusfix.runtime.device import Device

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LineTrial:
    """Extrapolation of one window by any alpha.

    Parameters
    ----------
    network : LatentLineModel
        With its weights.
    images : ndarray of float32, shape (1 or 2, Y, X)
        The window, scaled, and the blurrier one of the same field unless ``psf`` makes it; Y and X
        are multiples of the stride.
    psf : ndarray of float32, shape (S, S), S odd, optional
        Makes the blurrier end out of the window.
    device : Device
        Where to run.
    """

    network: "LatentLineModel"
    images: Plane
    psf: Plane | None
    device: "Device"

    def deblur(self, alpha: float) -> Plane:
        """Extrapolate the window by one alpha; shape (Y, X)."""
        binding = bind_extrapolation(self.network, alpha=alpha, psf=self.psf)
        return run_whole(binding, self.images, self.device)

    def choose_alpha(self, lens: "OpticsSettings") -> AlphaSearch:
        """Try alphas, and choose the boldest whose result still explains the window.

        Parameters
        ----------
        lens : OpticsSettings
            Blurs results again.

        Returns
        -------
        AlphaSearch
            See :mod:`focusfix.operations.alpha`. Models that know where focus is are only asked
            to look around that.
        """
        estimate = estimate_alpha(self.network, self.images, self.psf, self.device)
        kernels = reblurring_psfs(lens)
        tried: Sequence[float]
        if estimate is None:
            tried, share = ALPHAS, CONTRAST_SHARE
        elif self.psf is not None:
            tried, share = alphas_around(estimate, AROUND), CONTRAST_SHARE_OF_COPIES
        else:
            tried, share = alphas_around(estimate, AROUND_PAIRS), CONTRAST_SHARE_OF_PAIRS
        return search_alpha(self.images[0], self.deblur, kernels, tried, share)


def reblurring_psfs(lens: "OpticsSettings") -> list[Plane]:
    """Compute the kernels that results are blurred again with, from none to the widest.

    Parameters
    ----------
    lens : OpticsSettings
        Of the microscope; ``pixel_size_um`` sets what a pixel is.

    Returns
    -------
    list of ndarray of float32, shape (S, S), S odd
        Each sums to one.
    """
    um_per_px = 1 / blur_radius_px(lens, 1.0)
    wider = (defocus_psf(lens, radius * um_per_px) for radius in RADII_PX if radius)
    return [np.ones((1, 1), np.float32), *(np.asarray(psf, dtype=np.float32) for psf in wider)]
