"""From what the user asks for to complete settings and data, before the first step."""

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from focusfix.data.layouts import index_data, index_unpaired
from focusfix.data.series_scale import with_z_spacing
from focusfix.data.simulated_optics import KnownMicroscope
from focusfix.errors import UsageError
from focusfix.models.base import Restorer
from focusfix.models.registry import build_network, get_entry
from focusfix.runtime.device import Device
from focusfix.runtime.executor import choose_precision
from focusfix.training.data_sources import TrainingData
from focusfix.training.draft import chosen_model, draft_settings
from focusfix.training.lesson import Precision
from focusfix.training.lessons.table import make_lesson, with_preset
from focusfix.training.series_data import SeriesData
from focusfix.training.settings import (
    NOTHING,
    DataPlace,
    RunSettings,
    check_unchanged,
    default_validate_every,
)
from focusfix.training.simulated_data import SimulatedData
from focusfix.training.start import check_agreement, default_start, read_start, start_with
from focusfix.training.unpaired_data import UnpairedData, check_without_truth


@dataclass(frozen=True)
class Plan:
    """A run that could be started.

    Parameters
    ----------
    data : TrainingData
        Indexed, split and measured.
    settings : RunSettings
        Complete.
    n_parameters, n_trained : int
        Size of the network, and how many of its parameters are trained.
    samples : dict
        What the lesson learns from the data.
    """

    data: TrainingData
    settings: RunSettings
    n_parameters: int
    n_trained: int
    samples: dict[str, Any]

    def describe(self) -> dict[str, Any]:
        """Summarise data and settings, for ``--dry-run``."""
        settings, start = self.settings, self.settings.start_from
        return {
            **self.data.describe(),
            **self.samples,
            "model": settings.model,
            "start_from": settings.start_name,
            "start_sha256": start.sha256 if start else None,
            "parameters": self.n_parameters,
            "trained_parameters": self.n_trained,
            "loss": settings.loss,
            "crop_size": settings.crop_size,
            **{f"lesson_{name}": value for name, value in settings.lesson.items()},
            "batch_size": settings.batch_size,
            "accumulate": settings.accumulate,
            "processes": settings.processes,
            "steps": settings.steps,
            "epochs": round(settings.steps / settings.steps_per_epoch, 2),
            "learning_rate": settings.learning_rate,
            "precision": settings.precision,
            "validate_every": settings.validate_every,
            "patience": settings.patience,
        }


