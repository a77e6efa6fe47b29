"""The file that an exact resumption needs: tensors and numbers, nothing pickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from focusfix.errors import ModelError
from focusfix.io.atomic import partial_file

STATE_NAME = "state.safetensors"

Notes = Mapping[str, float]
"""Numbers that are saved with a state, by name."""


class SavedState(NamedTuple):
    """What a state file holds.

    Parameters
    ----------
    step : int
        Steps taken.
    notes : dict of str to float
        Numbers of the caller.
    tensors : dict of str to Tensor
        On the CPU.
    """

    step: int
    notes: dict[str, float]
    tensors: dict[str, Tensor]


def write_state(path: Path, tensors: Mapping[str, Tensor], step: int, notes: Notes) -> None:
    """Write a state, atomically.

    Parameters
    ----------
    path : Path
        File to write; replaced if it exists.
    tensors : mapping of str to Tensor
        On any device.
    step : int
        Steps taken.
    notes : mapping of str to float
        Numbers to keep with them.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from safetensors.torch import save_file

    copies = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    record = json.dumps({"step": step, "notes": dict(notes)})
    with partial_file(path) as partial:
        save_file(copies, str(partial), {"focusfix_training": record})


def read_state(path: Path) -> SavedState:
    """Read a state.

    Parameters
    ----------
    path : Path
        From :func:`write_state`.

    Returns
    -------
    SavedState

    Raises
    ------
    ModelError
        If the file is missing or no state.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            record = json.loads(file.metadata()["focusfix_training"])
            step, notes = int(record["step"]), dict(record.get("notes", {}))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}: no training state can be read from this file ({error}).",
            "Resume a folder that `focusfix train` wrote, or start a new run.",
        ) from error
    return SavedState(step, notes, tensors)


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put a prefix before every name."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the tensors whose names have a prefix, without it."""
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Name the moments of an optimiser: index of the parameter, name of the moment."""
    states: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{i}.{name}": value for i, state in states.items() for name, value in state.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser its moments back.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Of the same parameters as the one that was saved.
    tensors : mapping of str to Tensor
        From :func:`optimizer_tensors`.
    """
    weights = [each for group in optimizer.param_groups for each in group["params"]]
    moments: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        kept = value
        if value.shape == weights[int(index)].shape:  # in the same order in memory, too
            kept = torch.empty_like(weights[int(index)], dtype=value.dtype).copy_(value)
        moments.setdefault(int(index), {})[key] = kept
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
