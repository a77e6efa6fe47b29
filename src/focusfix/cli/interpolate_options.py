"""Options of ``focusfix interpolate``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from focusfix.cli.console_options import ConfigOptions, ConsoleOptions, JsonOption
from focusfix.cli.options import ComputeOptions
from focusfix.cli.refocus_options import StackOptions


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LadderOptions:
    """The two ends, the steps between them, and the files they go to."""

    sharper_image: Annotated[
        Path,
        typer.Argument(
            metavar="SHARPER",
            help="The sharper image of a field, alpha 1; with --dz-um the only one.",
        ),
    ]
    blurrier_image: Annotated[
        Path | None, typer.Argument(metavar="BLURRIER", help="The blurrier one, alpha 0.")
    ] = None
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="One stack: a file name. One file for each level: a folder, or a template with "
            "{alpha}, and {stem} for the name of the sharper image.",
        ),
    ]
    steps: Annotated[
        int | None,
        typer.Option(
            min=2, metavar="N", help="Levels, both ends included; 9 unless alphas are given."
        ),
    ] = None
    alpha: Annotated[
        list[float] | None,
        typer.Option(metavar="FLOAT", help="One level; repeat for several."),
    ] = None
    alphas: Annotated[
        str | None,
        typer.Option(metavar="A:B:STEP", help="Levels from A to B, both included: 0:1:0.1."),
    ] = None
    dz_um: Annotated[
        str | None,
        typer.Option(
            metavar="A:B:STEP",
            help="Instead of levels between two images: a virtual focal stack of one image, by a "
            "refocuser, at distances from A to B in micrometres: -4:4:0.5. One number makes one "
            "plane.",
        ),
    ] = None
    z_level: Annotated[
        str,
        typer.Option(
            metavar="auto|N",
            help="With --dz-um, for a z-stack: the z-level that distances count from, counted from "
            "0; auto takes the sharpest. refocus-multi uses the levels around each plane.",
        ),
    ] = "auto"
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH",
            help="Weights: a name that focusfix models list shows, or a .safetensors file. By "
            "default latent-line, and refocus with --dz-um.",
        ),
    ] = None
    seed: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Start of the random numbers of models that draw any."
        ),
    ] = 0
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = (
        False
    )
    no_sidecar: Annotated[
        bool, typer.Option("--no-sidecar", help="Do not write OUT.focusfix.json.")
    ] = False


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InterpolateOptions(
    ConsoleOptions, ConfigOptions, JsonOption, ComputeOptions, StackOptions, LadderOptions
):
    """Options of ``focusfix interpolate``."""
