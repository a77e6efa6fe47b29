"""Options of ``focusfix train``, as frozen records."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from focusfix.cli.console_options import ConfigOptions, ConsoleOptions, JsonOption
from focusfix.cli.learning_options import LearningOptions, TrainingPrecision
from focusfix.cli.lesson_options import LessonOptions, lesson_settings, read_assignments
from focusfix.cli.simulation_options import SimulationOptions
from focusfix.errors import UsageError


class SplitBy(StrEnum):
    """What is never divided between splits."""

    AUTO = "auto"
    FIELD = "field"
    WELL = "well"


class SplitOrder(StrEnum):
    """How fields are dealt out to the splits."""

    SHUFFLE = "shuffle"
    PLATE_ORDER = "plate-order"


class Modality(StrEnum):
    """Kind of image."""

    AUTO = "auto"
    FLUORESCENCE = "fluorescence"
    BRIGHTFIELD = "brightfield"
    ANY = "any"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DataOptions:
    """Which images, and how they are understood."""

    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="Folder with z-stacks, with folders z_00, z_01, ..., with two folders such as "
            "out_of_focus and in_focus, or with sharp images (--simulate); a CSV manifest; an "
            "OME-Zarr plate; or one z-stack.",
        ),
    ] = None
    in_focus: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder with the in-focus images; DATA holds the out-of-focus ones."
        ),
    ] = None
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="DATA are sharp images: blur them by simulated optics."),
    ] = False
    pattern: Annotated[
        str | None,
        typer.Option(metavar="GLOB", help="Which image files to take, for example '*_w1*.tif'."),
    ] = None
    axes: Annotated[
        str | None,
        typer.Option(
            metavar="LETTERS",
            help="One of T Z C Y X S for each dimension, if the files state their axes wrong.",
        ),
    ] = None
    channel: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|N",
            help="Channel to learn, by name or counted from 0; repeat for several. Default: all.",
        ),
    ] = None
    focal_level: Annotated[
        str | None,
        typer.Option(
            metavar="auto|sharpest|N",
            help="The z-level in focus. auto takes what the data declare (16 for BBBC006), "
            "otherwise the sharpest plane of each field.",
        ),
    ] = None
    z_spacing_um: Annotated[
        float | None,
        typer.Option(
            metavar="UM", help="Distance of neighbouring z-levels, instead of what the files say."
        ),
    ] = None
    modality: Annotated[
        Modality | None, typer.Option(help="Kind of image. Default: what the images look like.")
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SplitOptions:
    """Which fields are kept from training."""

    validation_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the fields for validation. Default: 0.1."),
    ] = None
    test_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the fields kept for tests. Default: 0.1."),
    ] = None
    split_by: Annotated[
        SplitBy | None,
        typer.Option(help="What stays together. Default: wells where they are known, else fields."),
    ] = None
    split: Annotated[
        SplitOrder | None,
        typer.Option(
            help="Shuffled by --seed, or in plate order: the first fields for test, the next for "
            "validation. Default: shuffle."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RunOptions:
    """Where the run is kept, and where it computes."""

    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="RUN", help="Folder for the run.")
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in RUN, exactly as if it had not been stopped."
        ),
    ] = False
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run that is in RUN.")
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what was understood, and do not train.")
    ] = False
    device: Annotated[
        str,
        typer.Option(
            envvar="FOCUSFIX_DEVICE",
            metavar="auto|cpu|cuda[:N]|mps",
            help="auto takes the best there is; a device that is named must be there.",
        ),
    ] = "auto"
    cache_mb: Annotated[
        int,
        typer.Option(min=0, help="Most memory for images; those beyond it are read again."),
    ] = 4096


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrainOptions(
    ConsoleOptions,
    ConfigOptions,
    JsonOption,
    LearningOptions,
    LessonOptions,
    SplitOptions,
    RunOptions,
    SimulationOptions,
    DataOptions,
):
    """Options of ``focusfix train``."""


_SAME_NAME = (
    "model", "start_from", "loss", "steps", "batch_size", "accumulate", "crop_size",
    "learning_rate", "in_focus_share", "validate_every", "validation_crops", "patience", "seed",
    "licence", "validation_share", "test_share", "split_by", "split", "focal_level", "modality",
)  # fmt: skip


def wanted_settings(options: TrainOptions) -> dict[str, Any]:
    """Collect the settings of the run that the user gave.

    Parameters
    ----------
    options : TrainOptions
        Those that were not given are None.

    Returns
    -------
    dict of str to value
        By the names of the run's settings.

    Raises
    ------
    UsageError
        If a setting is no ``KEY=VALUE``, or steps and epochs are both given.
    """
    if options.steps is not None and options.epochs is not None:
        raise UsageError("--steps and --epochs were both given.", "Give one of them.")
    if options.epochs is not None and not 0 < options.epochs < float("inf"):
        raise UsageError("--epochs must be greater than 0.", "Give a number such as 50.")
    wanted = {name: getattr(options, name) for name in _SAME_NAME}
    wanted["channels"] = tuple(options.channel) if options.channel else None
    wanted["hyperparameters"] = read_assignments("--model-setting", options.model_setting or [])
    wanted["lesson"] = lesson_settings(options)
    if options.precision is not TrainingPrecision.AUTO:
        wanted["precision"] = options.precision
    given = {name: value for name, value in wanted.items() if value not in (None, {})}
    return {name: str(v) if isinstance(v, StrEnum) else v for name, v in given.items()}
