"""``focusfix deblur``: an out-of-focus image becomes an in-focus image."""

import typer

from focusfix.cli.command import add_command
from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions

_EXAMPLES = (
    ("the default model, chosen from the image", "focusfix deblur in.tif -o out.tif"),
    ("a whole folder into another one", "focusfix deblur plate/ --pattern '*.tif' -o fixed/"),
    ("your own model, on the first graphics card",
     "focusfix deblur in.tif -m runs/first/best.safetensors --device cuda:0 -o out.tif"),
    ("one channel of several; the others are copied",
     "focusfix deblur cells.tif --channel 0 -o '{stem}_deblurred.tif'"),
    ("from two images of one field, by extrapolation",
     "focusfix deblur z10.tif --blurrier z0.tif --model latent-line -o out.tif"),
    ("without learning, from the lens alone",
     "focusfix deblur in.tif -m wiener --dz-um auto --numerical-aperture 0.6 -o out.tif"),
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "deblur", DeblurOptions, run, examples=_EXAMPLES)


def run(options: DeblurOptions, console: Console) -> None:
    """Make out-of-focus images sharp.

    Every plane is restored on its own; axes, pixel size, pixel type and grey values stay those
    of the input. Models of the latent-line family continue the line through the codes of two
    images of a field, --blurrier being the second, or through those of the image and a copy of it
    that is blurred by optics. The models wiener, richardson-lucy and unsharp have learned nothing;
    edf makes one image of each z-stack. Prints the path of each output.
    """
    from focusfix.cli.deblurring import deblur_files

    deblur_files(options, console)
