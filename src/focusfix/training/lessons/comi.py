"""The lesson of COMI: deblur and blur again, blur and deblur again, judged by two critics."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from focusfix.errors import UsageError
from focusfix.losses import l1_loss, mse_loss
from focusfix.losses.adversarial import (
    judgement_accuracy,
    judgement_loss,
    opinion_loss,
    variation,
)
from focusfix.models.base import Restorer
from focusfix.models.comi_critic import LEAST_CROP_PX, ComiCritics
from focusfix.models.two_way_model import TwoWayModel
from focusfix.training.collapse import Sign, all_alike, critic_won
from focusfix.training.fit import Adversary
from focusfix.training.lesson import Arithmetic, Lesson, LessonContext, Shown
from focusfix.training.lessons.comi_options import BETAS, ComiOptions
from focusfix.training.lessons.image_distance import ImageDistance, build_distance
from focusfix.training.margin import inner
from focusfix.training.validation import psnr_db

if TYPE_CHECKING:
    from focusfix.training.data_sources import SampleSource, TrainingData

_SIGNED_SQUARED = 4
_WAYS = ("deblur", "blur")


class ComiBatch(NamedTuple):
    """Images out of focus and in focus.

    Parameters
    ----------
    blurry, sharp : Tensor, shape (N, 1, Y, X)
        Of the same places in paired form, of any two places otherwise.
    """

    blurry: Tensor
    sharp: Tensor


class _Way(NamedTuple):
    """One half of what a step makes: from images of one kind to the other kind and back.

    Parameters
    ----------
    start : Tensor
        Recorded images.
    made, back : Tensor
        What one network makes of them, and the other one of that.
    same : Tensor
        What the other network makes of ``start``, which is of the kind that it should make.
    partner : Tensor
        What should have been made.
    """

    start: Tensor
    made: Tensor
    back: Tensor
    same: Tensor
    partner: Tensor


@dataclass(frozen=True)
class ComiLesson(Lesson[ComiBatch]):
    r"""Teach deblurring G and blurring F together, from images x out of focus and y in focus.

    .. math:: L_x = w_a \big[(C_y(G x) - 1)^2 + (C_x(F G x) - 1)^2\big]
              + \gamma(G x, y) + \gamma(F G x, x) + 4\,(F x - x)^2

    and :math:`L_y`, where x and y, F and G, and the critics are exchanged. The last term is a
    squared error of images on [-1, 1]. :math:`\gamma` is the squared error of features of VGG-16.
    Without pairs the third term is left out, and :math:`10\,|F G x - x|` is added.

    Parameters
    ----------
    options : ComiOptions
        Weights of the terms.
    distance : ImageDistance
        The distance :math:`\gamma`.
    judges : Adversary
        The critics.
    arithmetic : Arithmetic
        Device and number format.

    Notes
    -----
    The published code takes a step for :math:`L_x` and one for :math:`L_y`, in each of which both
    networks learn; here one step is taken for their sum.
    """

    options: ComiOptions
    distance: ImageDistance
    judges: Adversary
    arithmetic: Arithmetic = field(default_factory=Arithmetic)

    signs: ClassVar[tuple[Sign, ...]] = (
        critic_won("sharp_critic_accuracy", "the critic of images in focus"),
        critic_won("blurry_critic_accuracy", "the critic of images out of focus"),
        all_alike("deblur_variation", "deblurred images"),
        all_alike("blur_variation", "blurred images"),
    )

    @property
    def adversary(self) -> Adversary:
        """The critics."""
        return self.judges

    def batch(self, source: "SampleSource", first: int, count: int) -> ComiBatch:
        """Draw pairs; in unpaired form the halves of different ones, of other fields or places."""
        numbers = range(first, first + count)
        if self.options.paired:
            return _stack(source, numbers, numbers)
        return _stack(source, [2 * each for each in numbers], [2 * each + 1 for each in numbers])

    def validation_batch(self, source: "SampleSource", count: int) -> ComiBatch:
        """Draw pairs, whatever the form: what is made is compared with what it should be."""
        return _stack(source, range(count), range(count))

    def losses(self, network: nn.Module, batch: ComiBatch, step: int) -> dict[str, Tensor]:  # noqa: ARG002 - the same at every step
        """Compute the weighted sum of all terms, and how much what is made varies."""
        assert isinstance(network, TwoWayModel)
        ways = self._go_both_ways(network, batch)
        total, terms = batch.sharp.new_zeros(()), {}
        for name, way in zip(_WAYS, ways, strict=True):
            for term, value in self._terms(way, deblurs=name == "deblur").items():
                total = total + getattr(self.options, _weight_of(term)) * value
                terms[f"{name}_{term}"] = value
        for name, way in zip(_WAYS, ways, strict=True):
            terms[f"{name}_variation"] = variation(inner(way.made.detach()), inner(way.partner))
        return {"loss": total, **terms}

    def _go_both_ways(self, network: TwoWayModel, batch: ComiBatch) -> tuple[_Way, _Way]:
        count = len(batch.blurry)
        both = torch.cat(batch).contiguous(memory_format=torch.channels_last)
        with self.arithmetic.autocast():
            deblurred, blurred = network(both), network.blur_image(both)
            blurred_again = network.blur_image(deblurred[:count])
            deblurred_again = network(blurred[count:])
        deblurred, blurred = deblurred.float(), blurred.float()
        x, y = batch
        return (
            _Way(x, deblurred[:count], blurred_again.float(), blurred[:count], y),
            _Way(y, blurred[count:], deblurred_again.float(), deblurred[count:], x),
        )

    def _terms(self, way: _Way, *, deblurs: bool) -> dict[str, Tensor]:
        """Compute the terms of one half that have a weight."""
        start, made, back, same, partner = way
        terms = {}
        if self.options.adversarial:
            claims = (made, back) if deblurs else (back, made)
            of_sharp, of_blurry = self._ask(*claims)
            opinions = (of_sharp, of_blurry) if deblurs else (of_blurry, of_sharp)
            terms["adversarial"], terms["cycle_adversarial"] = map(opinion_loss, opinions)
        if self.options.partner:
            terms["partner"] = self.distance(made, partner)
        if self.options.cycle:
            terms["cycle"] = self.distance(back, start)
        if self.options.identity:
            terms["identity"] = _SIGNED_SQUARED * mse_loss(inner(same), inner(start))
        if self.options.pixel_cycle:
            terms["pixel_cycle"] = l1_loss(inner(back), inner(start))
        return terms

    def _ask(self, sharp: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
        return ask_critics(self.judges.network, ComiBatch(blurry, sharp), self.arithmetic)

    def restore(self, network: Restorer, batch: ComiBatch) -> Shown:
        """Deblur the blurry images, and score the blurred sharp ones as well."""
        assert isinstance(network, TwoWayModel)
        with self.arithmetic.autocast():
            deblurred, blurred = network(batch.blurry), network.blur_image(batch.sharp)
        scores = {"synthesis_psnr_db": psnr_db(blurred.float(), batch.blurry)}
        return Shown(batch.blurry, deblurred, batch.sharp, scores)

    def describe(self, data: "TrainingData") -> dict[str, Any]:  # noqa: ARG002 - the same for all
        """Say how images are compared."""
        return {"compared by": self.distance.description}


@dataclass(frozen=True)
class ComiJudgement:
    """What the critics learn: to tell made images of their kind from recorded ones.

    Parameters
    ----------
    critics : ComiCritics
        The critics.
    arithmetic : Arithmetic
        Device and number format.
    """

    critics: ComiCritics
    arithmetic: Arithmetic

    def __call__(self, network: nn.Module, batch: ComiBatch, step: int) -> dict[str, Tensor]:  # noqa: ARG002 - the same at every step
        """Compute their loss, and how often each is right: a critic that guesses has 0.5."""
        assert isinstance(network, TwoWayModel)
        with torch.no_grad(), self.arithmetic.autocast():
            made = ComiBatch(network.blur_image(batch.sharp), network(batch.blurry))
        of_true = ask_critics(self.critics, batch, self.arithmetic)
        of_made = ask_critics(self.critics, made, self.arithmetic)
        losses = [judgement_loss(*each) for each in zip(of_true, of_made, strict=True)]
        accuracies = [judgement_accuracy(*each) for each in zip(of_true, of_made, strict=True)]
        return {
            "loss": torch.stack(losses).sum(),
            "sharp_critic_accuracy": accuracies[0],
            "blurry_critic_accuracy": accuracies[1],
        }


def ask_critics(
    critics: nn.Module, images: ComiBatch, arithmetic: Arithmetic
) -> tuple[Tensor, Tensor]:
    """Ask what the critics say of images in focus and of such out of focus, but for borders."""
    with arithmetic.autocast():
        of_sharp, of_blurry = critics(inner(images.sharp), inner(images.blurry))
    return of_sharp.float(), of_blurry.float()


def build_comi_lesson(context: LessonContext) -> ComiLesson:
    """Build the lesson for the objective "comi"."""
    options = ComiOptions.model_validate(context.options)
    if context.crop_px < LEAST_CROP_PX:
        raise UsageError(
            f"--crop-size {context.crop_px} is too small for the critics of comi.",
            f"Use at least {LEAST_CROP_PX}.",
        )
    critics = ComiCritics(base_width=options.critic_width)
    judgement = ComiJudgement(critics, context.arithmetic)
    judges = Adversary(critics, judgement, context.learning_rate, BETAS)
    distance = build_distance(context, options, deep=True)
    return ComiLesson(options, distance, judges, context.arithmetic)


def _weight_of(term: str) -> str:
    return "adversarial" if term == "cycle_adversarial" else term


def _stack(source: "SampleSource", blurry: Any, sharp: Any) -> ComiBatch:
    """Put the blurry images of some pairs beside the sharp images of others, by their numbers."""
    drawn = {number: source.pair(number) for number in {*blurry, *sharp}}
    images = (
        [drawn[number].out_of_focus for number in blurry],
        [drawn[number].in_focus for number in sharp],
    )
    return ComiBatch(*(torch.from_numpy(np.stack(each)[:, None]) for each in images))
