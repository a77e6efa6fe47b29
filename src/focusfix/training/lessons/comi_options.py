"""What can be chosen when COMI is taught: the form, the weights of its terms, and the preset."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from focusfix.training.lessons.image_distance import PerceptualOptions

BETAS = (0.5, 0.99)
"""Decays of Adam's moments in the published code, for generators and critics."""

COMI_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"learning_rate": 2e-4, "betas": BETAS, "in_focus_share": 0.0}
)
"""Settings of a run that the lesson wants; an image in focus is no example of a blurry one."""

COMI_PRESET: Mapping[str, Any] = MappingProxyType(
    {
        "learning_rate": 1e-4,
        "batch_size": 4,
        "schedule": "half-linear",
        "steps": 25_000,
        "patience": 0,
        "crop_size": 256,
        "lesson": {},
    }
)
"""Settings of the published code, apart from the crops: it resizes whole images to 512 pixels."""

_PAIRED_WEIGHTS = {"adversarial": 1e-3, "pixel_cycle": 0.0}
_UNPAIRED_WEIGHTS = {"adversarial": 1.0, "pixel_cycle": 10.0}


class ComiOptions(PerceptualOptions):
    """Settings of the lesson; a weight of 0 leaves a term out.

    Parameters
    ----------
    paired : bool
        Whether sharp images are of the same places as blurry ones; if not, no image is compared
        with its partner.
    adversarial : float
        Weight of the critics' opinions: 0.001 with pairs, as in the published code; 1 without,
        where nothing else asks for images in focus.
    partner, cycle, identity : float
        Weights of the distances from the partner (paired form only), of the way there and back,
        and of images that are what they should be already; 1 in the published code.
    pixel_cycle : float
        Weight of the absolute error of the way there and back: 0 with pairs, 10 without.
    critic_width : int
        Channels of the critics' first layers; 64 in the published code.
    """

    paired: bool = Field(default=True, strict=True)
    adversarial: float = Field(default=_PAIRED_WEIGHTS["adversarial"], ge=0)
    partner: float = Field(default=1.0, ge=0)
    cycle: float = Field(default=1.0, ge=0)
    identity: float = Field(default=1.0, ge=0)
    pixel_cycle: float = Field(default=_PAIRED_WEIGHTS["pixel_cycle"], ge=0)
    critic_width: int = Field(default=64, ge=1, le=256)

    @field_validator("partner")
    @classmethod
    def _has_partners(cls, weight: float, info: ValidationInfo) -> float:
        """Refuse to compare images with those of other places."""
        if weight > 0 and not info.data.get("paired", True):
            raise ValueError("without pairs there are no partners to compare with")
        return weight

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Choose the weights that depend on the form."""
        if not isinstance(given, Mapping) or given.get("paired", True) is not False:
            return given
        return {**_UNPAIRED_WEIGHTS, "partner": 0.0, **given}
