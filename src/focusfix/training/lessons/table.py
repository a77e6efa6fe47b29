"""Which lesson teaches which objective of the registry of networks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from pydantic import ValidationError

from focusfix.config import FrozenModel
from focusfix.errors import ModelError, UsageError
from focusfix.models.entries import ModelEntry
from focusfix.models.registry import get_entry
from focusfix.training.lesson import Arithmetic, Lesson, LessonBuilder, LessonContext, LossName
from focusfix.training.lessons.comi import build_comi_lesson
from focusfix.training.lessons.comi_options import COMI_DEFAULTS, COMI_PRESET, ComiOptions
from focusfix.training.lessons.image_distance import IMAGE_LOSSES
from focusfix.training.lessons.latent_line import PAPER_PRESET, LineOptions, build_line_lesson
from focusfix.training.lessons.manifold import (
    MANIFOLD_PRESET,
    ManifoldOptions,
    build_manifold_lesson,
)
from focusfix.training.lessons.ml_vae import ML_VAE_PRESET, MlVaeOptions, build_ml_vae_lesson
from focusfix.training.lessons.pairs import build_pair_lesson
from focusfix.training.lessons.refocus import RefocusOptions, build_refocus_lesson
from focusfix.training.settings import RunSettings


class NoOptions(FrozenModel):
    """Options of a lesson that has none."""


@dataclass(frozen=True)
class LessonRow:
    """How an objective is taught.

    Parameters
    ----------
    build : callable
        Makes the lesson.
    losses : tuple of str
        How images may be compared; the first one unless the user asks for another.
    options : subclass of FrozenModel
        Settings of the lesson, with their defaults; those the user gives are checked with it.
    presets : mapping of str to mapping of str to value
        Named settings of a run, such as those of a paper: by the names of the run's settings, those
        of the lesson under "lesson", and "epochs" or "steps" for the length.
    without : tuple of str
        Settings of a run that mean nothing to the lesson.
    defaults : mapping of str to value
        Settings of a run, by their names, unless the user gives others.
    """

    build: LessonBuilder
    losses: tuple[LossName, ...]
    options: type[FrozenModel] = NoOptions
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    without: tuple[str, ...] = ("in_focus_share",)
    defaults: Mapping[str, Any] = field(default_factory=dict)


_PAIR_LOSSES: tuple[LossName, ...] = ("l1", "mse", "tempered-error")
_LINE = LessonRow(build_line_lesson, ("l1", "mse"), LineOptions, {"paper": PAPER_PRESET})
_ROWS: Mapping[str, LessonRow] = MappingProxyType(
    {
        "multi-scale-l1": LessonRow(build_pair_lesson, _PAIR_LOSSES, without=()),
        "tempered-error": LessonRow(build_pair_lesson, ("tempered-error", "l1", "mse"), without=()),
        "line-baseline": _LINE,
        "line-indirect": _LINE,
        "line-direct": _LINE,
        "comi": LessonRow(
            build_comi_lesson,
            IMAGE_LOSSES,
            ComiOptions,
            {"paper": COMI_PRESET},
            defaults=COMI_DEFAULTS,
        ),
        "manifold": LessonRow(
            build_manifold_lesson, IMAGE_LOSSES, ManifoldOptions, {"paper": MANIFOLD_PRESET}
        ),
        "ml-vae": LessonRow(
            build_ml_vae_lesson, IMAGE_LOSSES, MlVaeOptions, {"paper": ML_VAE_PRESET}
        ),
        "refocus": LessonRow(build_refocus_lesson, ("l1", "mse"), RefocusOptions),
        "refocus-multi": LessonRow(build_refocus_lesson, ("l1", "mse"), RefocusOptions),
    }
)


def find_lesson(entry: ModelEntry) -> LessonRow:
    """Look up how a network is taught.

    Parameters
    ----------
    entry : ModelEntry
        Row of the registry; its objective decides.

    Returns
    -------
    LessonRow

    Raises
    ------
    ModelError
        If focusfix has no lesson for the network.
    """
    if entry.objective not in _ROWS:
        raise ModelError(
            f"{entry.name} cannot be trained by focusfix train (objective {entry.objective}).",
            "Choose another --model; focusfix models list shows what each one can do.",
        )
    return _ROWS[entry.objective]


def with_preset(entry: ModelEntry, preset: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in named settings for what the user left open.

    Parameters
    ----------
    entry : ModelEntry
        The network to teach.
    preset : str
        Name of the settings.
    wanted : mapping of str to value
        Settings that the user gave, which win; with "epochs" or "steps" the length is given.

    Returns
    -------
    dict of str to value

    Raises
    ------
    ModelError
        If focusfix has no lesson for the network.
    UsageError
        If the lesson has no such preset.
    """
    row = find_lesson(entry)
    if preset not in row.presets:
        raise UsageError(f"--preset {preset} has no meaning for {entry.name}.", "Leave it out.")
    chosen = dict(row.presets[preset])
    if "steps" in wanted:
        chosen.pop("epochs", None)
    lesson = {**chosen["lesson"], **wanted.get("lesson", {})}
    return {**chosen, **wanted, "lesson": lesson}


def check_lesson(entry: ModelEntry, loss: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check what the user asks of a lesson, and complete its options.

    Parameters
    ----------
    entry : ModelEntry
        The network to teach.
    loss : str
        How images are to be compared.
    options : mapping of str to JSON value
        Settings of the lesson that were given.

    Returns
    -------
    dict of str to JSON value
        All settings of the lesson.

    Raises
    ------
    ModelError
        If focusfix has no lesson for the network.
    UsageError
        If the lesson does not have the loss or an option, or a value is out of range.
    """
    row = find_lesson(entry)
    if loss not in row.losses:
        raise UsageError(
            f"--loss {loss} has no meaning for {entry.name}.", f"Use {', '.join(row.losses)}."
        )
    known = row.options.model_fields
    for name in options:
        if name not in known:
            raise UsageError(
                f"--{name.replace('_', '-')} has no meaning for {entry.name}.",
                f"Its lesson takes {', '.join(known)}." if known else "Leave it out.",
            )
    try:
        return row.options.model_validate(dict(options)).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-") if first["loc"] else "lesson-setting"
        raise UsageError(
            f"--{name}: {first['msg']}, got {first['input']!r}.", "Correct the value."
        ) from error


def make_lesson(settings: RunSettings, device_kind: str) -> Lesson[Any]:
    """Make the lesson of a run.

    Parameters
    ----------
    settings : RunSettings
        Of the run.
    device_kind : str
        "cpu", "cuda" or "mps".

    Returns
    -------
    Lesson
        Its adversary, if any, has the first weights that follow from the seed. Torch's random
        state is left as it was.

    Raises
    ------
    ModelError
        If focusfix has no lesson for the network.
    """
    entry = get_entry(settings.model)
    context = LessonContext(
        objective=entry.objective,
        loss=settings.loss,
        crop_px=settings.crop_size,
        seed=settings.seed,
        steps=settings.steps,
        steps_per_epoch=settings.steps_per_epoch,
        learning_rate=settings.learning_rate,
        arithmetic=Arithmetic(device_kind, settings.precision),
        options=settings.lesson,
        samples_at_once=settings.samples_at_once,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return find_lesson(entry).build(context)
