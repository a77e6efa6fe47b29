"""Options of ``focusfix score``, and the limits of ``--fail-under``."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from focusfix.cli.checkpoint_options import CheckpointOptions
from focusfix.cli.console_options import ConfigOptions, ConsoleOptions
from focusfix.cli.score_focus_options import FocusOptions
from focusfix.errors import ThresholdError, UsageError


class ScoreFormat(StrEnum):
    """How scores are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ScoreOptions(FocusOptions, CheckpointOptions, ConsoleOptions, ConfigOptions):
    """Options of ``focusfix score``."""

    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE", help="Images to score, folders or quoted globs."),
    ] = None
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="TRUTH",
            help="What the images should be: one image, or a folder with images of the same names.",
        ),
    ] = None
    input: Annotated[
        Path | None,
        typer.Option(
            metavar="BLURRY",
            help="What the images were made from, to score doing nothing and the gain over it: "
            "one image, or a folder with images of the same names.",
        ),
    ] = None
    trust_map: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP",
            help="What deblur --trust-map wrote, to compare expected with true errors: one map, or "
            "a folder with maps of the same names as the images.",
        ),
    ] = None
    pattern: Annotated[
        str | None,
        typer.Option(
            metavar="GLOB", help="Which files of input folders to take, for example '*.tif'."
        ),
    ] = None
    axes: Annotated[
        str | None,
        typer.Option(
            metavar="LETTERS",
            help="One of T Z C Y X S for each dimension, if the files state their axes wrong.",
        ),
    ] = None
    data_range: Annotated[
        float | None,
        typer.Option(
            metavar="GREY",
            help="Largest possible grey value, such as 4095 for a 12-bit camera; by default that "
            "of the bit depth that the reference, or without one the image, declares.",
        ),
    ] = None
    repeat: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGE",
            help="Without a reference: second recording of the same field, or a folder with such "
            "images of the same names, for the resolution; by default each image is split.",
        ),
    ] = None
    pixel_size_um: Annotated[
        float | None,
        typer.Option(metavar="UM", help="Pixel size in the sample, instead of the file's."),
    ] = None
    affine_fit: Annotated[
        bool,
        typer.Option(
            "--affine-fit",
            help="Measure intensities also after the gain and offset, one each for a plane, that "
            "bring the image closest to the reference.",
        ),
    ] = False
    band_from: Annotated[
        float | None,
        typer.Option(
            metavar="PER_PX",
            help="Spatial frequency from which on the blur destroyed detail, cycles per pixel, "
            "for band coherence; by default measured from --input.",
        ),
    ] = None
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="Y,X|Y0,X0:Y1,X1",
            help="Width at half maximum of the bead at a point, along both axes, or of what a line "
            "crosses; pixels, rows first.",
        ),
    ] = None
    profile_plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg", help="Draw the intensities along these lines; SVG, PNG or PDF."
        ),
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Write a page with scores, curves, pictures, and what they were made from, in one "
            "file, whatever --format prints; replaced if it exists.",
        ),
    ] = None
    format: Annotated[
        ScoreFormat,
        typer.Option(
            metavar="table|json|csv|html",
            help="For reading, one JSON object a line, one row a plane with every measure, or the "
            "page that --report writes.",
        ),
    ] = ScoreFormat.TABLE
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Exit with 8 if the mean of a measure, or of its gain (psnr_gain=1.0), is less; "
            "repeat for several.",
        ),
    ] = None


def parse_limits(texts: Iterable[str], known: Mapping[str, str]) -> dict[str, float]:
    """Read the values of ``--fail-under``.

    Parameters
    ----------
    texts : iterable of str
        Each ``NAME=VALUE``.
    known : mapping of str to str
        Names that can be given; with a reason for those that cannot, empty for the others.

    Returns
    -------
    dict of str to float
        Limits by name.

    Raises
    ------
    UsageError
        If the form, the name or the number is wrong.
    """
    limits = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            limit = float(number)
        except ValueError:
            limit = math.nan
        if math.isnan(limit):
            raise UsageError(
                f"--fail-under takes NAME=VALUE, not {text!r}.",
                "Write, for example, --fail-under psnr_gain=1.0.",
            )
        if name not in known:
            possible = ", ".join(each for each, reason in known.items() if not reason)
            raise UsageError(f"--fail-under knows no {name!r}.", f"Known are: {possible}.")
        if known[name]:
            raise UsageError(f"--fail-under {text} cannot be checked: {known[name]}.", "Change it.")
        limits[name] = limit
    return limits


def check_limits(means: Mapping[str, float], limits: Mapping[str, float]) -> None:
    """Compare mean scores with their limits.

    Parameters
    ----------
    means : mapping of str to float
        Mean scores by name; NaN where a measure is not defined.
    limits : mapping of str to float
        The smallest values wanted.

    Raises
    ------
    ThresholdError
        If a score is less than its limit or not defined.
    """
    missed = [
        f"{name} is not defined for these images"
        if math.isnan(means[name])
        else f"{name} is {means[name]:.4g}, less than {limit:g}"
        for name, limit in limits.items()
        if not means[name] >= limit
    ]
    if missed:
        raise ThresholdError(
            f"--fail-under is not met: {'; '.join(missed)}.",
            "The scores above show where the images fall short.",
        )
