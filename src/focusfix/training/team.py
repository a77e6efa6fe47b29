"""The processes of one run, started by ``torchrun``: each learns from its share of every batch.

All of them have the same weights, add up their gradients after the last batch of a step, and so
take the same step. Only the first one validates, writes files and talks.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed.nn  # before there is a group, see join_team
from torch import Tensor, distributed, nn

from focusfix.errors import DeviceError, FocusfixError
from focusfix.runtime.device import Device, select_device

_PATIENCE = timedelta(hours=2)
"""How long processes wait for one of them: the first one validates while the others wait."""


@dataclass(frozen=True)
class Team:
    """The processes of one run, seen by one of them.

    Parameters
    ----------
    rank : int
        Which one this is, counted from 0.
    size : int
        How many there are.
    device : str
        Where this one computes, as torch names it.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def is_first(self) -> bool:
        """Whether this process validates, writes and talks."""
        return self.rank == 0

    def share(self, first: int, count: int) -> int:
        """Find the number of this process's first sample in a batch of all processes.

        Parameters
        ----------
        first : int
            Number of the first sample of the batch.
        count : int
            Samples that each process has of it.

        Returns
        -------
        int
        """
        return first + self.rank * count

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the mean of all gradients, in one exchange.

        Parameters
        ----------
        parameters : iterable of nn.Parameter
            The same ones in all processes. Those without a gradient anywhere are left alone.
        """
        if self.size == 1:
            return
        trained = [each for each in parameters if each.requires_grad]
        there = torch.tensor([float(each.grad is not None) for each in trained])
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in trained]
        flat = torch.cat([each.flatten() for each in (*gradients, there.to(self.device))])
        exchange(flat)
        sizes = [*(each.numel() for each in trained), len(trained)]
        *sums, counts = torch.split(flat, sizes)
        found = zip(trained, gradients, sums, counts.tolist(), strict=True)
        for each, gradient, total, count in found:
            if count:
                each.grad = gradient.copy_((total / self.size).view_as(gradient))

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Average named numbers over the processes; all give the same names."""
        if self.size == 1:
            return dict(values)
        added = torch.tensor(list(values.values()), dtype=torch.float64)
        if self.device != "cpu":
            added = added.float().to(self.device)
        exchange(added)
        return dict(zip(values, (added / self.size).tolist(), strict=True))

    def largest(self, *values: int) -> tuple[int, ...]:
        """Find the largest of every number over the processes; also waits for all of them."""
        if self.size == 1:
            return values
        found = torch.tensor(values, device=self.device)
        exchange(found, distributed.ReduceOp.MAX)
        return tuple(int(value) for value in found.tolist())

    @contextmanager
    def speak_once(self) -> Iterator[None]:
        """Let only one process tell an error that several have, and stop all of them.

        Raises
        ------
        FocusfixError
            In the first process that has one.
        SystemExit
            In the others, with the exit code of that error.
        """
        error: FocusfixError | None = None
        try:
            yield
        except FocusfixError as raised:
            error = raised
        if self.size == 1:
            if error is not None:
                raise error
            return
        here = 0 if error is None else (self.size - self.rank) * 1000 + error.exit_code
        (worst,) = self.largest(here)
        if error is not None and here == worst:
            raise error
        if worst:
            raise SystemExit(worst % 1000)


ALONE = Team()
"""A run of one process."""


def exchange(
    values: Tensor, operation: "distributed.ReduceOp.RedOpType" = distributed.ReduceOp.SUM
) -> None:
    """Put numbers of all processes together, in place.

    Parameters
    ----------
    values : Tensor
        Of the same shape in all processes.
    operation : distributed.ReduceOp
        How; by default they are added up.

    Raises
    ------
    DeviceError
        If another process is gone.
    """
    try:
        distributed.all_reduce(values, operation)
    except RuntimeError as error:
        raise DeviceError(
            "Another process of this training has stopped, so this one stops, too.",
            "See what the other one says; then go on with --resume.",
        ) from error


def wanted_processes() -> int:
    """Count the processes that ``torchrun`` has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def join_team(wanted_device: str) -> Iterator[tuple[Team, Device]]:
    """Meet the other processes of a run, if there are any.

    Optimizers load `torch.distributed.nn`, whose functions keep the group that there is by then for
    good: its threads would outlive it and could end the program with SIGABRT. So it is loaded
    before.

    Parameters
    ----------
    wanted_device : str
        As for :func:`focusfix.runtime.device.select_device`. Each of several processes takes a
        graphics card of its own, or all share the CPU.

    Yields
    ------
    team : Team
        The processes.
    device : Device
        Where this one computes.

    Raises
    ------
    DeviceError
        If the device is missing, or there are fewer cards than processes.
    """
    size = wanted_processes()
    if size == 1:
        device = select_device(wanted_device)
        yield Team(device=device.name), device
        return
    device = _own_device(wanted_device)
    if device.kind == "cuda":
        torch.cuda.set_device(device.name)
    distributed.init_process_group("nccl" if device.kind == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Team(distributed.get_rank(), size, device.name), device
    finally:
        distributed.destroy_process_group()


def _own_device(wanted: str) -> Device:
    """Choose the card of this process, or the CPU."""
    cards, local = torch.cuda.device_count(), int(os.environ.get("LOCAL_RANK", "0"))
    if wanted == "cpu" or (wanted == "auto" and not cards):
        return select_device("cpu")
    if wanted not in {"auto", "cuda"}:
        raise DeviceError(
            f"--device {wanted} cannot be shared by several processes.",
            "Give --device cuda for a card each, or --device cpu.",
        )
    if local >= cards:
        raise DeviceError(
            f"There are more processes on this computer than graphics cards, of which it has "
            f"{cards}.",
            "Start as many with --nproc-per-node as there are cards, or give --device cpu.",
        )
    return select_device(f"cuda:{local}")
