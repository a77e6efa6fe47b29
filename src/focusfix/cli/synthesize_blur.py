"""``focusfix synthesize-blur``: a sharp image goes out of focus, by a model or by pure optics."""

import typer

from focusfix.cli.blur_options import BlurOptions
from focusfix.cli.command import add_command
from focusfix.cli.console import Console

_EXAMPLES = (
    ("a little out of focus", "focusfix synthesize-blur sharp.tif --alpha 0.7 -o blurred.tif"),
    ("eleven levels of blur, from sharp to blurriest",
     "focusfix synthesize-blur sharp.tif --alphas 1:0:-0.1 -o levels/"),
    ("10 um out of focus through the default lens",
     "focusfix synthesize-blur sharp.tif --dz-um 10 -o blurred.tif"),
    ("a labelled series for training, with camera noise",
     "focusfix synthesize-blur sharp/ --dz-um 5 --dz-um 10 --noise -o series/"),
    ("as blurry as the images that a comi model was trained on",
     "focusfix synthesize-blur sharp.tif -m runs/comi/best.safetensors -o blurred.tif"),
)  # fmt: skip


def run(options: BlurOptions, console: Console) -> None:
    """Put sharp images out of focus.

    With --alpha, a model that knows how images change with blur moves each image towards a
    blurrier one, which optics makes or --blurrier names. With --dz-um, every plane is imaged
    through a wide-field microscope at the given distance from its focal plane, as a thin sample
    that emits (fluorescence) or absorbs weakly (stained, bright field). Weights of comi blur by
    their second network, as much as the images they were trained on. Prints the path of each
    output.
    """
    from focusfix.cli.blurring import blur_files

    blur_files(options, console)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "synthesize-blur", BlurOptions, run, examples=_EXAMPLES)
