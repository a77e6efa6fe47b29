"""From what the user asks for to settings, as far as they do not depend on the images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from focusfix.data.simulated_optics import KnownMicroscope
from focusfix.errors import UsageError
from focusfix.models.registry import build_network, get_entry
from focusfix.training.lesson import Precision
from focusfix.training.lessons.table import check_lesson, find_lesson
from focusfix.training.settings import (
    NOTHING,
    OPTION_OF_SETTING,
    DataPlace,
    RunSettings,
)
from focusfix.training.simulated_data import list_sharp_images, plan_simulation
from focusfix.training.start import Start, check_agreement, read_start, start_with

DEFAULT_MODEL = "wiener-unet"
DEFAULT_STEPS = 10_000
_SMALLEST_SIMULATED_CROP_PX = 32
_OF_SERIES = ("channels", "focal_level", "split_by")
_OF_FILES = ("axes", "z_spacing_um")


def draft_settings(
    place: DataPlace,
    wanted: Mapping[str, Any],
    precision: Precision,
    *,
    simulate: bool,
    known: KnownMicroscope | None = None,
) -> RunSettings:
    """Complete the settings of a run, as far as they do not depend on the images.

    Parameters
    ----------
    place : DataPlace
        The images.
    wanted : mapping of str to value
        Settings that the user gave, by the names of :class:`RunSettings`; defaults apply to the
        others. ``start_from`` is a name or path of weights, or "nothing".
    precision : {"fp32", "bf16"}
        Number format that pays on the device.
    simulate : bool
        Whether the images are sharp and are to be blurred.
    known : KnownMicroscope, optional
        The microscope that blurs them; random ones when not given.

    Returns
    -------
    RunSettings
        With the default number of steps, unless one was given.

    Raises
    ------
    UsageError
        If a setting is out of range, or contradicts the weights to start from.
    ModelError
        If the model is unknown or does not train, or there are no weights to start from.
    InputError
        If sharp images are to be blurred and there are none.
    """
    start = _named_start(wanted)
    entry = get_entry(start.header.model if start else wanted.get("model", DEFAULT_MODEL))
    row = find_lesson(entry)
    for name in row.without:
        if name in wanted:
            raise UsageError(
                f"--{name.replace('_', '-')} has no meaning for {entry.name}.", "Leave it out."
            )
    before = start.header.hyperparameters if start else {}
    network = build_network(entry.name, {**before, **wanted.get("hyperparameters", {})})
    defaults = {
        "loss": row.losses[0],
        "steps": DEFAULT_STEPS,
        "validate_every": 1,
        "precision": precision,
        **row.defaults,
    }
    fixed = {
        "data": place,
        "model": entry.name,
        "hyperparameters": network.hyperparameters,
        "start_from": None,
    }
    draft = _validated({**defaults, **wanted, **fixed})
    lesson = check_lesson(entry, draft.loss, draft.lesson)
    draft = draft.model_copy(update={"lesson": lesson})
    if start is not None:
        draft = start_with(draft, start, wanted)
    if not simulate:
        return draft
    _check_simulable(draft, wanted)
    return _with_simulation(draft, known)


def chosen_model(wanted: Mapping[str, Any]) -> str:
    """Name the network: that of the weights to start from, the one that is given, the default."""
    start = _named_start(wanted)
    name: str = start.header.model if start else wanted.get("model", DEFAULT_MODEL)
    return name


def _named_start(wanted: Mapping[str, Any]) -> Start | None:
    """Read the weights that the user named, if any."""
    name = wanted.get("start_from", NOTHING)
    if name == NOTHING:
        return None
    start = read_start(name)
    check_agreement(start, wanted.get("model"), wanted.get("hyperparameters", {}))
    return start


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
    given += [name for name in _OF_FILES if getattr(draft.data, name) is not None]
    if draft.lesson.get("crops") == "ten-crop":
        given.append("crops")
    if given:
        option = OPTION_OF_SETTING.get(given[0], given[0].replace("_", "-"))
        raise UsageError(
            f"--{option} has no meaning for sharp images with --simulate.",
            "Leave it out, or train on focal series without --simulate.",
        )
    if draft.modality == "any":
        raise UsageError(
            "--simulate blurs either fluorescence or bright-field images, not any.",
            "Leave --modality out, or name one of them.",
        )


def _with_simulation(draft: RunSettings, known: KnownMicroscope | None) -> RunSettings:
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
        known=known,
    )
    return draft.model_copy(update={"simulation": simulation})
