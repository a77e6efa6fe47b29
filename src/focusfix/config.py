"""Settings and records that are validated when they are made and never change afterwards."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from focusfix import CHECKPOINT_FORMAT

Ability = Literal["deblur", "synthesize-blur", "interpolate"]
"""What a network can do for a user; the names are those of the commands."""

Modality = Literal["fluorescence", "brightfield", "any"]
"""Kind of image that a network was trained on."""


class FrozenModel(BaseModel):
    """Base of every settings class: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _check_range(value: tuple[float, float]) -> tuple[float, float]:
    """Accept (low, high) with 0 <= low <= high < infinity."""
    low, high = value
    if not (0 <= low <= high < math.inf):
        msg = f"a range must satisfy 0 <= low <= high, got ({low}, {high})"
        raise ValueError(msg)
    return value


Range = Annotated[tuple[float, float], AfterValidator(_check_range)]
"""Smallest and largest value of a quantity; both >= 0."""


class IntensityConvention(FrozenModel):
    """Percentiles of one channel of one image that become 0 and 1 before the network sees it.

    Parameters
    ----------
    low_percentile : float
        Percentile that maps to 0; percent, 0 <= low < high.
    high_percentile : float
        Percentile that maps to 1; percent, low < high <= 100.
    """

    low_percentile: float = Field(default=0.1, ge=0, le=100)
    high_percentile: float = Field(default=99.9, ge=0, le=100)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low_percentile >= self.high_percentile:
            msg = (
                f"low_percentile ({self.low_percentile}) must be below "
                f"high_percentile ({self.high_percentile})"
            )
            raise ValueError(msg)
        return self


class TrustCalibration(FrozenModel):
    """How signs of trouble become the error to expect (:mod:`focusfix.metrics.trust`).

    Parameters
    ----------
    weights : tuple of float
        Of the signs, in their order; the last one is the constant.
    fields : int
        Fields it was fitted to; >= 1.
    fitted_on : str
        Which fields these were.
    """

    weights: tuple[float, ...] = Field(min_length=2)
    fields: int = Field(ge=1)
    fitted_on: str


class CheckpointHeader(FrozenModel):
    """All that is needed to rebuild a trained network and to know what it is good for.

    Stored as JSON inside the weights file (``docs/decisions/0004-checkpoint-header.md``).

    Parameters
    ----------
    format_version : int
        Version of this header; only :data:`focusfix.CHECKPOINT_FORMAT` is read.
    model : str
        Registry name of the architecture, such as ``multilevel-unet``.
    hyperparameters : dict of str to JSON value
        Keyword arguments of the network's constructor, complete.
    abilities : tuple of {"deblur", "synthesize-blur", "interpolate"}
        What these weights were trained to do; at least one.
    modality : {"fluorescence", "brightfield", "any"}
        Kind of image seen in training.
    intensity : IntensityConvention
        How intensities were scaled to [0, 1].
    pixel_size_um : (float, float), optional
        Smallest and largest pixel size of the training images; micrometres.
    numerical_aperture : (float, float), optional
        Smallest and largest numerical aperture in training; dimensionless.
    blur_radius_px : (float, float), optional
        Smallest and largest radius of the defocus disc in training; pixels.
    trained_on : str
        Data sets, or the simulation, that the weights come from.
    licence : str
        Licence of the weights.
    seed : int
        Seed of the training run; >= 0.
    steps : int
        Optimisation steps taken; >= 0.
    versions : dict of str to str
        Versions of the software that wrote the file; holds at least ``focusfix``.
    held_out : dict of str to tuple of str
        Fields that were kept from training, by split ("validation", "test"), for fair scores.
    scores : dict of str to float
        Figures on held-out images; the key names the measure and its unit.
    summary : str
        One line for ``focusfix models list``.
    trust : TrustCalibration, optional
        Calibration of the trust map; None where it was not calibrated.
    """

    format_version: int = CHECKPOINT_FORMAT
    model: str = Field(min_length=1)
    hyperparameters: dict[str, Any]
    abilities: tuple[Ability, ...] = Field(min_length=1)
    modality: Modality
    intensity: IntensityConvention = IntensityConvention()
    pixel_size_um: Range | None = None
    numerical_aperture: Range | None = None
    blur_radius_px: Range | None = None
    trained_on: str
    licence: str
    seed: int = Field(ge=0)
    steps: int = Field(ge=0)
    versions: dict[str, str]
    held_out: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    scores: dict[str, float] = Field(default_factory=dict)
    summary: str
    trust: TrustCalibration | None = None

    @model_validator(mode="after")
    def _check_versions(self) -> Self:
        if self.format_version != CHECKPOINT_FORMAT:
            msg = f"format_version must be {CHECKPOINT_FORMAT}, got {self.format_version}"
            raise ValueError(msg)
        if "focusfix" not in self.versions:
            msg = "versions must name the focusfix that wrote the file"
            raise ValueError(msg)
        return self
