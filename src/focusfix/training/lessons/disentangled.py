"""What the lessons of all disentangled networks share: image distance, stored codes, scores."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from pydantic import Field, field_validator
from torch import Tensor

from focusfix.config import FrozenModel
from focusfix.errors import ModelError
from focusfix.io.vgg_weights import check_vgg_weights, find_vgg_weights, read_vgg_weights
from focusfix.losses import l1_loss, mse_loss
from focusfix.losses.perceptual import VggDistance, structure_loss
from focusfix.models.manifold_line import ManifoldLineAutoencoder
from focusfix.models.two_code_model import Codes, DisentangledModel
from focusfix.training.lesson import LessonContext, LossName, Shown
from focusfix.training.margin import inner
from focusfix.training.validation import psnr_db

IMAGE_LOSSES: tuple[LossName, ...] = ("perceptual", "l1", "mse")
"""How images may be compared."""

FINISHING_SAMPLES = 48
"""Training samples that the stored codes are read from."""

_AT_ONCE = 16
_PIXELWISE: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1_loss, "mse": mse_loss}


class DisentangledOptions(FrozenModel):
    """Settings of both lessons.

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
    """

    loss: LossName
    vgg_weights: Path | None = None

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare images (N, 1, Y, X) and return the mean over them."""
        prediction, target = inner(prediction.float()), inner(target)
        if self.loss in _PIXELWISE:
            return _PIXELWISE[self.loss](prediction, target)
        if self.vgg_weights is None:
            return structure_loss(prediction, target)
        distance: Tensor = self._vgg.to(target.device)(prediction, target)
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
        return f"features of VGG-16 ({self.vgg_weights}) and absolute error"


def build_distance(context: LessonContext, options: DisentangledOptions) -> ImageDistance:
    """Build the image distance of a run.

    Parameters
    ----------
    context : LessonContext
        Its loss decides.
    options : DisentangledOptions
        With the file of weights, if there is one.

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
        return ImageDistance(context.loss)
    path = Path(options.vgg_weights)
    check_vgg_weights(path)
    return ImageDistance(context.loss, path)


@dataclass(frozen=True)
class KnownImages:
    """Training images at known distances from focus.

    Parameters
    ----------
    images : Tensor, shape (N, 1, Y, X)
        Out of focus, at any level.
    dz_um : Tensor, shape (N,)
        Their signed distances from focus; micrometres, NaN where not known.
    in_focus : Tensor, shape (M, 1, Y, X)
        In focus.
    """

    images: Tensor
    dz_um: Tensor
    in_focus: Tensor


def store_codes(network: DisentangledModel, known: KnownImages) -> None:
    """Store what a network keeps beside its weights: focus code, and distances from focus.

    Parameters
    ----------
    network : DisentangledModel
        With its final weights, in evaluation mode. The distances are learned by networks whose
        blur code is one number, where they are known.
    known : KnownImages
        What they are learned from.
    """
    with torch.no_grad():
        if isinstance(network, ManifoldLineAutoencoder):
            _calibrate(network, known)
        network.set_focus_code(_blur_codes(network, known.in_focus))


def _calibrate(network: ManifoldLineAutoencoder, known: KnownImages) -> None:
    """Relate codes to micrometres; images in focus are images at 0."""
    dz_um = torch.cat([known.dz_um, known.dz_um.new_zeros(len(known.in_focus))])
    is_known = dz_um.isfinite()
    if int(is_known.sum()) == 0 or float(dz_um[is_known].std(correction=0)) == 0:
        return
    images = torch.cat([known.images, known.in_focus])[is_known]
    network.calibrate(_blur_codes(network, images), dz_um[is_known])


def _blur_codes(network: DisentangledModel, images: Tensor) -> Tensor:
    device = next(network.parameters()).device
    parts = torch.split(images, _AT_ONCE)
    return torch.cat([network.encode(part.to(device)).blur for part in parts])


def show_swaps(
    network: DisentangledModel, images: Tensor, targets: Tensor, donors: Tensor, codes: Codes
) -> Shown:
    """Deblur with the stored focus code, and beside it with those of donors.

    Parameters
    ----------
    network : DisentangledModel
        In evaluation mode, with a stored focus code.
    images, targets : Tensor, shape (N, 1, Y, X)
        Out of focus and in focus.
    donors : Tensor, shape (N, 1, Y, X)
        In-focus images of other identities.
    codes : Codes
        Of ``images``.

    Returns
    -------
    Shown
        With the scores ``donor_psnr_db`` and ``reconstruction_psnr_db``, the latter of the images
        as they are.
    """
    restored = network.decode(codes.identity, network.focus_code.unsqueeze(0))
    donated = network.decode(codes.identity, network.encode(donors).blur)
    scores = {
        "donor_psnr_db": psnr_db(donated.float(), targets),
        "reconstruction_psnr_db": psnr_db(network.decode(*codes).float(), images),
    }
    return Shown(images, restored, targets, scores)
