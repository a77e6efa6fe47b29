"""How far a network has come: fixed crops of fields that it does not learn from."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from focusfix.models.base import Restorer
from focusfix.report.training import PreviewRow
from focusfix.training.data_sources import PairSource, make_batch
from focusfix.training.fit import Batch
from focusfix.training.recipes import edge_px

_SMALLEST_MSE = 1e-10


class ValidationScore(NamedTuple):
    """What the network reached, next to doing nothing.

    Parameters
    ----------
    psnr_db, input_psnr_db : float
        Mean PSNR of the restored and of the untouched crops; data range 1 on the field's scale.
    """

    psnr_db: float
    input_psnr_db: float

    @property
    def gain_db(self) -> float:
        """Gain over doing nothing; decibels."""
        return self.psnr_db - self.input_psnr_db


@dataclass(frozen=True)
class ValidationResult:
    """Scores of all crops.

    Parameters
    ----------
    score : ValidationScore
        Their means.
    batch : Batch
        The crops, on the CPU.
    restored : Tensor, shape (N, 1, Y, X)
        What the network made of them, on the CPU.
    psnr_db, input_psnr_db : Tensor, shape (N,)
        Of each crop.
    """

    score: ValidationScore
    batch: Batch
    restored: Tensor
    psnr_db: Tensor
    input_psnr_db: Tensor


class Validation:
    """Crops that stay the same over a run.

    Parameters
    ----------
    source : PairSource
        Draws them.
    crops : int
        How many.
    """

    def __init__(self, source: PairSource, crops: int) -> None:
        self.batch = make_batch(source, 0, crops)
        self.input_psnr_db = psnr_db(self.batch.inputs, self.batch.targets)

    def score(
        self, network: Restorer, *, batch_size: int, device: str = "cpu", precision: str = "fp32"
    ) -> ValidationResult:
        """Restore the crops and compare.

        Parameters
        ----------
        network : Restorer
            On ``device``; is left in evaluation mode.
        batch_size : int
            Crops that are restored at once.
        device : str
            As torch names it.
        precision : {"fp32", "bf16"}
            Number format of the network.

        Returns
        -------
        ValidationResult
        """
        network.eval()
        kind = torch.device(device).type
        autocast = torch.autocast(kind, dtype=torch.bfloat16)
        restored = []
        with torch.inference_mode(), autocast if precision == "bf16" else nullcontext():
            for inputs in torch.split(self.batch.inputs, batch_size):
                moved = inputs.to(device).contiguous(memory_format=torch.channels_last)
                restored.append(network(moved).float().cpu())
        images = torch.cat(restored)
        reached = psnr_db(images, self.batch.targets)
        score = ValidationScore(float(reached.mean()), float(self.input_psnr_db.mean()))
        return ValidationResult(score, self.batch, images, reached, self.input_psnr_db)


def preview_rows(result: ValidationResult, most: int) -> list[PreviewRow]:
    """Show the first crops without their border, which is neither learned nor scored.

    Parameters
    ----------
    result : ValidationResult
        All crops.
    most : int
        Most rows.

    Returns
    -------
    list of PreviewRow
    """
    edge = edge_px(result.restored.shape[-1])
    inner = slice(edge, result.restored.shape[-1] - edge)
    return [
        PreviewRow(
            result.batch.inputs[i, 0, inner, inner].numpy(),
            result.restored[i, 0, inner, inner].numpy(),
            result.batch.targets[i, 0, inner, inner].numpy(),
            float(result.input_psnr_db[i]),
            float(result.psnr_db[i]),
        )
        for i in range(min(most, len(result.psnr_db)))
    ]


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
    edge = edge_px(images.shape[-1])
    window = (..., slice(edge, images.shape[-2] - edge), slice(edge, images.shape[-1] - edge))
    errors = images[window].clamp(0, 1) - targets[window].clamp(0, 1)
    mse = errors.square().flatten(1).mean(dim=1).clamp(min=_SMALLEST_MSE)
    return -10 * torch.log10(mse)
