"""What the user sees: results on stdout, everything else on stderr."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from focusfix.errors import FocusfixError

SCHEMA_VERSION = 1
"""Version of the JSON that is printed and written beside outputs."""

_QUIET_START_S = 2.0
_LINE_EVERY_S = 10.0


Advance = Callable[[float], None]
"""Takes the share of the work that is done, 0 to 1."""


@dataclass
class Console:
    """The two streams of one run, and how much is to be said on the second.

    Parameters
    ----------
    quiet : bool
        Whether only warnings and errors are said.
    verbose : bool
        Whether details are said.
    show_progress : bool
        Whether long work reports on itself.
    debug : bool
        Whether errors are raised with their traceback instead of being told.
    warned : list of str
        Warnings, and notes that are worth saying once, given so far.
    """

    quiet: bool = False
    verbose: bool = False
    show_progress: bool = True
    debug: bool = False
    warned: list[str] = field(default_factory=list)

    def result(self, text: str) -> None:
        """Print one line of the result on stdout."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def record(self, record: dict[str, Any]) -> None:
        """Print one JSON object of the result on a line of stdout."""
        self.result(json.dumps({"schema_version": SCHEMA_VERSION, **record}))

    def note(self, text: str) -> None:
        """Say on stderr what was chosen or done, unless quiet."""
        if not self.quiet:
            self._say(text)

    def note_once(self, text: str) -> None:
        """Say a note that holds for several results the first time only."""
        if text not in self.warned:
            self.warned.append(text)
            self.note(text)

    def detail(self, text: str) -> None:
        """Say on stderr what only the curious want to know."""
        if self.verbose:
            self._say(text)

    def warning(self, text: str) -> None:
        """Say on stderr that a result may not be what the user expects; each text once."""
        if text not in self.warned:
            self.warned.append(text)
            self._say(f"{self._coloured('warning:', '33')} {text}")

    def error(self, error: FocusfixError) -> None:
        """Say on stderr what went wrong and what to do."""
        self._say(f"{self._coloured('error:', '31')} {error}")

    @contextmanager
    def progress(self, label: str) -> Iterator[Advance]:
        """Report on long work: a bar on a terminal, otherwise a line now and then.

        Parameters
        ----------
        label : str
            What is being worked on.

        Yields
        ------
        Advance
            To be called as the work goes on.
        """
        if self.quiet or not self.show_progress:
            yield lambda share: None  # noqa: ARG005 - nobody wants to know
        elif sys.stderr.isatty():
            with _bar(label) as advance:
                yield advance
        else:
            yield _Lines(self, label)

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def _coloured(self, text: str, code: str) -> str:
        wanted = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        return f"\033[{code}m{text}\033[0m" if wanted else text


class _Lines:
    """Progress for log files: silent at first, then a line every few seconds."""

    def __init__(self, console: Console, label: str) -> None:
        self._console = console
        self._label = label
        self._next_s = time.monotonic() + _QUIET_START_S

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        if now >= self._next_s and share < 1:
            self._next_s = now + _LINE_EVERY_S
            self._console.note(f"{self._label}: {share:.0%}")


@contextmanager
def _bar(label: str) -> Iterator[Advance]:
    from rich.console import Console as RichConsole
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=RichConsole(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=1.0)
        yield lambda share: progress.update(task, completed=share)
