"""The training loop: batches by number in, checkpoints out, exactly resumable.

A batch is a pure function of its step number, so a resumed run sees the batches it would have
seen. What else a step depends on (weights, optimiser moments, averaged weights) is saved as
tensors; nothing is pickled.
"""

import json
import math
import os
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from focusfix.config import FrozenModel
from focusfix.errors import InputError, ModelError
from focusfix.io.atomic import partial_file

STATE_NAME = "state.safetensors"
_MOST_LOADERS = 8


class Batch(NamedTuple):
    """Inputs and truths of one step; shape (N, C, Y, X), float32, same intensity scale."""

    inputs: Tensor
    targets: Tensor


BatchSource = Callable[[int], Batch]
Objective = Callable[[nn.Module, Batch], Tensor]
Notes = Mapping[str, float]
"""Numbers that are saved with a state, by name."""


class FitSettings(FrozenModel):
    """How long and how fast to learn.

    Parameters
    ----------
    steps : int
        Optimiser steps in all.
    learning_rate : float
        Of Adam, after ``warmup_steps`` and before the last ``decay_share`` of the steps.
    decay_share : float
        Share of the steps over which the rate falls to a hundredth along a cosine.
    average_decay : float
        Decay of the exponential moving average of the weights, which is what is kept.
    clip_norm : float
        Longest gradient step; longer ones are shortened to it.
    """

    steps: int = Field(ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=100, ge=0)
    decay_share: float = Field(default=0.3, ge=0, le=1)
    average_decay: float = Field(default=0.998, ge=0, lt=1)
    clip_norm: float = Field(default=1.0, gt=0)


def learning_rate_at(step: int, settings: FitSettings) -> float:
    """Rate of one step: linear warm-up, plateau, cosine to a hundredth."""
    rate = settings.learning_rate
    if step < settings.warmup_steps:
        return rate * (step + 1) / settings.warmup_steps
    decay_steps = settings.decay_share * settings.steps
    into_decay = step - (settings.steps - decay_steps)
    if into_decay <= 0 or decay_steps == 0:
        return rate
    phase = torch.tensor(torch.pi * min(1.0, into_decay / decay_steps))
    return rate * (0.01 + 0.99 * float(0.5 * (1 + torch.cos(phase))))


class Trainer:
    """One network being trained: weights, averaged weights, optimiser, step number.

    Parameters
    ----------
    network : nn.Module
        Trained in place.
    objective : callable
        Network and batch to a scalar loss.
    settings : FitSettings
        Schedule.
    """

    def __init__(self, network: nn.Module, objective: Objective, settings: FitSettings) -> None:
        self.network = network
        self.objective = objective
        self.settings = settings
        self.step = 0
        self.optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
        self.average = {k: v.detach().clone() for k, v in network.state_dict().items()}

    def learn(self, batch: Batch) -> float:
        """Take one optimiser step and return the loss of the batch before it.

        Parameters
        ----------
        batch : Batch
            On the device of the network.

        Returns
        -------
        float
            The loss.

        Raises
        ------
        InputError
            If the loss is not finite; the network is left as it was.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(self.step, self.settings)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.objective(self.network, batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise InputError(
                f"The loss became {value} at step {self.step + 1}.",
                "Start again with a lower --learning-rate, and look for stray extreme pixels.",
            )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        self.step += 1
        self._average_weights()
        return value

    def _average_weights(self) -> None:
        decay = min(self.settings.average_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                kept = self.average[name]
                if kept.dtype.is_floating_point:
                    kept.lerp_(value, 1 - decay)
                else:
                    kept.copy_(value)

    def save_state(self, path: Path, notes: Notes | None = None) -> None:
        """Write everything the next step depends on, atomically.

        Parameters
        ----------
        path : Path
            File to write; replaced if it exists.
        notes : mapping of str to float, optional
            Numbers of the caller that :meth:`load_state` gives back.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        from safetensors.torch import save_file

        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{k}": v for k, v in state.items()}
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        record = json.dumps({"step": self.step, "notes": dict(notes or {})})
        with partial_file(path) as partial:
            save_file(tensors, str(partial), {"focusfix_training": record})

    def load_state(self, path: Path) -> dict[str, float]:
        """Go back to a saved state.

        Parameters
        ----------
        path : Path
            From :meth:`save_state`.

        Returns
        -------
        dict of str to float
            The notes that were saved with it.

        Raises
        ------
        ModelError
            If the file is missing or belongs to another network.
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
        try:
            self._restore(tensors)
        except (RuntimeError, KeyError, ValueError) as error:
            raise ModelError(
                f"{path}: the training state belongs to another network.",
                "Resume with the model settings the run was started with.",
            ) from error
        self.step = step
        return notes

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        self.network.load_state_dict(_strip(tensors, "network."))
        saved = _strip(tensors, "average.")
        for name, kept in self.average.items():
            kept.copy_(saved[name])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _strip(tensors, "adam.").items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def count_loaders() -> int:
    """Choose how many threads make batches: one for every two processors, 1 to 8."""
    return max(1, min(_MOST_LOADERS, (os.cpu_count() or 1) // 2))


def prefetch(
    source: BatchSource, first: int, last: int, *, ahead: int = 3, workers: int = 1
) -> Generator[Batch]:
    """Make batches on threads of their own, a few steps ahead.

    Parameters
    ----------
    source : callable
        Step number to batch.
    first, last : int
        Batches ``first`` to ``last - 1`` are made.
    ahead : int
        Most batches that wait or are being made.
    workers : int
        Threads; the batches and their order do not depend on it.

    Yields
    ------
    Batch
        In order.
    """
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="focusfix-batches") as pool:
        pending: list[Future[Batch]] = []
        try:
            for step in range(first, last):
                while len(pending) < ahead and step + len(pending) < last:
                    pending.append(pool.submit(source, step + len(pending)))
                yield pending.pop(0).result()
        finally:
            for future in pending:
                future.cancel()
