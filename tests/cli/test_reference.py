"""The page on the command line is what the commands say of themselves."""

from pathlib import Path

import pytest
from typer.main import get_command

from focusfix.cli.app import app
from focusfix.cli.reference import write_reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = ("deblur", "synthesize-blur", "interpolate", "score", "info", "doctor")
MODEL_COMMANDS = ("list", "show", "verify", "path")


def test_page_equals_generated_text():
    assert PAGE.read_text(encoding="utf-8") == write_reference(), (
        "run: python -m focusfix.cli.reference > docs/cli.md"
    )


@pytest.mark.parametrize(
    "command", [*([name] for name in COMMANDS), *(["models", name] for name in MODEL_COMMANDS)]
)
def test_help_shows_examples(run_cli, command):
    done = run_cli(*command, "--help")
    assert done.code == 0
    assert "Examples:" in done.out
    assert f"  focusfix {' '.join(command)}" in done.out
    assert done.err == ""


def test_no_command_shows_the_help(run_cli):
    for command in ([], ["models"]):
        done = run_cli(*command)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"Usage: {' '.join(['focusfix', *command])} ")


def test_version(run_cli):
    from focusfix import __version__

    assert run_cli("--version").out == f"focusfix {__version__}\n"


def walk(command):
    yield command
    for child in getattr(command, "commands", {}).values():
        yield from walk(child)


def test_flags_keep_the_conventions():
    for command in walk(get_command(app)):
        for parameter in command.params:
            for flag in (*parameter.opts, *parameter.secondary_opts):
                if flag.startswith("--"):
                    assert flag == flag.lower().replace("_", "-")
                elif flag.startswith("-"):
                    assert flag in {"-o", "-m", "-q", "-v"}
            assert parameter.nargs in {1, -1}
