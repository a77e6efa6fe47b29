"""A blur and the focus it is turned into: two point-spread functions and what they do to images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusfix.optics import FloatArray, OpticsSettings, defocus_psf


@dataclass(frozen=True, eq=False)
class FocusChange:
    """What the lens did, and what it would have done in focus.

    The aim of every deconvolution here is the image that the same lens gives in focus, not the
    object itself, whose finest structure no image of that lens shows.

    Parameters
    ----------
    blurred, focused : ndarray, shapes (S, S) and (T, T), S and T odd
        Point-spread functions that sum to one and are even: the same upside down.
    """

    blurred: FloatArray
    focused: FloatArray

    @classmethod
    def of_lens(cls, optics: OpticsSettings, dz_um: float) -> "FocusChange":
        """Compute both for a lens and a distance from focus in micrometres."""
        return cls(defocus_psf(optics, dz_um), defocus_psf(optics, 0.0))

    @property
    def radius_px(self) -> int:
        """Reach of the larger of the two; pixels."""
        return max(len(self.blurred), len(self.focused)) // 2


def transfer_function(psf: FloatArray, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Transform an even PSF for multiplication with the real transform of an image.

    Parameters
    ----------
    psf : ndarray, shape (S, S), S odd
        Point-spread function; its transform is real.
    shape : tuple of int
        Size of the image; at least that of the PSF.

    Returns
    -------
    ndarray, shape (shape[0], shape[1] // 2 + 1)
        Transfer function; 1 at zero frequency where the PSF sums to one.

    Raises
    ------
    ValueError
        If the image is smaller than the PSF.
    """
    from scipy.fft import rfft2

    if min(shape) < psf.shape[0]:
        raise ValueError(f"an image of {shape} is smaller than the PSF of {psf.shape}")
    placed = np.zeros(shape, dtype=np.float32)
    placed[: psf.shape[0], : psf.shape[1]] = psf
    centred = np.roll(placed, [-(side // 2) for side in psf.shape], axis=(0, 1))
    return np.asarray(rfft2(centred).real, dtype=np.float32)