def plan_run(
    place: DataPlace,
    wanted: Mapping[str, Any],
    *,
    device: Device,
    simulate: bool = False,
    known: KnownMicroscope | None = None,
    epochs: float | None = None,
    preset: str | None = None,
    stored: RunSettings | None = None,
    cache_bytes: int = 0,
    processes: int = 1,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Plan:
    """Complete the settings of a run and look at its data.

    Parameters
    ----------
    place : DataPlace
        The images.
    wanted : mapping of str to value
        Settings that the user gave, by the names of :class:`RunSettings`; defaults apply to the
        others. ``start_from`` is a name or path of weights, or "nothing".
    device : Device
        Decides about the number format.
    simulate : bool
        Whether the images are sharp and are to be blurred.
    known : KnownMicroscope, optional
        The microscope that blurs them; random ones when not given.
    epochs : float, optional
        Length of the run in passes over the training images, instead of ``steps``.
    preset : str, optional
        Named settings of the lesson, for what the user left open.
    stored : RunSettings, optional
        Settings of a run to go on with; ``wanted`` must agree with them.
    cache_bytes : int
        Most memory for planes.
    processes : int
        Processes that will learn together.
    on_progress : callable
        Gets the share of the data that was looked at.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError
        If a setting is out of range, contradicts the weights to start from, or differs from the
        stored one.
    ModelError
        If the model is unknown or does not train, or there are no weights to start from.
    InputError
        If the data cannot be used.
    """
    if preset is not None:
        model = stored.model if stored else chosen_model(wanted)
        given = wanted if epochs is None else {**wanted, "epochs": epochs}
        filled = with_preset(get_entry(model), preset, given)
        epochs, wanted = filled.pop("epochs", None), filled
    if stored is None:
        precision = training_precision(device)
        draft = draft_settings(place, wanted, precision, simulate=simulate, known=known)
        draft = draft.model_copy(update={"processes": processes})
    else:
        draft = _stored_draft(stored, wanted, place, processes)
    network = build_network(draft.model, draft.hyperparameters)
    _check_network(network, draft)
    with ExitStack() as at_fault:
        data = _open_data(draft, wanted, cache_bytes, on_progress)
        at_fault.callback(data.close)
        if stored is None and "start_from" not in wanted:
            draft = _with_default_start(draft, data, wanted)
            network = build_network(draft.model, draft.hyperparameters)
            _check_network(network, draft)
        lesson = make_lesson(draft, device.kind)
        samples = lesson.describe(data)
        n_samples = lesson.samples_per_epoch(data)
        draft = _with_length(draft, n_samples, wanted, epochs=epochs, stored=stored)
        at_fault.pop_all()
    return Plan(data, draft, *_count_parameters(network), samples)


def _count_parameters(network: Restorer) -> tuple[int, int]:
    """Count all parameters, and those that are trained."""
    sizes = [(each.numel(), each.requires_grad) for each in network.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, is_trained in sizes if is_trained)


def _stored_draft(
    stored: RunSettings, wanted: Mapping[str, Any], place: DataPlace, processes: int
) -> RunSettings:
    """Take the settings of a run that goes on, which nobody may change."""
    check_unchanged(stored, wanted)
    if stored.processes != processes:
        raise UsageError(
            f"The run was started with {stored.processes} processes, not {processes}; resumed "
            "with another number it would not be the same run.",
            f"Go on with torchrun --nproc-per-node {stored.processes} -m focusfix train, or on so "
            "many computers as before.",
        )
    return stored.model_copy(update={"data": place})


def _with_default_start(
    draft: RunSettings, data: TrainingData, wanted: Mapping[str, Any]
) -> RunSettings:
    """Start from the weights that fit network and data, where there are such."""
    name = default_start(draft.model, data.modality)
    if name == NOTHING:
        return draft
    start = read_start(name)
    check_agreement(start, draft.model, wanted.get("hyperparameters", {}))
    return start_with(draft, start, wanted)


def _with_length(
    draft: RunSettings,
    n_samples: int,
    wanted: Mapping[str, Any],
    *,
    epochs: float | None,
    stored: RunSettings | None,
) -> RunSettings:
    """Turn epochs into steps, and divide the steps by validations."""
    per_epoch = n_samples / draft.samples_per_step
    if epochs is not None:
        steps = math.ceil(epochs * per_epoch)
        if stored is not None:
            check_unchanged(stored, {"steps": steps})
        draft = draft.model_copy(update={"steps": max(1, steps)})
    if stored is not None:
        return draft
    changes: dict[str, Any] = {"steps_per_epoch": per_epoch}
    if "validate_every" not in wanted:
        changes["validate_every"] = default_validate_every(draft.steps)
    return draft.model_copy(update=changes)


def training_precision(device: Device) -> Precision:
    """Choose the number format that pays on a device.

    Parameters
    ----------
    device : Device
        Where the network is trained.

    Returns
    -------
    {"fp32", "bf16"}
        bf16 on graphics cards and CPUs with instructions for it.
    """
    if device.kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if choose_precision(device) == "bf16" else "fp32"


def _check_network(network: Restorer, settings: RunSettings) -> None:
    stride = network.footprint.stride_px
    if settings.crop_size % stride:
        raise UsageError(
            f"--crop-size {settings.crop_size} is not a multiple of {stride}, "
            f"the grid of {settings.model}.",
            f"Use {max(1, round(settings.crop_size / stride)) * stride}.",
        )
    crop = torch.zeros((1, 1, settings.crop_size, settings.crop_size))
    try:
        with torch.inference_mode():
            fits = network.eval()(crop).shape == crop.shape
    except ValueError:
        fits = False
    if not fits:
        raise UsageError(
            f"{settings.model} with these settings does not make one channel of one channel.",
            "Set its in_channels and out_channels to 1; channels are learned one by one.",
        )


def _open_data(
    settings: RunSettings,
    wanted: Collection[str],
    cache_bytes: int,
    on_progress: Callable[[float], None],
) -> TrainingData:
    place = settings.data
    if settings.simulation is not None:
        return SimulatedData(Path(place.path), settings, place.pattern)
    where: dict[str, Any] = {
        "in_focus": Path(place.in_focus) if place.in_focus else None,
        "pattern": place.pattern,
        "axes": place.axes,
        "channels": settings.channels,
    }
    if settings.lesson.get("paired") is False:
        folders = index_unpaired(Path(place.path), **where)
        if folders is not None:
            check_without_truth(settings, wanted)
            return UnpairedData(folders, settings, cache_bytes=cache_bytes, on_progress=on_progress)
    index = index_data(Path(place.path), **where, focal_level=settings.focal_level)
    if place.z_spacing_um is not None:
        series = with_z_spacing(index.series, place.z_spacing_um)
        index = replace(index, series=series)
    return SeriesData(index, settings, cache_bytes=cache_bytes, on_progress=on_progress)
