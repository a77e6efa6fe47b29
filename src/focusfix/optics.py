r"""Wide-field optics: from an objective lens to its point-spread function, and to a camera image.

The point-spread function (PSF) is that of a scalar, rotationally symmetric pupil with the
high-aperture defocus phase. With pupil radius :math:`\rho = \sin\theta / \sin\theta_{max}`,

.. math::

    h(r) = \Big| \int_0^1 A(\rho)\, e^{i \phi(\rho)}
           J_0\!\big(2\pi \tfrac{NA}{\lambda} r \rho\big)\, \rho\, d\rho \Big|^2, \qquad
    \phi(\rho) = \frac{2\pi n\, dz}{\lambda}
           \Big(\sqrt{1 - (NA\,\rho / n)^2} - 1\Big) + \phi_{sph}(\rho),

integrated over square camera pixels. Where the defocus phase has so many turns that diffraction
no longer shows, rays are followed instead (the geometric limit).

Bright-field images of thin, weakly absorbing samples are treated the same way: the transmitted
intensity is convolved with the PSF. To first order in the absorption that is exact where the
condenser fills the objective's aperture; where it is closed, and in phase objects (bright and
dark fringes of transparent structures), it is not. It holds for stained, not for clear, samples.
"""

import math
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from focusfix.camera import CameraSettings, FloatArray, expose_camera

__all__ = [
    "CameraSettings",
    "FloatArray",
    "OpticsSettings",
    "blur_radius_px",
    "defocus_psf",
    "defocus_turns",
    "expose_camera",
    "geometric_profile",
    "image_plane",
    "image_volume",
    "psf_size_px",
    "radial_profile",
    "wave_profile",
]

_TURNS_OF_GEOMETRIC_LIMIT = 60.0
_SUBPIXELS = 3
_RINGS = 4096
_RADII_AT_ONCE = 256


