"""The tree of commands. Modules of commands are light: what is heavy they import when they run."""

from typing import Annotated

import typer

from focusfix import __version__
from focusfix.cli import deblur, doctor, info, models, synthesize_blur, train
from focusfix.cli.command import format_examples

app = typer.Typer(
    name="focusfix",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    epilog=format_examples(
        (
            ("make an out-of-focus image sharp", "focusfix deblur in.tif -o out.tif"),
            ("what would be done, without doing it", "focusfix info in.tif"),
        )
    ),
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"focusfix {__version__}")
        raise typer.Exit


@app.callback()
def describe(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    """Take microscopy images out of blur, or blur them on purpose.

    Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 internal error; 2
    usage; 3 bad input; 4 model or device; 5 out of memory; 6 output exists or cannot be written;
    7 part of a batch failed; 130 and 143 interrupted.
    """


deblur.register(app)
synthesize_blur.register(app)
train.register(app)
info.register(app)
models.register(app)
doctor.register(app)
