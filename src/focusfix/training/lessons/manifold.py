"""The lesson of the manifold networks: pairs that share what is seen, or how blurred it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from focusfix.data.samples import FactorPairs
from focusfix.losses.disentangled import (
    MARGIN,
    consistency_loss,
    contrastive_loss,
    delay_weight,
)
from focusfix.models.base import Restorer
from focusfix.models.manifold_line import ManifoldLineAutoencoder
from focusfix.models.two_code_model import Codes, DisentangledModel
from focusfix.training.lesson import Arithmetic, Lesson, LessonContext, Shown
from focusfix.training.lessons.disentangled import (
    FINISHING_SAMPLES,
    KnownImages,
    show_swaps,
    store_codes,
)
from focusfix.training.lessons.image_distance import (
    ImageDistance,
    PerceptualOptions,
    build_distance,
)

if TYPE_CHECKING:
    from focusfix.training.data_sources import SampleSource, TrainingData

MANIFOLD_PRESET: Mapping[str, Any] = MappingProxyType(
    {
        "learning_rate": 1e-3,
        "batch_size": 16,
        "schedule": "stepped",
        "epochs": 400,
        "patience": 0,
        "crop_size": 128,
        "lesson": {"beta_epochs": 30.0},
    }
)
"""Settings of the thesis, whose rate falls by 2 % every five epochs; its batch is not known."""

_DELAY_SHARE = 30 / 400
_IMAGES_PER_SAMPLE = 3


class FactorBatch(NamedTuple):
    """Images of identities i and j at levels u and v.

    Parameters
    ----------
    image, other_level, other_identity : Tensor, shape (N, 1, Y, X)
        Identity i at level u; i at v; j at u.
    in_focus : Tensor, shape (N, 1, Y, X)
        Identity i in focus.
    donor : Tensor, shape (N, 1, Y, X)
        Identity of another sample in focus.
    dz_um : Tensor, shape (N, 2)
        Signed distances of u and v from focus; micrometres, NaN where not known.
    """

    image: Tensor
    other_level: Tensor
    other_identity: Tensor
    in_focus: Tensor
    donor: Tensor
    dz_um: Tensor


class ManifoldOptions(PerceptualOptions):
    """Settings of the lesson; a weight of 0 leaves a term out.

    Parameters
    ----------
    reconstruction, cross, consistency, contrastive : float
        Weights of the terms; those of the thesis are 1.
    consistency_of : {"stable", "all"}
        Ask that the factor which was kept is found again, or the swapped one as well.
    margin : float
        Distance up to which codes of different factors are pushed apart.
    beta_epochs : float, optional
        Epochs after which all terms but reconstruction count in full. 30 of the 400 epochs of the
        thesis; the same share of the run when not given.
    beta_start : float
        Epoch at which they begin to count.
    """

    reconstruction: float = Field(default=1.0, ge=0)
    cross: float = Field(default=1.0, ge=0)
    consistency: float = Field(default=1.0, ge=0)
    contrastive: float = Field(default=1.0, ge=0)
    consistency_of: Literal["stable", "all"] = "stable"
    margin: float = Field(default=MARGIN, gt=0)
    beta_epochs: float | None = Field(default=None, ge=0)
    beta_start: float = Field(default=0.0, ge=0)


@dataclass(frozen=True)
class ManifoldLesson(Lesson[FactorBatch]):
    """Swap codes between images that share one factor.

    Parameters
    ----------
    options : ManifoldOptions
        Weights of the terms.
    distance : ImageDistance
        How images are compared.
    full_at, starts_at : float
        Steps after which all terms count in full, and at which they begin to count.
    arithmetic : Arithmetic
        Device and number format.
    """

    options: ManifoldOptions
    distance: ImageDistance
    full_at: float
    starts_at: float = 0.0
    arithmetic: Arithmetic = field(default_factory=Arithmetic)

    def batch(self, source: "SampleSource", first: int, count: int) -> FactorBatch:
        """Stack pairs of factors; donors are the images in focus of the samples before."""
        return _stack([source.factor_pairs(index) for index in range(first, first + count)])

    def validation_batch(self, source: "SampleSource", count: int) -> FactorBatch:
        """Stack the first samples, the level out of focus first: an image in focus is no task."""
        return _stack([_blurred_first(source.factor_pairs(index)) for index in range(count)])

    def losses(self, network: nn.Module, batch: FactorBatch, step: int) -> dict[str, Tensor]:
        """Compute the terms of :mod:`focusfix.losses.disentangled` on both kinds of pairs."""
        assert isinstance(network, DisentangledModel)
        images = torch.cat([batch.image, batch.other_level, batch.other_identity])
        with self.arithmetic.autocast():
            codes = network.encode(images.contiguous(memory_format=torch.channels_last))
        codes = Codes(codes.identity.float(), codes.blur.float())
        made = self._decode_pairs(network, codes)
        own, swapped = made[: len(images)], made[len(images) :]
        terms = {"reconstruction": self.distance(own, images)}
        terms["cross"] = self._cross(swapped, batch)
        terms["consistency"] = self._consistency(network, swapped, codes)
        terms["contrastive"] = self._contrastive(codes)
        beta = delay_weight(step, full_at=self.full_at, starts_at=self.starts_at)
        weights = {name: beta * getattr(self.options, name) for name in terms}
        weights["reconstruction"] = self.options.reconstruction
        total = torch.stack([weights[name] * terms[name] for name in terms]).sum()
        return {"loss": total, **terms, "beta": total.new_tensor(beta)}

    def _decode_pairs(self, network: DisentangledModel, codes: Codes) -> Tensor:
        """Decode every image from its own codes, then both pairs with swapped codes.

        The swaps: identity of X(i, u) with the blur of X(i, v), and the other way round; identity
        of X(i, u) with the blur of X(j, u), and the other way round.
        """
        (a, b, c), (blur_a, blur_b, blur_c) = (code.chunk(3) for code in codes)
        identities, blurs = [a, b, c], [blur_a, blur_b, blur_c]
        if self.options.cross or self.options.consistency:
            identities += [a, b, a, c]
            blurs += [blur_b, blur_a, blur_c, blur_a]
        with self.arithmetic.autocast():
            made = network.decode(torch.cat(identities), torch.cat(blurs))
        return made.float()

    def _cross(self, swapped: Tensor, batch: FactorBatch) -> Tensor:
        """Compare swaps with the images that they should be: both of a pair count in full."""
        if not self.options.cross:
            return batch.image.new_zeros(())
        wanted = [batch.other_level, batch.image, batch.image, batch.other_identity]
        return 2 * self.distance(swapped, torch.cat(wanted))

    def _consistency(self, network: DisentangledModel, swapped: Tensor, codes: Codes) -> Tensor:
        """Encode one swap of each pair again: the identity of pair A, the blur of pair B."""
        if not self.options.consistency:
            return codes.identity.new_zeros(())
        same_identity, _, _, same_blur = swapped.chunk(4)
        with self.arithmetic.autocast():
            again = network.encode(torch.cat([same_identity, same_blur]))
        (a, _, c), (blur_a, blur_b, _) = (code.chunk(3) for code in codes)
        (identity_a, identity_b), (found_a, found_b) = (code.float().chunk(2) for code in again)
        terms = [consistency_loss(identity_a, a), consistency_loss(found_b, blur_a)]
        if self.options.consistency_of == "all":
            terms += [consistency_loss(found_a, blur_b), consistency_loss(identity_b, c)]
        return torch.stack(terms).sum() / 2

    def _contrastive(self, codes: Codes) -> Tensor:
        """Pull what a pair shares, push what it does not; mean of both pairs."""
        (a, b, c), (blur_a, blur_b, blur_c) = (code.chunk(3) for code in codes)
        pairs = [(a, b, True), (blur_a, blur_b, False), (a, c, False), (blur_a, blur_c, True)]
        terms = [
            contrastive_loss(first, second, shared=shared, margin=self.options.margin)
            for first, second, shared in pairs
        ]
        return torch.stack(terms).sum() / 2

    def restore(self, network: Restorer, batch: FactorBatch) -> Shown:
        """Deblur with the stored focus code; for a blur of one number, read the distance too."""
        assert isinstance(network, DisentangledModel)
        with self.arithmetic.autocast():
            codes = network.encode(batch.image)
            shown = show_swaps(network, batch.image, batch.in_focus, batch.donor, codes)
        if not isinstance(network, ManifoldLineAutoencoder):
            return shown
        return shown._replace(scores={**shown.scores, **_distance_score(network, batch, codes)})

    def finish(self, network: Restorer, source: "SampleSource") -> None:
        """Store the blur code of images in focus, and the distances that codes stand for."""
        assert isinstance(network, DisentangledModel)
        batch = self.batch(source, 0, FINISHING_SAMPLES)
        images = torch.cat([batch.image, batch.other_level])
        store_codes(network, KnownImages(images, batch.dz_um.T.flatten(), batch.in_focus))

    def samples_per_epoch(self, data: "TrainingData") -> int:
        """Count samples of three images."""
        return max(1, data.crops_per_epoch // _IMAGES_PER_SAMPLE)

    def describe(self, data: "TrainingData") -> dict[str, Any]:
        """Count the fields with two levels in each split, and say how images are compared."""
        fields = data.count_groups(2)
        return {"fields with two levels": fields, "compared by": self.distance.description}


def _stack(drawn: Sequence[FactorPairs]) -> FactorBatch:
    *images, _, dz_um = (torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True))
    image, other_level, other_identity, in_focus = (each[:, None] for each in images)
    donor = in_focus.roll(1, 0)
    return FactorBatch(image, other_level, other_identity, in_focus, donor, dz_um)


def _blurred_first(pairs: FactorPairs) -> FactorPairs:
    """Exchange the two levels of identity i if the first one is the focal level."""
    if pairs.levels[0] != 0:
        return pairs
    levels, dz_um = pairs.levels[::-1], pairs.dz_um[::-1]
    return pairs._replace(
        image=pairs.other_level, other_level=pairs.image, levels=levels, dz_um=dz_um
    )


def _distance_score(
    network: ManifoldLineAutoencoder, batch: FactorBatch, codes: Codes
) -> dict[str, Tensor]:
    """Error of the distances that are read off the codes; NaN where nothing is known."""
    if not network.curve.is_known:
        return {"distance_error_um": batch.dz_um[:, 0]}
    value, _ = network.curve.read(codes.blur.float().flatten())
    dz_um = batch.dz_um[:, 0]
    wanted = dz_um if bool(network.curve.signed) else dz_um.abs()
    return {"distance_error_um": (value - wanted).abs()}


def build_manifold_lesson(context: LessonContext) -> ManifoldLesson:
    """Build the lesson for the objective "manifold"."""
    options = ManifoldOptions.model_validate(context.options)
    starts_at = options.beta_start * context.steps_per_epoch
    if options.beta_epochs is None:
        full_at = starts_at + _DELAY_SHARE * context.steps
    else:
        full_at = max(starts_at, options.beta_epochs * context.steps_per_epoch)
    distance = build_distance(context, options)
    return ManifoldLesson(options, distance, full_at, starts_at, context.arithmetic)
