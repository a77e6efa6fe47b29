"""The tree of commands. Modules of commands are light: what is heavy they import when they run."""

from typing import Annotated

import typer

from focusfix import __version__
from focusfix.cli import deblur, doctor, info, interpolate, models, score, synthesize_blur, train
from focusfix.cli.command import format_examples, show_help_without_command

app = typer.Typer(
    name="focusfix",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=format_examples(
        (
            ("make an out-of-focus image sharp", "focusfix deblur in.tif -o out.tif"),
            ("what would be done, without doing it", "focusfix info in.tif"),
        )
    ),
)


@app.callback(invoke_without_command=True)
def describe(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Take microscopy images out of blur, or blur them on purpose.

    Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 internal error; 2
    usage; 3 bad input; 4 model or device; 5 out of memory; 6 output exists or cannot be written;
    7 part of a batch failed; 8 a --fail-under threshold was not met; 130 and 143 interrupted.
    """
    if version:
        typer.echo(f"focusfix {__version__}")
        raise typer.Exit
    show_help_without_command(context)


deblur.register(app)
synthesize_blur.register(app)
interpolate.register(app)
train.register(app)
score.register(app)
info.register(app)
models.register(app)
doctor.register(app)
