"""How a command is made: a record of options, examples, and a function that gets both streams."""

import inspect
from collections import UserDict
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from typing import Any, TypeVar, get_type_hints

import typer
from typer.main import get_group

from focusfix.cli.console import Console
from focusfix.cli.console_options import ConfigOptions, ConsoleOptions
from focusfix.cli.plain_values import PlainCommand, PlainGroup
from focusfix.cli.settings import format_config

OptionsT = TypeVar("OptionsT", bound=ConsoleOptions)

Examples = tuple[tuple[str, str], ...]
"""What an example does, and its command line."""


def add_command(
    app: typer.Typer,
    name: str,
    options_type: type[OptionsT],
    run: Callable[[OptionsT, Console], None],
    *,
    examples: Examples,
) -> None:
    """Add one command to an app.

    Parameters
    ----------
    app : typer.Typer
        The app or sub-app.
    name : str
        What the user types; kebab-case.
    options_type : type
        Frozen dataclass whose fields are the options, as in :mod:`focusfix.cli.options`.
    run : callable
        Does the work. Its docstring, up to a form feed, is the help.
    examples : tuple of (str, str)
        Shown at the end of the help.
    """

    def callback(context: typer.Context, **values: Any) -> None:
        options = options_type(**values)
        console = context.ensure_object(Console)
        console.quiet = options.quiet
        console.verbose = options.verbose
        console.show_progress = not options.no_progress
        console.debug = options.debug
        if isinstance(options, ConfigOptions) and options.print_config:
            console.result(format_config(context))
            return
        run(options, console)

    parameters = [_context_parameter(), *_option_parameters(options_type)]
    vars(callback)["__signature__"] = inspect.Signature(parameters)
    callback.__annotations__ = {each.name: each.annotation for each in parameters}
    epilog = format_examples(examples)
    app.command(name, cls=PlainCommand, help=run.__doc__, epilog=epilog)(callback)


def make_group(modules: Mapping[str, str]) -> type[PlainGroup]:
    """Make a group of commands each of which is imported when it is first asked for.

    Parameters
    ----------
    modules : mapping of str to str
        What the user types, in the order of the help, and the module whose function ``register``
        adds the command to an app.

    Returns
    -------
    type
        For ``typer.Typer(cls=...)``.
    """

    class Group(PlainGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands = _CommandTable(modules)

    return Group


class _CommandTable(UserDict[str, Any]):
    """Commands by name: a command once it was asked for, the name of its module before."""

    def __getitem__(self, name: str) -> Any:
        if isinstance(self.data[name], str):
            alone = typer.Typer(rich_markup_mode=None)
            import_module(self.data[name]).register(alone)
            self.data[name] = get_group(alone).commands[name]
        return self.data[name]


def format_examples(examples: Examples) -> str:
    r"""Lay examples out for the end of a help page.

    Parameters
    ----------
    examples : tuple of (str, str)
        What an example does, and its command line.

    Returns
    -------
    str
        Paragraphs that start with ``\b``, which keeps their line breaks.
    """
    lines = ["\b", "Examples:"]
    for purpose, line in examples:
        lines += [f"  # {purpose}", f"  {line}"]
    return "\n".join(lines)


def show_help_without_command(context: typer.Context) -> None:
    """Print the help of a group of commands if none of them was given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _context_parameter() -> inspect.Parameter:
    return inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


def _option_parameters(options_type: type) -> list[inspect.Parameter]:
    hints = get_type_hints(options_type, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(options_type)
    ]