class OpticsSettings(BaseModel):
    """Microscope and camera pixel, as far as they shape the blur.

    Parameters
    ----------
    numerical_aperture : float
        Of the objective, 0 < NA < refractive index.
    wavelength_um : float
        Emission (fluorescence) or illumination (bright-field) wavelength in vacuum; micrometres.
    pixel_size_um : float
        Side of a camera pixel in the sample; micrometres.
    refractive_index : float
        Of the immersion medium.
    apodization : float
        Exponent of a Gaussian fall-off of the pupil amplitude, exp(-apodization rho^2); >= 0.
    spherical_waves : float
        Primary spherical aberration, balanced with defocus, peak coefficient in wavelengths.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    numerical_aperture: float = Field(gt=0)
    wavelength_um: float = Field(gt=0)
    pixel_size_um: float = Field(gt=0)
    refractive_index: float = Field(default=1.0, ge=1.0)
    apodization: float = Field(default=0.0, ge=0)
    spherical_waves: float = 0.0

    @model_validator(mode="after")
    def _aperture_fits_medium(self) -> Self:
        if self.numerical_aperture >= self.refractive_index:
            raise ValueError(
                f"numerical_aperture {self.numerical_aperture} must be below "
                f"refractive_index {self.refractive_index}"
            )
        return self

    @property
    def cutoff_per_um(self) -> float:
        """Highest spatial frequency that any image carries, 2 NA / wavelength; 1/um."""
        return 2 * self.numerical_aperture / self.wavelength_um


def blur_radius_px(optics: OpticsSettings, dz_um: float) -> float:
    r"""Radius of the geometric blur disc, :math:`|dz| \tan(\arcsin(NA/n))`; pixels.

    Examples
    --------
    >>> lens = OpticsSettings(numerical_aperture=0.6, wavelength_um=0.5, pixel_size_um=0.5)
    >>> round(blur_radius_px(lens, 10.0), 3)
    15.0
    """
    sine = optics.numerical_aperture / optics.refractive_index
    return abs(dz_um) * sine / math.sqrt(1 - sine * sine) / optics.pixel_size_um


def psf_size_px(optics: OpticsSettings, dz_um: float) -> int:
    """Odd side length that holds about 97 % of the light in focus, 99 % out of it; pixels."""
    airy_px = 0.61 * optics.wavelength_um / optics.numerical_aperture / optics.pixel_size_um
    aberration_px = 12 * abs(optics.spherical_waves) * airy_px / 0.61  # of the rim's rays
    rays_px = 1.1 * blur_radius_px(optics, dz_um) + aberration_px
    return 2 * math.ceil(rays_px + 4 * airy_px + 2) + 1


def defocus_psf(optics: OpticsSettings, dz_um: float, size_px: int | None = None) -> FloatArray:
    """Compute the intensity PSF of a point that lies ``dz_um`` out of focus.

    Parameters
    ----------
    optics : OpticsSettings
        Lens and pixel.
    dz_um : float
        Distance from the focal plane, either sign; micrometres in the immersion medium.
    size_px : int, optional
        Odd side length; default: as large as needed.

    Returns
    -------
    ndarray, shape (size_px, size_px), float32
        Non-negative, sums to one, centred on the middle pixel.

    Raises
    ------
    ValueError
        If ``size_px`` is even or not positive, or ``dz_um`` is not finite.
    """
    if not math.isfinite(dz_um):
        raise ValueError(f"dz_um must be finite, not {dz_um}")
    size = psf_size_px(optics, dz_um) if size_px is None else size_px
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size_px must be odd and positive, not {size}")
    parts = max(_SUBPIXELS, math.ceil(optics.pixel_size_um * optics.cutoff_per_um))
    step_um = optics.pixel_size_um / parts
    axis_um = (np.arange(size * parts) - (size * parts - 1) / 2) * step_um
    reach_um = abs(axis_um[0]) * math.sqrt(2) + step_um
    airy_um = 0.61 * optics.wavelength_um / optics.numerical_aperture
    radii = np.linspace(0, reach_um, max(16, math.ceil(reach_um / min(step_um, airy_um / 6))))
    profile = radial_profile(optics, dz_um, radii)
    psf = np.zeros((size, size))
    for row, column in np.ndindex(parts, parts):
        distance = np.hypot(axis_um[row::parts, None], axis_um[None, column::parts])
        psf += np.interp(distance, radii, profile)
    return np.asarray(psf / psf.sum(), dtype=np.float32)


def radial_profile(
    optics: OpticsSettings, dz_um: float, radii_um: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the PSF along its radius: wave optics, or rays where the blur spans many fringes.

    Parameters
    ----------
    optics : OpticsSettings
        Lens; its pixel plays no part here.
    dz_um : float
        Distance from the focal plane; micrometres.
    radii_um : ndarray, shape (R,)
        Distances from the axis; micrometres, ascending.

    Returns
    -------
    ndarray, shape (R,)
        Irradiance in arbitrary units.
    """
    if defocus_turns(optics, dz_um) > _TURNS_OF_GEOMETRIC_LIMIT:
        return geometric_profile(optics, dz_um, radii_um)
    return wave_profile(optics, dz_um, radii_um)


def defocus_turns(optics: OpticsSettings, dz_um: float) -> float:
    """Count the turns of the defocus phase from the middle to the rim of the pupil."""
    sine = optics.numerical_aperture / optics.refractive_index
    depth = optics.refractive_index * abs(dz_um) / optics.wavelength_um
    return depth * (1 - math.sqrt(1 - sine * sine))


