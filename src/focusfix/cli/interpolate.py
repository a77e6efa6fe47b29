"""``focusfix interpolate``: blur levels between two images, or focal planes around one."""

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
    ("a virtual focal stack of one image, by a refocuser",
     "focusfix interpolate in.tif -m runs/refocus/best.safetensors --dz-um -4:4:0.5 -o stack.tif"),
    ("planes between those of a z-stack, counted from its first one",
     "focusfix interpolate z.tif -m runs/m/best.safetensors --dz-um 0:9:0.5 --z-level 0 -o f.tif"),
)  # fmt: skip


def run(options: InterpolateOptions, console: Console) -> None:
    """Make the blur levels between two images of one field, or focal planes around one image.

    The levels go from the sharper image, alpha 1, to the blurrier one, alpha 0, through the codes
    of a model; the ends of models that move along a line are the images themselves. With --dz-um
    a refocuser makes a virtual focal stack of one image, or planes between the z-levels of a
    stack. Prints the path of each output.
    """
    if options.dz_um is not None:
        from focusfix.cli.virtual_stack import write_virtual_stack

        write_virtual_stack(options, console)
        return
    from focusfix.cli.interpolation import write_ladder

    write_ladder(options, console)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "interpolate", InterpolateOptions, run, examples=_EXAMPLES)
