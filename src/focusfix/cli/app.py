"""The tree of commands. A command's module is imported when somebody asks for the command.

Those modules are light, too: what is heavy they import when they run.
"""

from typing import Annotated

import typer

from focusfix import __version__
from focusfix.cli.command import format_examples, make_group, show_help_without_command

COMMANDS = {
    "deblur": "focusfix.cli.deblur",
    "synthesize-blur": "focusfix.cli.synthesize_blur",
    "interpolate": "focusfix.cli.interpolate",
    "train": "focusfix.cli.train",
    "score": "focusfix.cli.score",
    "info": "focusfix.cli.info",
    "models": "focusfix.cli.models",
    "doctor": "focusfix.cli.doctor",
}
"""Commands in the order of the help, and the module whose ``register`` adds each to an app."""

app = typer.Typer(
    name="focusfix",
    cls=make_group(COMMANDS),
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