def wave_profile(
    optics: OpticsSettings, dz_um: float, radii_um: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the diffraction integral of the module's head at every radius."""
    from scipy.special import j0

    scale = 2 * np.pi * optics.numerical_aperture / optics.wavelength_um
    turns = defocus_turns(optics, dz_um) + 6 * abs(optics.spherical_waves)
    turns += scale * float(radii_um[-1]) / (2 * np.pi)
    rho, weights = _pupil_nodes(64 + 4 * math.ceil(turns))
    sine = optics.numerical_aperture / optics.refractive_index * rho
    waves = optics.refractive_index * dz_um / optics.wavelength_um * (np.sqrt(1 - sine**2) - 1)
    waves += optics.spherical_waves * (6 * rho**4 - 6 * rho**2 + 1)
    pupil = np.exp(-optics.apodization * rho**2 + 2j * np.pi * waves) * rho * weights
    parts = np.stack([pupil.real, pupil.imag], axis=1)
    blocks = np.array_split(radii_um, math.ceil(len(radii_um) / _RADII_AT_ONCE))
    field = np.concatenate([j0(scale * np.outer(block, rho)) @ parts for block in blocks])
    return np.asarray((field**2).sum(axis=1))


def geometric_profile(
    optics: OpticsSettings, dz_um: float, radii_um: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Follow rays: the light of every pupil ring lands between the rays of its two edges.

    .. math:: r(\rho) = \Big| dz \tan\theta - \frac{\lambda}{NA} \frac{dW}{d\rho} \Big|, \qquad
              W = w\,(6\rho^4 - 6\rho^2 + 1)

    Parameters and result as for :func:`radial_profile`; at least two radii. Irradiance is the
    mean over the ring that reaches halfway to the neighbouring radii.
    """
    rho = np.sqrt(np.linspace(0, 1, _RINGS + 1))
    sine = optics.numerical_aperture / optics.refractive_index * rho
    slope = optics.spherical_waves * (24 * rho**3 - 12 * rho)
    aberration_um = optics.wavelength_um / optics.numerical_aperture * slope
    landing = (dz_um * sine / np.sqrt(1 - sine**2) - aberration_um) ** 2
    energy = np.exp(-optics.apodization * (rho[1:] ** 2 + rho[:-1] ** 2))
    near, far = np.minimum(landing[1:], landing[:-1]), np.maximum(landing[1:], landing[:-1])
    density = energy / np.maximum(far - near, 1e-12 * landing.max() + 1e-300)
    where = np.concatenate([near, far])
    order = np.argsort(where)
    level = np.cumsum(np.concatenate([density, -density])[order])
    collected = np.cumsum(np.diff(where[order], prepend=0.0) * np.roll(level, 1))
    middle = (radii_um[1:] + radii_um[:-1]) / 2
    first, last = max(0.0, 2 * radii_um[0] - middle[0]), 2 * radii_um[-1] - middle[-1]
    areas = np.concatenate([[first], middle, [last]]) ** 2
    light = np.diff(np.interp(areas, where[order], collected))
    return np.asarray(np.maximum(light, 0) / np.diff(areas))


@lru_cache(maxsize=256)
def _pupil_nodes(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.special import roots_legendre

    nodes, weights = roots_legendre(count)
    return (nodes + 1) / 2, weights / 2


def image_plane(plane: FloatArray, psf: FloatArray) -> FloatArray:
    """Blur a thin object with a PSF; the image is continued by reflection beyond its edges.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Emitted or transmitted light.
    psf : ndarray, shape (S, S), S odd
        Sums to one.

    Returns
    -------
    ndarray, shape (Y, X), float32

    Raises
    ------
    ValueError
        If the PSF is not square with an odd side.
    """
    from scipy.signal import fftconvolve

    if psf.ndim != 2 or psf.shape[0] != psf.shape[1] or psf.shape[0] % 2 == 0:
        raise ValueError(f"psf must be square with an odd side, not {psf.shape}")
    margin = psf.shape[0] // 2
    padded = np.pad(plane, margin, mode="symmetric")
    return np.asarray(fftconvolve(padded, psf, mode="valid"), dtype=np.float32)


def image_volume(
    volume: FloatArray, optics: OpticsSettings, *, z_spacing_um: float, focus_um: float
) -> FloatArray:
    """Image a thick fluorescent object: every slice is blurred by its distance from the focus.

    Parameters
    ----------
    volume : ndarray, shape (Z, Y, X)
        Emitted light, slice by slice.
    optics : OpticsSettings
        Lens and pixel.
    z_spacing_um : float
        Distance between slices; micrometres.
    focus_um : float
        Height of the focal plane above the first slice; micrometres.

    Returns
    -------
    ndarray, shape (Y, X), float32
        The camera plane before noise.
    """
    image = np.zeros(volume.shape[1:], dtype=np.float32)
    for z_level, plane in enumerate(volume):
        image += image_plane(plane, defocus_psf(optics, z_level * z_spacing_um - focus_um))
    return image
