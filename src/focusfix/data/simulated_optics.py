"""Which microscopes simulated images are taken with: random ones, or one that is known."""

import math
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from focusfix.optics import OpticsSettings, blur_radius_px

MARGIN_PX = 48
"""Border around simulated crops, from which blur brings light in; pixels."""

_USUAL_RADIUS_PX = 12.0
_LEAST_SHARE = 0.3


class KnownMicroscope(BaseModel):
    """One microscope, for models that are to know distances in micrometres.

    Parameters
    ----------
    optics : OpticsSettings
        Lens and pixel.
    farthest_um : float
        Largest distance from focus, either way; micrometres.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    optics: OpticsSettings
    farthest_um: float = Field(gt=0)

    @model_validator(mode="after")
    def _blur_fits_the_margin(self) -> Self:
        radius_px = blur_radius_px(self.optics, self.farthest_um)
        if radius_px > MARGIN_PX:
            raise ValueError(
                f"a blur of {radius_px:.0f} pixels' radius, {self.farthest_um:g} um out of focus, "
                f"is more than is simulated ({MARGIN_PX} pixels)"
            )
        return self


def usual_farthest_um(optics: OpticsSettings) -> float:
    """Choose how far a known microscope goes out of focus: to a disc of 12 pixels' radius."""
    return float(f"{_USUAL_RADIUS_PX / blur_radius_px(optics, 1.0):.3g}")


def draw_farthest_um(known: KnownMicroscope, rng: np.random.Generator) -> float:
    """Draw how far the levels of one series go: the farthest distance, or less."""
    return known.farthest_um * rng.uniform(_LEAST_SHARE, 1.0)


def draw_known(known: KnownMicroscope, rng: np.random.Generator) -> tuple[OpticsSettings, float]:
    """Take the known microscope, and draw a distance from focus in micrometres."""
    return known.optics, rng.uniform(-known.farthest_um, known.farthest_um)


def draw_screening(rng: np.random.Generator) -> tuple[OpticsSettings, float]:
    """Draw a 20x screening microscope, and a distance from focus in micrometres."""
    optics = OpticsSettings(
        numerical_aperture=rng.uniform(0.45, 0.75),
        wavelength_um=rng.uniform(0.44, 0.52),
        pixel_size_um=0.65,
        apodization=rng.choice([0.0, rng.uniform(0, 1.5)]),
        spherical_waves=rng.choice([0.0, rng.normal(0, 0.15)]),
    )
    return optics, rng.uniform(-36, 36)


def draw_any(
    rng: np.random.Generator, numerical_aperture: tuple[float, float], max_blur_radius_px: float
) -> tuple[OpticsSettings, float]:
    """Draw a microscope of any kind, and a distance from focus in micrometres."""
    aperture = rng.uniform(*numerical_aperture)
    index = 1.0 if aperture < 0.8 else 1.33 if aperture < 1.15 else 1.515
    optics = OpticsSettings(
        numerical_aperture=aperture,
        wavelength_um=rng.uniform(0.45, 0.7),
        pixel_size_um=rng.uniform(0.15, 0.6) / aperture,
        refractive_index=index,
        apodization=rng.choice([0.0, rng.uniform(0, 1.5)]),
        spherical_waves=rng.choice([0.0, rng.normal(0, 0.15)]),
    )
    radius = math.exp(rng.uniform(math.log(0.5), math.log(max_blur_radius_px)))
    return optics, rng.choice([-1, 1]) * radius / blur_radius_px(optics, 1.0)


def depth_of_field_um(optics: OpticsSettings) -> float:
    r"""Depth over which an image counts as in focus, :math:`n\lambda/NA^2`; micrometres."""
    return optics.refractive_index * optics.wavelength_um / optics.numerical_aperture**2
