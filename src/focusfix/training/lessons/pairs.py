"""The lesson of networks that turn an image out of focus into the one in focus."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from focusfix.losses import l1_loss, mse_loss, multi_scale_loss, tempered_error_loss
from focusfix.models.base import Restorer
from focusfix.training.data_sources import PairSource
from focusfix.training.fit import Batch
from focusfix.training.lesson import Arithmetic, Lesson, LessonContext, LossName, Shown
from focusfix.training.margin import edge_px

_CRITERIA: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1_loss,
    "mse": mse_loss,
    "tempered-error": tempered_error_loss,
}
_COARSE_WEIGHTS = {"multi-scale-l1": 1.0, "tempered-error": 0.4}


@dataclass(frozen=True)
class PairLesson(Lesson[Batch]):
    r"""Restore the crop in focus from the one out of focus.

    .. math:: L = \sum_n c^n\, \ell(y_n, t_n)

    over the outputs :math:`y_n` that the network has at 1, 1/2, 1/4, ... of the size; one
    output for most networks.

    Parameters
    ----------
    loss : {"l1", "mse", "tempered-error"}
        Loss :math:`\ell` of one output.
    coarse_weight : float
        Weight :math:`c` of an output at half the size against the one at full size, and so on.
    crop_px : int
        Side of the crops; their border is left out (:func:`~focusfix.training.margin.edge_px`).
    arithmetic : Arithmetic
        Device and number format.
    """

    loss: LossName
    coarse_weight: float
    crop_px: int
    arithmetic: Arithmetic = field(default_factory=Arithmetic)

    def batch(self, source: PairSource, first: int, count: int) -> Batch:
        """Stack pairs."""
        return make_batch(source, first, count)

    def losses(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:  # noqa: ARG002 - the same at every step
        """Compare every output with the truth at its size."""
        assert isinstance(network, Restorer)
        inputs = batch.inputs.contiguous(memory_format=torch.channels_last)
        with self.arithmetic.autocast():
            outputs = network.training_outputs(inputs)
        restored = [output.float() for output in outputs]
        criterion = partial(_inner_loss, lesson=self)
        return {"loss": multi_scale_loss(restored, batch.targets, criterion=criterion)}

    def restore(self, network: Restorer, batch: Batch) -> Shown:
        """Restore the crops out of focus."""
        inputs = batch.inputs.contiguous(memory_format=torch.channels_last)
        with self.arithmetic.autocast():
            restored = network(inputs)
        return Shown(batch.inputs, restored, batch.targets)


def _inner_loss(prediction: Tensor, target: Tensor, *, lesson: PairLesson) -> Tensor:
    """Compare all but the border, whose width halves with the size; weigh by the size."""
    reduction = lesson.crop_px // target.shape[-1]
    edge = edge_px(lesson.crop_px) // reduction
    window = (..., slice(edge, target.shape[-2] - edge), slice(edge, target.shape[-1] - edge))
    loss = _CRITERIA[lesson.loss](prediction[window], target[window])
    weight: float = lesson.coarse_weight ** (reduction.bit_length() - 1)
    return weight * loss


def build_pair_lesson(context: LessonContext) -> PairLesson:
    """Build the lesson for the objectives "multi-scale-l1" and "tempered-error"."""
    return PairLesson(
        context.loss, _COARSE_WEIGHTS[context.objective], context.crop_px, context.arithmetic
    )


def make_batch(source: PairSource, first: int, count: int) -> Batch:
    """Stack the pairs ``first`` to ``first + count - 1``.

    Parameters
    ----------
    source : PairSource
        Draws them.
    first, count : int
        Their numbers.

    Returns
    -------
    Batch
        Shape (count, 1, Y, X).
    """
    pairs = [source.pair(index) for index in range(first, first + count)]
    return Batch(
        torch.from_numpy(np.stack([pair.out_of_focus for pair in pairs])[:, None]),
        torch.from_numpy(np.stack([pair.in_focus for pair in pairs])[:, None]),
    )
