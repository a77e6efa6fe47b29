"""How alike two images are to a lesson: by their pixels, or by what a trained network sees."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import Field, field_validator
from torch import Tensor

from focusfix.config import FrozenModel
from focusfix.errors import ModelError
from focusfix.io.vgg_weights import check_vgg_weights, find_vgg_weights, read_vgg_weights
from focusfix.losses import l1_loss, mse_loss
from focusfix.losses.perceptual import VggDistance, structure_loss
from focusfix.training.lesson import LessonContext, LossName
from focusfix.training.margin import inner

IMAGE_LOSSES: tuple[LossName, ...] = ("perceptual", "l1", "mse")
"""How images may be compared."""

_PIXELWISE: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1_loss, "mse": mse_loss}


class PerceptualOptions(FrozenModel):
    """Settings of all lessons that compare images by what a network sees.

    Parameters
    ----------
    vgg_weights : str, optional
        Weights of VGG-16 for the loss "perceptual"; those in torchvision's cache when not given.
        None where there are none: absolute error and structural similarity take their place.
    """

    vgg_weights: str | None = Field(
        default_factory=lambda: str(path) if (path := find_vgg_weights()) else None
    )

    @field_validator("vgg_weights")
    @classmethod
    def _absolute(cls, path: str | None) -> str | None:
        """Make the path absolute: a run may be resumed from another folder."""
        return str(Path(path).expanduser().absolute()) if path else None


@dataclass(frozen=True)
class ImageDistance:
    r"""The distance :math:`\gamma` of images that a lesson minimises, without their border.

    Parameters
    ----------
    loss : {"perceptual", "l1", "mse"}
        Which one.
    vgg_weights : Path, optional
        File for the features of "perceptual"; without it, absolute error and structural
        similarity.
    deep : bool
        Compare the deepest features alone, by their squared error, instead of those of three
        layers and the pixels, by their absolute error.
    """

    loss: LossName
    vgg_weights: Path | None = None
    deep: bool = False

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare images (N, 1, Y, X) and return the mean over them."""
        prediction, target = inner(prediction.float()), inner(target)
        if self.loss in _PIXELWISE:
            return _PIXELWISE[self.loss](prediction, target)
        if self.vgg_weights is None:
            return structure_loss(prediction, target)
        vgg = self._vgg.to(target.device)
        distance: Tensor = (vgg.deep_error if self.deep else vgg)(prediction, target)
        return distance

    @cached_property
    def _vgg(self) -> VggDistance:
        assert self.vgg_weights is not None
        try:
            return VggDistance(read_vgg_weights(self.vgg_weights)).eval()
        except ValueError as error:
            raise ModelError(
                f"{self.vgg_weights}: these weights do not fit: {error}.",
                "Give the state of torchvision's vgg16, saved as safetensors.",
            ) from error

    @property
    def description(self) -> str:
        """What is compared, for people."""
        if self.loss in _PIXELWISE:
            return {"l1": "absolute error", "mse": "squared error"}[self.loss]
        if self.vgg_weights is None:
            return "absolute error and structural similarity (there are no --vgg-weights)"
        if self.deep:
            return f"squared error of the features relu3_3 of VGG-16 ({self.vgg_weights})"
        return f"features of VGG-16 ({self.vgg_weights}) and absolute error"


def build_distance(
    context: LessonContext, options: PerceptualOptions, *, deep: bool = False
) -> ImageDistance:
    """Build the image distance of a run.

    Parameters
    ----------
    context : LessonContext
        Its loss decides.
    options : PerceptualOptions
        With the file of weights, if there is one.
    deep : bool
        As for :class:`ImageDistance`.

    Returns
    -------
    ImageDistance
        Weights are read when it is first used.

    Raises
    ------
    ModelError
        If the file is missing or of another kind.
    """
    if context.loss != "perceptual" or options.vgg_weights is None:
        return ImageDistance(context.loss, deep=deep)
    path = Path(options.vgg_weights)
    check_vgg_weights(path)
    return ImageDistance(context.loss, path, deep)
