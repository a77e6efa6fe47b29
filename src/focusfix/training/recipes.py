"""How each network is trained: its loss over all of its outputs, in a number format."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from focusfix.errors import ModelError
from focusfix.losses import l1_loss, mse_loss, multi_scale_loss, tempered_error_loss
from focusfix.models.base import Restorer
from focusfix.models.registry import ModelEntry
from focusfix.training.fit import Batch, Objective

LossName = Literal["l1", "mse", "tempered-error"]
"""Absolute error, squared error, or fourth root of the squared error of each image."""

_CRITERIA: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1_loss,
    "mse": mse_loss,
    "tempered-error": tempered_error_loss,
}
_WIDEST_EDGE_PX = 16
_EDGE_GRID_PX = 8


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    loss : {"l1", "mse", "tempered-error"}
        What is minimised, unless the user asks for another one.
    coarse_weight : float
        Weight of an output at half the size against the one at full size, and so on.
    """

    loss: LossName
    coarse_weight: float


_RECIPES = {
    "multi-scale-l1": Recipe("l1", coarse_weight=1.0),
    "tempered-error": Recipe("tempered-error", coarse_weight=0.4),
}


def find_recipe(entry: ModelEntry) -> Recipe:
    """Look up how a network is trained.

    Parameters
    ----------
    entry : ModelEntry
        Row of the registry; its objective decides.

    Returns
    -------
    Recipe

    Raises
    ------
    ModelError
        If focusfix has no recipe for the network.
    """
    if "deblur" not in entry.abilities or entry.objective not in _RECIPES:
        raise ModelError(
            f"{entry.name} cannot be trained by focusfix train (objective {entry.objective}).",
            "Choose another --model; focusfix models list shows what each one can do.",
        )
    return _RECIPES[entry.objective]


def edge_px(crop_px: int) -> int:
    """Width of the border of a crop that no loss looks at; pixels.

    There a network sees the end of its crop, which in an image lies in the halo. At most 16 and
    an eighth of the crop, on a grid that the coarser scales of a network share.

    Parameters
    ----------
    crop_px : int
        Side of the crop; pixels.
    """
    return min(_WIDEST_EDGE_PX, crop_px // 8 // _EDGE_GRID_PX * _EDGE_GRID_PX)


def build_objective(
    recipe: Recipe, *, crop_px: int, device_kind: str = "cpu", precision: str = "fp32"
) -> Objective:
    r"""Make the function that a step of training minimises.

    .. math:: L = \sum_n c^n\, \ell(y_n, t_n)

    over the outputs :math:`y_n` that the network has at 1, 1/2, 1/4, ... of the size; one
    output for most networks.

    Parameters
    ----------
    recipe : Recipe
        Loss :math:`\ell` of one output and weight :math:`c` of the coarser ones.
    crop_px : int
        Side of the crops; their border of :func:`edge_px` is left out.
    device_kind : str
        "cpu", "cuda" or "mps".
    precision : {"fp32", "bf16"}
        Number format of the network; losses are computed in fp32.

    Returns
    -------
    Objective
    """
    autocast = partial(torch.autocast, device_kind, dtype=torch.bfloat16)
    criterion = partial(_inner_loss, recipe=recipe, crop_px=crop_px)

    def objective(network: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(network, Restorer)
        inputs = batch.inputs.contiguous(memory_format=torch.channels_last)
        with autocast() if precision == "bf16" else nullcontext():
            outputs = network.training_outputs(inputs)
        restored = [output.float() for output in outputs]
        return multi_scale_loss(restored, batch.targets, criterion=criterion)

    return objective


def _inner_loss(prediction: Tensor, target: Tensor, *, recipe: Recipe, crop_px: int) -> Tensor:
    """Compare all but the border, whose width halves with the size; weigh by the size."""
    reduction = crop_px // target.shape[-1]
    edge = edge_px(crop_px) // reduction
    window = (..., slice(edge, target.shape[-2] - edge), slice(edge, target.shape[-1] - edge))
    loss = _CRITERIA[recipe.loss](prediction[window], target[window])
    weight: float = recipe.coarse_weight ** (reduction.bit_length() - 1)
    return weight * loss
