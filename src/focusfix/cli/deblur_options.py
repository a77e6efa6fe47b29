"""Options of ``focusfix deblur``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from focusfix.cli.choices import Normalization
from focusfix.cli.classical_options import ClassicalOptions
from focusfix.cli.console_options import ConfigOptions, ConsoleOptions, JsonOption
from focusfix.cli.options import BatchOptions, ComputeOptions
from focusfix.cli.refocus_options import StackOptions


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ModelOptions:
    """Which network, and what it is told of the image."""

    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH",
            help="Weights: a name that focusfix models list shows, or a .safetensors file. "
            "auto takes fluorescence or brightfield, whichever each channel looks like. Without "
            "learning: wiener, richardson-lucy, unsharp, and edf, which fuses z-stacks.",
        ),
    ] = "auto"
    camera_offset: Annotated[
        float | None,
        typer.Option(
            metavar="COUNTS",
            help="Grey value of darkness; by default the darkest pixels of each channel.",
        ),
    ] = None
    normalize: Annotated[
        Normalization,
        typer.Option(
            metavar="auto|dtype",
            help="Grey values that become 0 and 1 for the network: percentiles of each channel, "
            "as the model card says, or the whole range of the pixel type.",
        ),
    ] = Normalization.AUTO
    seed: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Start of the random numbers of models that draw any."
        ),
    ] = 0


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LineOptions:
    """What models with codes are told: how far to go, and from where to where."""

    alpha: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FLOAT|auto",
            help="For models that extrapolate: where the image lies between the blurrier end (0) "
            "and focus (1); 1 leaves it as it is, less sharpens more. auto tries some and keeps "
            "to what agrees with the image once it is blurred again. Repeat for a series: OUT is "
            "then a folder.",
        ),
    ] = None
    alphas: Annotated[
        str | None,
        typer.Option(
            metavar="A:B:STEP", help="A series of alphas from A to B, both included: 0.25:1:0.25."
        ),
    ] = None
    blurrier: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A blurrier image of the same field, to extrapolate from; for several inputs a "
            "folder with files of the same names.",
        ),
    ] = None
    self_blur_um: Annotated[
        float | None,
        typer.Option(
            metavar="UM",
            help="Without --blurrier: the defocus that makes the blurrier image out of the input; "
            "by default half the largest blur that the model was trained on.",
        ),
    ] = None
    in_focus_reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For models with a blur code: an image in focus, taken the same way, whose code "
            "is used instead of the one stored with the weights.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReportOption:
    """A record of the whole run, and what tells how far to believe it."""

    trust_map: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Write the absolute error to expect at each pixel, in grey values, as TIFF or "
            "OME-Zarr; for several inputs a folder, or a template with {stem}. Takes about five "
            "times as long as the result.",
        ),
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Write what was done to every file as JSON."),
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DeblurOptions(
    ConsoleOptions,
    ConfigOptions,
    JsonOption,
    ReportOption,
    ComputeOptions,
    ClassicalOptions,
    LineOptions,
    StackOptions,
    ModelOptions,
    BatchOptions,
):
    """Options of ``focusfix deblur``."""
