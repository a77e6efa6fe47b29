from enum import StrEnum
from typing import Annotated

import pytest
import typer
from typer.core import TyperCommand
from typer.main import get_command

from focusfix.cli.plain_values import PlainCommand


class Kind(StrEnum):
    ONE = "one"
    TWO = "two"


def make(cls):
    """Make a program with every kind of option, which returns what it gets."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False)

    @app.command(cls=cls)
    def run(
        first: Annotated[str, typer.Argument()],
        rest: Annotated[list[str] | None, typer.Argument()] = None,
        flag: Annotated[bool, typer.Option("--flag")] = False,
        text: str = "auto",
        number: float = 1.5,
        count: Annotated[int | None, typer.Option(min=2)] = None,
        counts: Annotated[list[int] | None, typer.Option()] = None,
        kind: Kind = Kind.ONE,
        seen: Annotated[str | None, typer.Option(callback=lambda value: f"seen {value}")] = None,
    ) -> object:
        return first, rest, flag, text, number, count, counts, kind, seen

    return get_command(app)


@pytest.mark.parametrize(
    "line",
    [
        "a", "a b c", "a --flag", "a --text t", "a --number 2", "a --count 3",
        "a --counts 1 --counts 2", "a --kind two", "a --seen s", "",
        "a --count 1", "a --count x", "a --number x", "a --kind three", "a --counts x",
    ],
)  # fmt: skip
def test_values_are_those_of_typer(line):
    def run(cls):
        try:
            values = make(cls).main(line.split(), prog_name="p", standalone_mode=False)
        except typer.BadParameter.__mro__[1] as error:
            return error.format_message()
        return values, [type(value) for value in values]

    assert run(PlainCommand) == run(TyperCommand)
