"""From what the user asks for to complete settings and data, before the first step."""

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from focusfix.data.layouts import index_data
from focusfix.errors import UsageError
from focusfix.models.base import Restorer
from focusfix.models.registry import build_network, get_entry
from focusfix.runtime.device import Device
from focusfix.runtime.executor import choose_precision
from focusfix.training.data_sources import TrainingData
from focusfix.training.recipes import find_recipe
from focusfix.training.series_data import SeriesData
from focusfix.training.settings import (
    NOTHING,
    OPTION_OF_SETTING,
    DataPlace,
    RunSettings,
    TrainingPrecision,
    check_unchanged,
    default_validate_every,
)
from focusfix.training.simulated_data import SimulatedData, list_sharp_images, plan_simulation
from focusfix.training.start import (
    Start,
    check_agreement,
    default_start,
    read_start,
    start_with,
)

DEFAULT_MODEL = "wiener-unet"
DEFAULT_STEPS = 10_000
_SMALLEST_SIMULATED_CROP_PX = 32
_OF_SERIES = ("channels", "focal_level", "split_by")


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
    """

    data: TrainingData
    settings: RunSettings
    n_parameters: int
    n_trained: int

    def describe(self) -> dict[str, Any]:
        """Summarise data and settings, for ``--dry-run``."""
        settings, start = self.settings, self.settings.start_from
        return {
            **self.data.describe(),
            "model": settings.model,
            "start_from": settings.start_name,
            "start_sha256": start.sha256 if start else None,
            "parameters": self.n_parameters,
            "trained_parameters": self.n_trained,
            "loss": settings.loss,
            "crop_size": settings.crop_size,
            "batch_size": settings.batch_size,
            "steps": settings.steps,
            "epochs": round(settings.steps * settings.batch_size / self.data.crops_per_epoch, 2),
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
    epochs: float | None = None,
    stored: RunSettings | None = None,
    cache_bytes: int = 0,
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
    epochs : float, optional
        Length of the run in passes over the training images, instead of ``steps``.
    stored : RunSettings, optional
        Settings of a run to go on with; ``wanted`` must agree with them.
    cache_bytes : int
        Most memory for planes.
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
    draft = _draft(place, wanted, device, simulate=simulate, stored=stored)
    network = build_network(draft.model, draft.hyperparameters)
    _check_network(network, draft)
    with ExitStack() as at_fault:
        data = _open_data(draft, cache_bytes, on_progress)
        at_fault.callback(data.close)
        if stored is None and "start_from" not in wanted:
            draft = _with_default_start(draft, data, wanted)
            network = build_network(draft.model, draft.hyperparameters)
            _check_network(network, draft)
        draft = _with_length(draft, data, wanted, epochs=epochs, stored=stored)
        at_fault.pop_all()
    sizes = [(each.numel(), each.requires_grad) for each in network.parameters()]
    n_trained = sum(size for size, is_trained in sizes if is_trained)
    return Plan(data, draft, sum(size for size, _ in sizes), n_trained)


def _draft(
    place: DataPlace,
    wanted: Mapping[str, Any],
    device: Device,
    *,
    simulate: bool,
    stored: RunSettings | None,
) -> RunSettings:
    if stored is not None:
        check_unchanged(stored, wanted)
        return stored.model_copy(update={"data": place})
    start = _named_start(wanted)
    entry = get_entry(start.header.model if start else wanted.get("model", DEFAULT_MODEL))
    recipe = find_recipe(entry)
    known = start.header.hyperparameters if start else {}
    network = build_network(entry.name, {**known, **wanted.get("hyperparameters", {})})
    defaults = {
        "loss": recipe.loss,
        "steps": DEFAULT_STEPS,
        "validate_every": 1,
        "precision": training_precision(device),
    }
    fixed = {
        "data": place,
        "model": entry.name,
        "hyperparameters": network.hyperparameters,
        "start_from": None,
    }
    draft = _validated({**defaults, **wanted, **fixed})
    if start is not None:
        draft = start_with(draft, start, wanted)
    if not simulate:
        return draft
    _check_simulable(draft, wanted)
    return _with_simulation(draft)


def _named_start(wanted: Mapping[str, Any]) -> Start | None:
    """Read the weights that the user named, if any."""
    name = wanted.get("start_from", NOTHING)
    if name == NOTHING:
        return None
    start = read_start(name)
    check_agreement(start, wanted.get("model"), wanted.get("hyperparameters", {}))
    return start


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
    data: TrainingData,
    wanted: Mapping[str, Any],
    *,
    epochs: float | None,
    stored: RunSettings | None,
) -> RunSettings:
    """Turn epochs into steps, and divide the steps by validations."""
    if epochs is not None:
        steps = math.ceil(epochs * data.crops_per_epoch / draft.batch_size)
        if stored is not None:
            check_unchanged(stored, {"steps": steps})
        draft = draft.model_copy(update={"steps": max(1, steps)})
    if stored is None and "validate_every" not in wanted:
        every = default_validate_every(draft.steps)
        draft = draft.model_copy(update={"validate_every": every})
    return draft


def _validated(record: Mapping[str, Any]) -> RunSettings:
    try:
        return RunSettings.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        option = OPTION_OF_SETTING.get(name, name.replace("_", "-"))
        raise UsageError(
            f"--{option}: {first['msg']}, got {first['input']!r}.", "Correct the value."
        ) from error


def _check_simulable(draft: RunSettings, wanted: Mapping[str, Any]) -> None:
    """Refuse settings that only focal series have: they would be left out silently."""
    given = [name for name in _OF_SERIES if name in wanted]
    if given or draft.data.axes is not None:
        option = OPTION_OF_SETTING.get(given[0], given[0].replace("_", "-")) if given else "axes"
        raise UsageError(
            f"--{option} has no meaning for sharp images with --simulate.",
            "Leave it out, or train on focal series without --simulate.",
        )
    if draft.modality == "any":
        raise UsageError(
            "--simulate blurs either fluorescence or bright-field images, not any.",
            "Leave --modality out, or name one of them.",
        )


def _with_simulation(draft: RunSettings) -> RunSettings:
    if draft.crop_size < _SMALLEST_SIMULATED_CROP_PX:
        raise UsageError(
            f"--crop-size {draft.crop_size} is too small to simulate defocus in.",
            f"Use at least {_SMALLEST_SIMULATED_CROP_PX}.",
        )
    simulation = plan_simulation(
        list_sharp_images(Path(draft.data.path), draft.data.pattern),
        crop_px=draft.crop_size,
        in_focus_share=draft.in_focus_share,
        modality=draft.modality,
    )
    return draft.model_copy(update={"simulation": simulation})


def training_precision(device: Device) -> TrainingPrecision:
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
    settings: RunSettings, cache_bytes: int, on_progress: Callable[[float], None]
) -> TrainingData:
    place = settings.data
    if settings.simulation is not None:
        return SimulatedData(Path(place.path), settings, place.pattern)
    index = index_data(
        Path(place.path),
        in_focus=Path(place.in_focus) if place.in_focus else None,
        pattern=place.pattern,
        axes=place.axes,
        channels=settings.channels,
        focal_level=settings.focal_level,
    )
    return SeriesData(index, settings, cache_bytes=cache_bytes, on_progress=on_progress)
