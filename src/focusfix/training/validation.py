"""How far a network has come: fixed crops of fields that it does not learn from."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from focusfix.models.base import Restorer
from focusfix.report.training import PreviewRow
from focusfix.training.data_sources import SampleSource
from focusfix.training.lesson import Lesson, Shown, move, split
from focusfix.training.log import ValidationScore
from focusfix.training.margin import inner

_SMALLEST_MSE = 1e-10


@dataclass(frozen=True)
class ValidationResult:
    """Scores of all crops.

    Parameters
    ----------
    score : ValidationScore
        Their means.
    shown : Shown
        The crops and what the network made of them, on the CPU.
    psnr_db, input_psnr_db : Tensor, shape (N,)
        Of each crop.
    """

    score: ValidationScore
    shown: Shown
    psnr_db: Tensor
    input_psnr_db: Tensor


class Validation:
    """Crops that stay the same over a run.

    Parameters
    ----------
    lesson : Lesson
        Says what samples are, and how they are restored.
    source : SampleSource
        Draws them.
    samples : int
        How many.
    """

    def __init__(self, lesson: Lesson[Any], source: SampleSource, samples: int) -> None:
        self.lesson = lesson
        self.batch = lesson.validation_batch(source, samples)

    def score(self, network: Restorer, *, batch_size: int, device: str = "cpu") -> ValidationResult:
        """Restore the crops and compare.

        Parameters
        ----------
        network : Restorer
            On ``device``; is left in evaluation mode.
        batch_size : int
            Samples that are restored at once.
        device : str
            As torch names it.

        Returns
        -------
        ValidationResult
        """
        network.eval()
        with torch.inference_mode():
            parts = [
                _on_cpu(self.lesson.restore(network, move(batch, device)))
                for batch in split(self.batch, batch_size)
            ]
        shown = _join(parts)
        reached = psnr_db(shown.restored, shown.targets)
        before = psnr_db(shown.inputs, shown.targets)
        others = {name: float(values.mean()) for name, values in shown.scores.items()}
        score = ValidationScore(float(reached.mean()), float(before.mean()), others)
        return ValidationResult(score, shown, reached, before)


def _on_cpu(shown: Shown) -> Shown:
    inputs, restored, targets = (each.float().cpu() for each in shown[:3])
    scores = {name: each.float().cpu() for name, each in shown.scores.items()}
    return Shown(inputs, restored, targets, scores)


def _join(parts: list[Shown]) -> Shown:
    names = parts[0].scores
    return Shown(
        torch.cat([part.inputs for part in parts]),
        torch.cat([part.restored for part in parts]),
        torch.cat([part.targets for part in parts]),
        {name: torch.cat([part.scores[name] for part in parts]) for name in names},
    )


def preview_rows(
    result: ValidationResult, most: int, *, are_scored: bool = True
) -> list[PreviewRow]:
    """Show the first crops without their border, which is neither learned nor scored.

    Parameters
    ----------
    result : ValidationResult
        All crops.
    most : int
        Most rows.
    are_scored : bool
        Whether their scores say something.

    Returns
    -------
    list of PreviewRow
    """
    shown = [inner(images)[:most, 0].numpy() for images in result.shown[:3]]
    if not are_scored:
        return [PreviewRow(*row) for row in zip(*shown, strict=True)]
    scores = result.input_psnr_db[:most].tolist(), result.psnr_db[:most].tolist()
    return [PreviewRow(*row) for row in zip(*shown, *scores, strict=True)]


def psnr_db(images: Tensor, targets: Tensor) -> Tensor:
    r"""Compute the PSNR of each image, :math:`-10 \log_{10} \mathrm{MSE}`, data range 1.

    Parameters
    ----------
    images, targets : Tensor, shape (N, C, Y, X)
        Nominal range [0, 1]; clipped to it. The border that losses leave out is left out.

    Returns
    -------
    Tensor, shape (N,)
        Decibels; 100 at most.
    """
    errors = inner(images).clamp(0, 1) - inner(targets).clamp(0, 1)
    mse = errors.square().flatten(1).mean(dim=1).clamp(min=_SMALLEST_MSE)
    return -10 * torch.log10(mse)
