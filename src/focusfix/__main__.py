"""Entry point of the ``focusfix`` command: runs it, and turns what went wrong into an exit code."""

import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

import typer
from typer.main import get_command

from focusfix.cli.app import app
from focusfix.cli.console import Console
from focusfix.cli.starting import collect_again, leave_processors_to_torch
from focusfix.errors import FocusfixError, OutOfMemoryError, UsageError

_INTERRUPTED = 130
_TERMINATED = 143
_ParsingError: type[Any] = typer.BadParameter.__mro__[1]
"""What Typer raises for a line it cannot parse; of that family it exports only this subclass."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; default ``sys.argv[1:]``.

    Returns
    -------
    int
        Exit code, see the table in ``docs/cli.md``. An error that is not a
        :class:`~focusfix.errors.FocusfixError` goes to ``sys.excepthook``, which tells it in one
        sentence; Python then exits with 1.
    """
    leave_processors_to_torch()
    collect_again()
    console = Console()
    with _surroundings(console):
        try:
            code = _run(list(sys.argv[1:] if arguments is None else arguments), console)
        except FocusfixError as error:
            console.error(error)
            if console.debug:
                traceback.print_exception(error)
            code = error.exit_code
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
    if code in (_INTERRUPTED, _TERMINATED):
        console.note("stopped; nothing unfinished was left under an output's name")
    return code


def _run(arguments: list[str], console: Console) -> int:
    try:
        code = get_command(app).main(
            arguments, prog_name="focusfix", standalone_mode=False, obj=console
        )
    except _ParsingError as error:
        path = error.ctx.command_path if error.ctx else "focusfix"
        raise UsageError(
            f"{error.format_message().rstrip('.')}.", f"See {path} --help for what is possible."
        ) from error
    except KeyboardInterrupt:
        return _INTERRUPTED
    except MemoryError as error:
        raise OutOfMemoryError(
            "There is not enough memory for this.",
            "Close other programs, or give a smaller --tile-size or --batch-size.",
        ) from error
    return code if isinstance(code, int) else 0


@contextmanager
def _surroundings(console: Console) -> Iterator[None]:
    """Route warnings of libraries, the signal to terminate and unforeseen errors for one run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    sys.excepthook = lambda kind, error, trace: _tell_internal_error(console, kind, error, trace)
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: console.detail(f"library: {message}")
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signature is given
    raise SystemExit(_TERMINATED)


def _tell_internal_error(
    console: Console,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    if console.debug:
        sys.__excepthook__(kind, error, trace)
        return
    first_line = str(error).partition("\n")[0]
    sys.stderr.write(
        f"error: focusfix met a case it was not made for ({kind.__name__}: {first_line}). "
        "Run the command again with --debug and report what it prints.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
