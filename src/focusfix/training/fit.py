"""The training loop: batches by number in, checkpoints out, exactly resumable.

A batch is a pure function of its step number, so a resumed run sees the batches it would have
seen. What else a step depends on (weights, optimiser moments, averaged weights) is saved as
tensors; nothing is pickled.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from focusfix.errors import InputError, ModelError
from focusfix.training.prefetch import count_loaders, prefetch
from focusfix.training.schedule import FitSettings, learning_rate_at
from focusfix.training.state import (
    STATE_NAME,
    Notes,
    optimizer_tensors,
    read_state,
    restore_optimizer,
    with_prefix,
    without_prefix,
    write_state,
)
from focusfix.training.team import ALONE, Team

__all__ = [
    "STATE_NAME",
    "Adversary",
    "Batch",
    "FitSettings",
    "Objective",
    "Samples",
    "Trainer",
    "count_loaders",
    "learning_rate_at",
    "prefetch",
]

Samples = tuple[Tensor, ...]
"""A NamedTuple of tensors; all have one entry for each sample along their first axis."""

Objective = Callable[[nn.Module, Any], Tensor | Mapping[str, Tensor]]
"""Network and batch to the loss, or to named terms of which "loss" is minimised."""


class Batch(NamedTuple):
    """Inputs and truths of one step; shape (N, C, Y, X), float32, same intensity scale."""

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Adversary:
    """A network that learns to tell what another one makes from what is true.

    Parameters
    ----------
    network : nn.Module
        Trained in place, with the state of the run, but not part of the checkpoint.
    losses : callable
        The network it judges, batch and number of the step to named terms; "loss" is minimised.
        Called after the step of the other network, whose gradients do not count.
    learning_rate : float
        Of its Adam; follows the schedule of the run.
    betas : tuple of float
        Of its Adam.
    """

    network: nn.Module
    losses: Callable[[nn.Module, Any, int], Mapping[str, Tensor]]
    learning_rate: float
    betas: tuple[float, float] = (0.5, 0.999)


class Trainer:
    """One network being trained: weights, averaged weights, optimiser, step number.

    Parameters
    ----------
    network : nn.Module
        Trained in place.
    objective : callable
        Network and batch to a scalar loss, or to named terms of which "loss" is minimised.
    settings : FitSettings
        Schedule.
    adversary : Adversary, optional
        Takes a step of its own after each step of the network. Its parameters take no gradients
        while those of the network do.
    team : Team
        Processes that take every step together, each with batches of its own.

    Attributes
    ----------
    terms : dict of str to float
        All terms of the last step but "loss"; the adversary's loss is "adversary_loss".
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        settings: FitSettings,
        adversary: Adversary | None = None,
        team: Team = ALONE,
    ) -> None:
        self.team = team
        self.network = network
        self.objective = objective
        self.settings = settings
        self.adversary = adversary
        self.step = 0
        self.terms: dict[str, float] = {}
        rate = settings.learning_rate
        self.optimizer = _make_adam(network, rate, settings.betas)
        self.adversary_optimizer: torch.optim.Adam | None = None
        if adversary is not None:
            self.adversary_optimizer = _make_adam(
                adversary.network, adversary.learning_rate, adversary.betas
            )
        self.average = {k: v.detach().clone() for k, v in network.state_dict().items()}

    def learn(self, *batches: Any) -> float:
        """Take one optimiser step and return the loss of the batch before it.

        Parameters
        ----------
        *batches : NamedTuple of Tensor
            On the device of the network; the gradient is the mean of those of all batches of all
            processes.

        Returns
        -------
        float
            The loss, a mean over these batches.

        Raises
        ------
        InputError
            If the loss is not finite; the network is left as it was.
        """
        rate = learning_rate_at(self.step, self.settings)
        _set_rate(self.optimizer, rate)
        self.network.train()
        if self.adversary is not None:
            self.adversary.network.train().requires_grad_(requires_grad=False)
        self.optimizer.zero_grad(set_to_none=True)
        terms = self._descend(
            self.network, batches, lambda batch: self.objective(self.network, batch)
        )
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        loss = terms.pop("loss")
        if self.adversary is not None:
            terms |= self._teach_adversary(self.adversary, batches, rate)
        self.terms = terms
        self.step += 1
        self._average_weights()
        return loss

    def _descend(
        self,
        network: nn.Module,
        batches: Samples,
        objective: Callable[[Any], Tensor | Mapping[str, Tensor]],
    ) -> dict[str, float]:
        """Average the gradients of a network, and return the mean of every term."""
        means: dict[str, float] = {}
        for batch in batches:
            found = objective(batch)
            terms = {"loss": found} if isinstance(found, Tensor) else found
            for name, value in terms.items():
                means[name] = means.get(name, 0.0) + float(value.detach()) / len(batches)
            (terms["loss"] / len(batches)).backward()  # type: ignore[no-untyped-call]
        means = self.team.mean(means)
        if not math.isfinite(means["loss"]):
            raise InputError(
                f"The loss became {means['loss']} at step {self.step + 1}.",
                "Start again with a lower --learning-rate, and look for stray extreme pixels.",
            )
        self.team.average_gradients(network.parameters())
        return means

    def _teach_adversary(
        self, adversary: Adversary, batches: Samples, rate: float
    ) -> dict[str, float]:
        assert self.adversary_optimizer is not None
        share = rate / self.settings.learning_rate
        _set_rate(self.adversary_optimizer, share * adversary.learning_rate)
        adversary.network.requires_grad_(requires_grad=True)
        self.adversary_optimizer.zero_grad(set_to_none=True)
        terms = self._descend(
            adversary.network,
            batches,
            lambda batch: adversary.losses(self.network, batch, self.step),
        )
        self.adversary_optimizer.step()
        return {"adversary_loss": terms.pop("loss"), **terms}

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
        tensors = with_prefix("network", self.network.state_dict())
        tensors |= with_prefix("average", self.average)
        tensors |= with_prefix("adam", optimizer_tensors(self.optimizer))
        if self.adversary is not None and self.adversary_optimizer is not None:
            tensors |= with_prefix("adversary", self.adversary.network.state_dict())
            moments = optimizer_tensors(self.adversary_optimizer)
            tensors |= with_prefix("adversary_adam", moments)
        write_state(path, tensors, self.step, notes or {})

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
        saved = read_state(path)
        try:
            self._restore(saved.tensors)
        except (RuntimeError, KeyError, ValueError) as error:
            raise ModelError(
                f"{path}: the training state belongs to another network.",
                "Resume with the model settings the run was started with.",
            ) from error
        self.step = saved.step
        return saved.notes

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        self.network.load_state_dict(without_prefix("network", tensors))
        saved = without_prefix("average", tensors)
        for name, kept in self.average.items():
            kept.copy_(saved[name])
        restore_optimizer(self.optimizer, without_prefix("adam", tensors))
        if self.adversary is not None and self.adversary_optimizer is not None:
            self.adversary.network.load_state_dict(without_prefix("adversary", tensors))
            restore_optimizer(self.adversary_optimizer, without_prefix("adversary_adam", tensors))


def _make_adam(network: nn.Module, rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Make an Adam whose step is one loop over all weights, in less than half the time."""
    return torch.optim.Adam(network.parameters(), lr=rate, betas=betas, fused=True)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
