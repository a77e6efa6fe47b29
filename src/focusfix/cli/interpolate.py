"""``focusfix interpolate``: a ladder of blur levels between two images of one field."""

import typer

from focusfix.cli.command import add_command
from focusfix.cli.console import Console
from focusfix.cli.interpolate_options import InterpolateOptions

_EXAMPLES = (
    ("nine levels as one stack",
     "focusfix interpolate sharper.tif blurrier.tif --steps 9 -o series.tif"),
    ("chosen levels, one file each",
     "focusfix interpolate sharper.tif blurrier.tif --alphas 0:1:0.1 -o levels/"),
    ("with your own model",
     "focusfix interpolate z16.tif z0.tif -m runs/line/best.safetensors -o 'z_{alpha}.tif'"),
)  # fmt: skip


def run(options: InterpolateOptions, console: Console) -> None:
    """Make the blur levels between two images of one field.

    The levels go from the sharper image, alpha 1, to the blurrier one, alpha 0, through the codes
    of a model; the ends of models that move along a line are the images themselves. Prints the
    path of each output.
    """
    from focusfix.cli.interpolation import write_ladder

    write_ladder(options, console)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "interpolate", InterpolateOptions, run, examples=_EXAMPLES)
