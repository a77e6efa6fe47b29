"""Options of ``focusfix train`` that belong to the lessons of some networks."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from focusfix.errors import UsageError


class Preset(StrEnum):
    """Named settings."""

    PAPER = "paper"


class Triplets(StrEnum):
    """Which three levels of a side of focus make a triplet."""

    AUTO = "auto"
    DYADIC = "dyadic"
    FULL = "full"


class Crops(StrEnum):
    """Where crops lie."""

    RANDOM = "random"
    TEN_CROP = "ten-crop"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LessonOptions:
    """How the network is taught; each option belongs to some networks only."""

    preset: Annotated[
        Preset | None,
        typer.Option(help="Settings of the network's paper for what is not given otherwise."),
    ] = None
    triplets: Annotated[
        Triplets | None,
        typer.Option(
            help="linear-ae-*: the ends and the middle of a side of focus, of its halves, and so "
            "on, or every three levels. Default: auto, dyadic for sides of 3, 5, 9, 17, ... "
            "levels, otherwise full."
        ),
    ] = None
    crops: Annotated[
        Crops | None,
        typer.Option(
            help="linear-ae-*: random places, or corners and centre, plain and mirrored. "
            "Default: random."
        ),
    ] = None
    scale_free: Annotated[
        bool,
        typer.Option(
            "--scale-free",
            help="linear-ae-direct: measure distances from the line in units of its length.",
        ),
    ] = False
    vgg_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="ml-vae, manifold*, comi: weights of VGG-16 for --loss perceptual. Default: those "
            "in torchvision's cache.",
        ),
    ] = None
    lesson_setting: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Setting of the lesson, as --dry-run prints them; repeat."
        ),
    ] = None


def lesson_settings(options: LessonOptions) -> dict[str, Any]:
    """Collect the settings of the lesson that the user gave.

    Parameters
    ----------
    options : LessonOptions
        Those that were not given are None.

    Returns
    -------
    dict of str to JSON value

    Raises
    ------
    UsageError
        If a setting is no ``KEY=VALUE``.
    """
    found = read_assignments("--lesson-setting", options.lesson_setting or [])
    if options.triplets is not None:
        found["triplets"] = str(options.triplets)
    if options.crops is not None:
        found["crops"] = str(options.crops)
    if options.scale_free:
        found["scale_free"] = True
    if options.vgg_weights is not None:
        found["vgg_weights"] = str(options.vgg_weights.expanduser().absolute())
    return found


def read_assignments(option: str, texts: list[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE``, with values in JSON or, where they are none, as they stand.

    Parameters
    ----------
    option : str
        Name of the option, for the message.
    texts : list of str
        What was given.

    Returns
    -------
    dict of str to JSON value
        Keys with underscores.

    Raises
    ------
    UsageError
        If one is something else.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(
                f"{option} takes KEY=VALUE, not {text!r}.", "Write, for example, levels=2."
            )
        try:
            found[key.replace("-", "_")] = json.loads(value)
        except ValueError:
            found[key.replace("-", "_")] = value
    return found
