"""The lesson of refocusers: one plane of a field from others, given the distances between them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from focusfix.config import FrozenModel
from focusfix.data.samples import FloatArray
from focusfix.errors import InputError
from focusfix.losses import l1_loss, mse_loss
from focusfix.models.base import Restorer
from focusfix.models.refocus_critic import RefocusCritic
from focusfix.models.refocuser import Refocuser
from focusfix.training.collapse import Sign, critic_won
from focusfix.training.fit import Adversary
from focusfix.training.lesson import Arithmetic, Lesson, LessonContext, LossName, Shown
from focusfix.training.margin import inner

if TYPE_CHECKING:
    from focusfix.training.data_sources import SampleSource, TrainingData

_MOST_PLANES = {"refocus": 1, "refocus-multi": 3}
_CRITERIA = {"l1": l1_loss, "mse": mse_loss}
_CRITIC_SHARE = 0.3
_HALF = 0.5


class RefocusBatch(NamedTuple):
    """Recorded planes, the wanted one, and the ways to it.

    Parameters
    ----------
    images : Tensor, shape (N, M, Y, X)
        Recorded planes.
    dz_um : Tensor, shape (N, M)
        From each of them to the wanted one; micrometres.
    target : Tensor, shape (N, 1, Y, X)
        The wanted plane.
    side : Tensor, shape (N,)
        1 where the first recorded plane lies in or above focus, -1 where below.
    """

    images: Tensor
    dz_um: Tensor
    target: Tensor
    side: Tensor


class RefocusOptions(FrozenModel):
    """Settings of the lesson.

    Parameters
    ----------
    adversarial_weight : float
        Weight of the critic's opinion beside the error of the image; 0 for no critic.
    critic_width : int
        Channels of the critic's first block.
    focus_share : float
        Share of the samples whose wanted plane is the one in focus; that of the others is any.
    """

    adversarial_weight: float = Field(default=0.02, ge=0)
    critic_width: int = Field(default=16, ge=1, le=256)
    focus_share: float = Field(default=0.5, ge=0, le=1)


@dataclass(frozen=True)
class RefocusLesson(Lesson[RefocusBatch]):
    r"""Predict a plane from one to three others, and let a critic judge it.

    .. math:: L = \ell(y, t) + \tfrac{w}{2} \big(C(y) - 1\big)^2, \qquad
              L_C = \tfrac12 C(y)^2 + \tfrac12 \big(C(t) - 1\big)^2

    Parameters
    ----------
    loss : {"l1", "mse"}
        Loss :math:`\ell` of the image.
    most_planes : int
        Largest number of recorded planes; batches have 1, 2, ... of them in turn.
    weight : float
        Of the critic's opinion, w.
    focus_share : float
        Share of the samples whose wanted plane is the one in focus.
    critic : Adversary, optional
        The critic C; None without weight.
    arithmetic : Arithmetic
        Device and number format.
    samples_at_once : int
        Samples of a batch in all processes together; 0 for those that are asked for.
    """

    loss: LossName
    most_planes: int
    weight: float
    focus_share: float = 0.0
    critic: Adversary | None = None
    arithmetic: Arithmetic = field(default_factory=Arithmetic)
    samples_at_once: int = 0

    signs: ClassVar[tuple[Sign, ...]] = (critic_won("critic_accuracy", "the critic"),)

    @property
    def adversary(self) -> Adversary | None:
        """The critic."""
        return self.critic

    def batch(self, source: "SampleSource", first: int, count: int) -> RefocusBatch:
        """Draw recorded planes and a wanted one, the latter in focus or at any level."""
        planes = 1 + first // (self.samples_at_once or count) % self.most_planes
        drawn = [
            _draw_focus(source, index, planes)
            if _is_due(index, self.focus_share)
            else _draw_level(source, index, planes)
            for index in range(first, first + count)
        ]
        return _stack(drawn)

    def validation_batch(self, source: "SampleSource", count: int) -> RefocusBatch:
        """Draw as many planes as the network takes, the nearest first; wanted is focus."""
        drawn = [_draw_focus(source, index, self.most_planes) for index in range(count)]
        return _stack([_nearest_first(sample) for sample in drawn])

    def losses(self, network: nn.Module, batch: RefocusBatch, step: int) -> dict[str, Tensor]:  # noqa: ARG002 - the same at every step
        """Compare with the wanted plane, and ask the critic."""
        made = refocus_batch(network, batch, self.arithmetic).float()
        image = _CRITERIA[self.loss](inner(made), inner(batch.target))
        if self.critic is None:
            return {"loss": image, "image": image}
        opinion = _HALF * (self.critic.network(made) - 1).square().mean()
        return {"loss": image + self.weight * opinion, "image": image, "adversarial": opinion}

    def restore(self, network: Restorer, batch: RefocusBatch) -> Shown:
        """Make the wanted plane; doing nothing is to take the first recorded one for it."""
        made = refocus_batch(network, batch, self.arithmetic)
        return Shown(batch.images[:, :1], made, batch.target)

    def describe(self, data: "TrainingData") -> dict[str, Any]:
        """Count the ways between planes; heights must be known, and levels be enough."""
        data.count_groups(self.most_planes + 1)
        return {"refocus_pairs": data.count_refocus_pairs()}


@dataclass(frozen=True)
class RefocusJudgement:
    """What the critic learns: to tell made planes from recorded ones.

    Parameters
    ----------
    critic : RefocusCritic
        The critic.
    arithmetic : Arithmetic
        Device and number format.
    """

    critic: RefocusCritic
    arithmetic: Arithmetic

    def __call__(self, network: nn.Module, batch: RefocusBatch, step: int) -> dict[str, Tensor]:  # noqa: ARG002 - the same at every step
        """Compute its loss, and how often it is right: a critic that guesses has 0.5."""
        with torch.no_grad():
            made = refocus_batch(network, batch, self.arithmetic).float()
        of_made, of_true = self.critic(made), self.critic(batch.target)
        right = torch.cat([of_made < _HALF, of_true >= _HALF]).float().mean()
        loss = _HALF * (of_made.square().mean() + (of_true - 1).square().mean())
        return {"loss": loss, "critic_accuracy": right}


def build_refocus_lesson(context: LessonContext) -> RefocusLesson:
    """Build the lesson for the objectives "refocus" and "refocus-multi"."""
    options = RefocusOptions.model_validate(context.options)
    critic = None
    if options.adversarial_weight > 0:
        network = RefocusCritic(options.critic_width)
        judgement = RefocusJudgement(network, context.arithmetic)
        critic = Adversary(network, judgement, _CRITIC_SHARE * context.learning_rate)
    return RefocusLesson(
        context.loss,
        _MOST_PLANES[context.objective],
        options.adversarial_weight,
        options.focus_share,
        critic,
        context.arithmetic,
        context.samples_at_once,
    )


def refocus_batch(network: nn.Module, batch: RefocusBatch, arithmetic: Arithmetic) -> Tensor:
    """Let a refocuser predict the wanted planes; shape (N, 1, Y, X)."""
    assert isinstance(network, Refocuser)
    images = batch.images.contiguous(memory_format=torch.channels_last)
    sides = batch.side[:, None] if network.sign == "focus" else 1.0
    with arithmetic.autocast():
        return network.refocus(images, sides * batch.dz_um)


class _Sample(NamedTuple):
    """One sample of a :class:`RefocusBatch`."""

    images: FloatArray
    dz_um: FloatArray
    target: FloatArray
    side: float


def _is_due(index: int, share: float) -> bool:
    """Tell whether a number is among the share of all numbers, spread evenly."""
    return math.floor((index + 1) * share) > math.floor(index * share)


def _draw_focus(source: "SampleSource", index: int, planes: int) -> _Sample:
    """Draw recorded planes, from which the plane in focus is wanted."""
    group = source.group(index, size=planes)
    return _Sample(group.images, -group.dz_um, group.in_focus, _side(group.dz_um))


def _draw_level(source: "SampleSource", index: int, planes: int) -> _Sample:
    """Draw levels: the first of them is wanted, the others are recorded."""
    group = source.group(index, size=planes + 1)
    wanted, recorded = group.dz_um[0], group.dz_um[1:]
    return _Sample(group.images[1:], wanted - recorded, group.images[0], _side(recorded))


def _nearest_first(sample: _Sample) -> _Sample:
    order = np.argsort(np.abs(sample.dz_um), kind="stable")
    return sample._replace(images=sample.images[order], dz_um=sample.dz_um[order])


def _side(dz_um: FloatArray) -> float:
    return -1.0 if dz_um[0] < 0 else 1.0


def _stack(samples: Sequence[_Sample]) -> RefocusBatch:
    """Put samples together, and refuse those whose distances are not known."""
    distances = np.stack([sample.dz_um for sample in samples]).astype(np.float32)
    if not np.isfinite(distances).all():
        raise InputError(
            "Refocusing is learned from planes at known heights, and those of some fields are "
            "not known.",
            "Give --z-spacing-um, or leave these fields out.",
        )
    return RefocusBatch(
        torch.from_numpy(np.stack([sample.images for sample in samples])),
        torch.from_numpy(distances),
        torch.from_numpy(np.stack([sample.target for sample in samples])[:, None]),
        torch.tensor([sample.side for sample in samples]),
    )
