"""Options of every command: what is said, in which form, and the file that holds the others.

They are records as those of :mod:`focusfix.cli.options`, apart from them for commands that need no
others and are to start quickly.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from focusfix.cli.console import Console
from focusfix.cli.settings import load_config


def _keep_traceback(context: typer.Context, value: bool) -> bool:
    """Switch tracebacks on before anything else is parsed, so that no error is too early."""
    context.ensure_object(Console).debug = value
    return value


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ConsoleOptions:
    """What is said while a command runs."""

    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but warnings and errors.")
    ] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more on stderr about what is done.")
    ] = False
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress.")] = False
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            callback=_keep_traceback,
            is_eager=True,
            help="Show the Python traceback of an error.",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class JsonOption:
    """Results for programs."""

    json: Annotated[
        bool,
        typer.Option("--json", help="Print results as JSON, one object a line for several files."),
    ] = False


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ConfigOptions:
    """Options from a file."""

    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE.toml",
            callback=load_config,
            is_eager=True,
            help="Read options from the file's table named after the command. "
            "The command line and the environment come before it.",
        ),
    ] = None
    print_config: Annotated[
        bool,
        typer.Option(
            "--print-config",
            help="Print the options in effect, with their origin, as a config file; do no work.",
        ),
    ] = False
