"""Options of ``focusfix score --checkpoint``: how good weights are."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ScoredFields(StrEnum):
    """Which fields weights are scored on."""

    TEST = "test"
    VALIDATION = "validation"
    ALL = "all"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CheckpointOptions:
    """Options that choose weights, and the focal series they are scored on."""

    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Weights to score instead of images: by the protocols of their kind of model.",
        ),
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Focal series for --checkpoint, in any layout that train reads."
        ),
    ] = None
    split: Annotated[
        ScoredFields,
        typer.Option(
            metavar="test|validation|all",
            help="Fields for --checkpoint: those that the weights say were kept from training, or "
            "all, trained on or not.",
        ),
    ] = ScoredFields.TEST
    channel: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Channel of --data to take; repeat for several."),
    ] = None
    focal_level: Annotated[
        str,
        typer.Option(
            metavar="auto|sharpest|LEVEL",
            help="The z-level of --data in focus: what the layout declares or else the sharpest, "
            "always the sharpest, or this one.",
        ),
    ] = "auto"
    level_step: Annotated[
        int,
        typer.Option(
            metavar="N", help="Take every N-th z-level of --data, counted from the one in focus."
        ),
    ] = 1
    crop_size: Annotated[
        int | None,
        typer.Option(
            metavar="PX",
            help="Score only a square in the middle of each field of --data, as the papers do "
            "with 128 pixels; by default whole fields.",
        ),
    ] = None
    latent_plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Draw the codes of --checkpoint into this .svg or .png file: their paths over "
            "the levels (PCA), and for models with two codes a map of both (t-SNE).",
        ),
    ] = None
