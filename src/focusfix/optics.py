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

Bright-field images of thin, weakly absorbing samples under wide illumination are treated the
same way: the transmitted intensity is convolved with the PSF. That leaves out phase effects
(bright and dark fringes of transparent structures), so it holds for stained, not for clear,
samples.
"""

import math
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

FloatArray = NDArray[np.float32]
_TURNS_OF_GEOMETRIC_LIMIT = 60.0
_SUBPIXELS = 3


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

    model_config = ConfigDict(frozen=True, extra="forbid")

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
        """Highest spatial frequency that the in-focus image carries, 2 NA / wavelength; 1/um."""
        return 2 * self.numerical_aperture / self.wavelength_um


class CameraSettings(BaseModel):
    """How light becomes grey values.

    Parameters
    ----------
    offset : float
        Grey value of darkness.
    counts_per_electron : float
        Grey values per detected photo-electron.
    read_noise : float
        Standard deviation of the read noise; grey values.
    bit_depth : int
        Grey values saturate at 2**bit_depth - 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: float = 100.0
    counts_per_electron: float = Field(default=0.34, gt=0)
    read_noise: float = Field(default=1.5, ge=0)
    bit_depth: int = Field(default=12, ge=1, le=16)


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
    """Odd side length that holds practically all light of the PSF; pixels."""
    airy_px = 0.61 * optics.wavelength_um / optics.numerical_aperture / optics.pixel_size_um
    return 2 * math.ceil(1.1 * blur_radius_px(optics, dz_um) + 4 * airy_px + 2) + 1


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
        If ``size_px`` is even or not positive.
    """
    size = psf_size_px(optics, dz_um) if size_px is None else size_px
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size_px must be odd and positive, not {size}")
    step_um = optics.pixel_size_um / _SUBPIXELS
    half = (size * _SUBPIXELS - 1) / 2
    axis_um = (np.arange(size * _SUBPIXELS) - half) * step_um
    reach_um = abs(axis_um[0]) * math.sqrt(2) + step_um
    airy_um = 0.61 * optics.wavelength_um / optics.numerical_aperture
    radii = np.linspace(0, reach_um, max(16, math.ceil(reach_um / min(step_um, airy_um / 6))))
    profile = radial_profile(optics, dz_um, radii)
    distance = np.sqrt(axis_um[:, None] ** 2 + axis_um[None, :] ** 2)
    fine = np.interp(distance, radii, profile)
    psf = fine.reshape(size, _SUBPIXELS, size, _SUBPIXELS).sum(axis=(1, 3))
    return (psf / psf.sum()).astype(np.float32)


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

    turns_of_bessel = optics.numerical_aperture / optics.wavelength_um * float(radii_um[-1])
    rho, weights = _pupil_nodes(64 + 8 * math.ceil(defocus_turns(optics, dz_um) + turns_of_bessel))
    sine = optics.numerical_aperture / optics.refractive_index * rho
    phase = (2 * np.pi * optics.refractive_index * dz_um / optics.wavelength_um) * (
        np.sqrt(1 - sine**2) - 1
    )
    phase = phase + 2 * np.pi * optics.spherical_waves * (6 * rho**4 - 6 * rho**2 + 1)
    pupil = np.exp(-optics.apodization * rho**2 + 1j * phase) * rho * weights
    argument = 2 * np.pi * optics.numerical_aperture / optics.wavelength_um
    bessel = j0(argument * np.outer(radii_um, rho))
    field = bessel @ np.stack([pupil.real, pupil.imag], axis=1)
    return np.asarray((field**2).sum(axis=1))


def geometric_profile(
    optics: OpticsSettings, dz_um: float, radii_um: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Follow rays: the pupil ring :math:`\rho\,d\rho` lands on the ring :math:`r\,dr`.

    Spherical aberration moves rays less than one fringe here and is left out.
    """
    distance = abs(dz_um)
    slope = radii_um / distance
    sine = slope / np.sqrt(1 + slope**2)
    rho = sine * optics.refractive_index / optics.numerical_aperture
    density = (1 + slope**2) ** -2  # sin(theta) d sin(theta) / (r dr), up to a constant
    return np.asarray(np.exp(-2 * optics.apodization * rho**2) * density * (rho <= 1))


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
    """
    from scipy.signal import fftconvolve

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


def expose_camera(
    counts: FloatArray, camera: CameraSettings, generator: np.random.Generator
) -> FloatArray:
    """Record an image: shot noise, read noise, offset, rounding and saturation.

    Parameters
    ----------
    counts : ndarray, shape (..., Y, X)
        Expected grey values above the offset; >= 0.
    camera : CameraSettings
        Gain, noise and bit depth.
    generator : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    ndarray, shape (..., Y, X), float32
        Whole grey values in [0, 2**bit_depth - 1].
    """
    electrons = generator.poisson(np.maximum(counts, 0) / camera.counts_per_electron)
    noisy = electrons * camera.counts_per_electron + camera.offset
    noisy = noisy + generator.normal(0, camera.read_noise, counts.shape)
    return np.clip(np.rint(noisy), 0, 2**camera.bit_depth - 1).astype(np.float32)
