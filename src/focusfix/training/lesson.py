"""What a network is taught: which samples make a batch, what is minimised, and what is shown."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from focusfix.models.base import Restorer
from focusfix.report.training import PREVIEW_TITLES
from focusfix.training.collapse import Sign
from focusfix.training.fit import Adversary, Samples

if TYPE_CHECKING:
    from focusfix.training.data_sources import SampleSource, TrainingData

Precision = Literal["fp32", "bf16"]
"""Number format of the network's arithmetic; weights and losses are always fp32."""

LossName = Literal["l1", "mse", "tempered-error", "perceptual"]
"""Absolute error, squared error, or fourth root of the squared error of each image."""

BatchT = TypeVar("BatchT", bound=Samples)


class Shown(NamedTuple):
    """What a validation compares and a preview shows.

    Parameters
    ----------
    inputs, restored, targets : Tensor, shape (N, 1, Y, X)
        Images before and after, and the truth; one intensity scale, nominal [0, 1].
    scores : mapping of str to Tensor, shape (N,)
        Other figures of each sample, such as ``synthesis_psnr_db``; the name says measure and
        unit. Their means become columns of the log.
    """

    inputs: Tensor
    restored: Tensor
    targets: Tensor
    scores: Mapping[str, Tensor] = MappingProxyType({})


@dataclass(frozen=True)
class Arithmetic:
    """Where a network computes, and in which number format.

    Parameters
    ----------
    device_kind : str
        "cpu", "cuda" or "mps".
    precision : {"fp32", "bf16"}
        Number format.
    """

    device_kind: str = "cpu"
    precision: Precision = "fp32"

    def autocast(self) -> AbstractContextManager[Any]:
        """Open the context that networks are called in; what they return may be bf16."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device_kind, dtype=torch.bfloat16)


@dataclass(frozen=True)
class LessonContext:
    """What a lesson is told of the run that it is given in.

    Parameters
    ----------
    objective : str
        Of the network's row of the registry; one lesson may serve several.
    loss : {"l1", "mse", "tempered-error"}
        How images are compared.
    crop_px : int
        Side of the crops; pixels.
    seed : int
        Of the run. Torch's random state, too, follows from it while a lesson is built.
    steps : int
        Length of the run.
    steps_per_epoch : float
        Steps in which all training images are seen about once.
    learning_rate : float
        Of the network.
    arithmetic : Arithmetic
        Device and number format.
    options : mapping of str to JSON value
        Settings of the lesson that the user gave.
    samples_at_once : int
        Samples of a batch, in all processes of the run together; 0 for whatever is asked for.
    """

    objective: str
    loss: LossName
    crop_px: int
    seed: int = 0
    steps: int = 1
    steps_per_epoch: float = 1.0
    learning_rate: float = 1e-3
    arithmetic: Arithmetic = field(default_factory=Arithmetic)
    options: Mapping[str, Any] = field(default_factory=dict)
    samples_at_once: int = 0


def move(batch: BatchT, device: str) -> BatchT:
    """Bring a batch to a device."""
    made: BatchT = type(batch)(*(part.to(device) for part in batch))
    return made


def split(batch: BatchT, count: int) -> Iterator[BatchT]:
    """Divide a batch into such of at most ``count`` samples."""
    for first in range(0, len(batch[0]), count):
        yield type(batch)(*(part[first : first + count] for part in batch))


class Lesson(ABC, Generic[BatchT]):
    """How one objective is taught.

    A lesson keeps nothing from one step to the next: what a step depends on is the network, the
    adversary if there is one, the batch and the number of the step. That makes runs resumable.

    Attributes
    ----------
    titles : tuple of three str
        What inputs, restored images and targets of :class:`Shown` are, over previews.
    signs : tuple of Sign
        What the run looks out for in its log, and warns of.
    """

    titles: ClassVar[tuple[str, str, str]] = PREVIEW_TITLES
    signs: ClassVar[tuple[Sign, ...]] = ()

    @abstractmethod
    def batch(self, source: "SampleSource", first: int, count: int) -> BatchT:
        """Make a batch from the samples ``first`` to ``first + count - 1``.

        Parameters
        ----------
        source : SampleSource
            Draws them by number. Random numbers that a loss needs are drawn here, too, from the
            numbers of the samples.
        first, count : int
            Their numbers.

        Returns
        -------
        NamedTuple of Tensor, shape (N, ...)
            Of equal N: ``count``, or a multiple of it where one number makes several samples.
        """

    @abstractmethod
    def losses(self, network: nn.Module, batch: BatchT, step: int) -> dict[str, Tensor]:
        """Compute what is minimised, and what else is worth a column of the log.

        Parameters
        ----------
        network : nn.Module
            In training mode.
        batch : NamedTuple of Tensor
            On the device of the network.
        step : int
            Steps taken so far.

        Returns
        -------
        dict of str to Tensor, shape ()
            "loss" is minimised; the others are written down. The same names at every step.
        """

    @abstractmethod
    def restore(self, network: Restorer, batch: BatchT) -> Shown:
        """Deblur a batch, for validation and previews.

        Parameters
        ----------
        network : Restorer
            In evaluation mode; :meth:`finish` was called for it.
        batch : NamedTuple of Tensor
            On the device of the network.

        Returns
        -------
        Shown
            On any device, in any number format.
        """

    def validation_batch(self, source: "SampleSource", count: int) -> BatchT:
        """Make the samples that a run is validated on; those with the first numbers."""
        return self.batch(source, 0, count)

    def samples_per_epoch(self, data: "TrainingData") -> int:
        """Count the samples, by number, that show all training images about once."""
        return data.crops_per_epoch

    def describe(self, data: "TrainingData") -> dict[str, Any]:  # noqa: ARG002 - for others
        """Say what is learned from the data, for ``--dry-run``.

        Raises
        ------
        InputError
            If the data hold no samples of the kind that the lesson needs.
        """
        return {}

    def finish(self, network: Restorer, source: "SampleSource") -> None:
        """Set what a network keeps beside its weights, such as the code of images in focus.

        Parameters
        ----------
        network : Restorer
            With averaged weights, in evaluation mode; called before it is validated or saved.
        source : SampleSource
            Draws training samples.
        """

    @property
    def adversary(self) -> Adversary | None:
        """The network that is trained against this one; the same at every call."""
        return None


LessonBuilder = Callable[[LessonContext], Lesson[Any]]
