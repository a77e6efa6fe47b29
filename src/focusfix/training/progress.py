"""Tell how a run goes: a live table on a terminal, otherwise a line now and then."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from focusfix.training.log import ValidationScore

_LINE_EVERY_S = 10.0
_MOVING_SHARE = 0.05


@dataclass(frozen=True)
class Status:
    """Where a run stands after a step.

    Parameters
    ----------
    step, steps : int
        Taken and wanted.
    loss : float
        Of the step's batch.
    learning_rate : float
        Of the step.
    crops_per_step : int
        In its batches.
    validated : bool
        Whether ``validation`` is of this step.
    validation : ValidationScore, optional
        The newest one.
    best : ValidationScore, optional
        The best one so far.
    terms : mapping of str to float
        Other terms of the loss.
    warnings : tuple of str
        What is going wrong since this step.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    crops_per_step: int
    validated: bool = False
    validation: ValidationScore | None = None
    best: ValidationScore | None = None
    terms: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class ProgressView(Protocol):
    """Somewhere to tell how a run goes."""

    def show(self, status: Status) -> None:
        """Take note of a step."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class _Pace:
    """Moving means of the loss, of its terms and of the time that a step takes."""

    def __init__(self) -> None:
        self.loss: float | None = None
        self.terms: dict[str, float] = {}
        self.step_s: float | None = None
        self._last_s: float | None = None

    def add(self, status: Status) -> None:
        now = time.monotonic()
        self.loss = _moved(self.loss, status.loss)
        for name, value in status.terms.items():
            self.terms[name] = _moved(self.terms.get(name), value)
        if self._last_s is not None:
            self.step_s = _moved(self.step_s, now - self._last_s)
        self._last_s = None if status.validated else now

    def crops_per_s(self, status: Status) -> float:
        return status.crops_per_step / self.step_s if self.step_s else 0.0

    def remaining(self, status: Status) -> str:
        seconds = round((self.step_s or 0.0) * (status.steps - status.step))
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{seconds:02d}"


def _moved(mean: float | None, value: float) -> float:
    return value if mean is None else mean + _MOVING_SHARE * (value - mean)


class LineProgress:
    """A line every ten seconds, and one for each validation.

    Parameters
    ----------
    say : callable
        Takes a line.
    every_s : float
        Seconds between lines; infinite for validations only.
    warn : callable, optional
        Takes warnings; ``say`` does when not given.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        every_s: float = _LINE_EVERY_S,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._say = say
        self._warn = warn or say
        self._every_s = every_s
        self._next_s = time.monotonic() + every_s
        self._pace = _Pace()

    def show(self, status: Status) -> None:
        """Take note of a step."""
        self._pace.add(status)
        for warning in status.warnings:
            self._warn(warning)
        if status.validated and status.validation is not None:
            self._say(f"step {status.step} of {status.steps}: {format_score(status.validation)}")
        elif time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._every_s
            self._say(
                f"step {status.step} of {status.steps}: loss {self._pace.loss:.4g}, "
                f"{self._pace.crops_per_s(status):.1f} crops/s, "
                f"{self._pace.remaining(status)} left"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


def format_score(score: ValidationScore) -> str:
    """Write a validation as one phrase."""
    others = [f", {name.replace('_', ' ')} {value:.4g}" for name, value in score.others.items()]
    return (
        f"validation {score.psnr_db:.2f} dB, doing nothing {score.input_psnr_db:.2f} dB, "
        f"gain {score.gain_db:+.2f} dB{''.join(others)}"
    )


class TableProgress:
    """A table on the terminal that is drawn again a few times a second."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False)
        self._pace = _Pace()
        self._drawn_s = 0.0

    def show(self, status: Status) -> None:
        """Take note of a step."""
        self._pace.add(status)
        for warning in status.warnings:
            self._live.console.print(f"warning: {warning}", style="yellow", markup=False)
        now = time.monotonic()
        if now - self._drawn_s >= 0.25 or status.validated or status.step == status.steps:
            self._drawn_s = now
            self._live.update(self._table(status), refresh=True)

    def _table(self, status: Status) -> Any:
        from rich.table import Table

        table = Table(show_header=False)
        table.add_row("step", f"{status.step} of {status.steps}")
        table.add_row("loss", f"{self._pace.loss:.4g}")
        for name, value in self._pace.terms.items():
            table.add_row(name.replace("_", " "), f"{value:.4g}")
        table.add_row("learning rate", f"{status.learning_rate:.2g}")
        table.add_row("crops/s", f"{self._pace.crops_per_s(status):.1f}")
        table.add_row("time left", self._pace.remaining(status))
        for name, score in (("newest", status.validation), ("best", status.best)):
            if score is not None:
                table.add_row(name, format_score(score))
        return table

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()
