"""BBBC006-like fields: how a 20x screening microscope would see a sharp plane out of focus.

The real plates were taken with a 20x air objective and 2x2 binning (0.65 um per pixel), Hoechst
emission at 461 nm, and a 12-bit camera. The aperture is not documented; an apodised pupil of
NA 0.63 is one of the descriptions that fit far out-of-focus frames. Brightness is set so
that frames 32 um out of focus score about 31 dB on the 12-bit range, as such fields do.
"""

from typing import NamedTuple

import numpy as np

from focusfix.optics import (
    CameraSettings,
    FloatArray,
    OpticsSettings,
    defocus_psf,
    expose_camera,
    image_plane,
)

SCREENING_OPTICS = OpticsSettings(
    numerical_aperture=0.63, wavelength_um=0.461, pixel_size_um=0.65, apodization=1.0
)
SCREENING_CAMERA = CameraSettings(
    offset=100, counts_per_electron=0.34, read_noise=1.5, bit_depth=12
)
PEAK_COUNTS = 900.0


class ScreeningPair(NamedTuple):
    """A recorded plane and what a noise-free camera would have seen in focus; grey values."""

    out_of_focus: FloatArray
    in_focus: FloatArray


def screening_pair(
    plane: FloatArray,
    dz_um: float,
    *,
    seed: int,
    optics: OpticsSettings = SCREENING_OPTICS,
    camera: CameraSettings = SCREENING_CAMERA,
) -> ScreeningPair:
    """Image one sharp plane at a distance from focus.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Sharp structure, any scale from 0; its 99.9th percentile becomes 900 grey values in focus.
    dz_um : float
        Distance from focus; micrometres.
    seed : int
        Of the noise.
    optics, camera : OpticsSettings, CameraSettings
        The microscope.

    Returns
    -------
    ScreeningPair
        Arrays of shape (Y, X), float32.
    """
    sharp = image_plane(plane, defocus_psf(optics, 0.0))
    counts = PEAK_COUNTS / float(np.percentile(sharp, 99.9))
    blurred = image_plane(plane, defocus_psf(optics, dz_um))
    recorded = expose_camera(blurred * counts, camera, np.random.default_rng(seed))
    return ScreeningPair(recorded, np.asarray(sharp * counts + camera.offset, dtype=np.float32))
