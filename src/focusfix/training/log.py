"""The log of a run and what stands in it: one CSV row for each step, exact after a resumption."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self

from focusfix.errors import InputError
from focusfix.io.atomic import partial_file
from focusfix.report.training import Curve, write_loss_curve


class ValidationScore(NamedTuple):
    """What the network reached, next to doing nothing.

    Parameters
    ----------
    psnr_db, input_psnr_db : float
        Mean PSNR of the restored and of the untouched crops; data range 1 on the field's scale.
    others : mapping of str to float
        Means of the other figures of the lesson.
    """

    psnr_db: float
    input_psnr_db: float
    others: Mapping[str, float] = MappingProxyType({})

    @property
    def gain_db(self) -> float:
        """Gain over doing nothing; decibels."""
        return self.psnr_db - self.input_psnr_db


@dataclass(frozen=True)
class LogRow:
    """One step.

    Parameters
    ----------
    step : int
        Steps taken, this one included.
    loss : float
        Of the step's batch, before the step.
    learning_rate : float
        Of the step.
    psnr_db, input_psnr_db : float, optional
        Mean PSNR of restored and of untouched validation crops; where the step was validated.
    others : mapping of str to float
        Other terms of the loss, and other figures of the validation; a column each.
    """

    step: int
    loss: float
    learning_rate: float
    psnr_db: float | None = None
    input_psnr_db: float | None = None
    others: Mapping[str, float] = field(default_factory=dict)

    @property
    def score(self) -> ValidationScore | None:
        """The validation, where there was one."""
        if self.psnr_db is None or self.input_psnr_db is None:
            return None
        return ValidationScore(self.psnr_db, self.input_psnr_db)


COLUMNS = ("step", "loss", "learning_rate", "psnr_db", "input_psnr_db")
"""Columns of every log; those of ``others`` follow."""


def read_log(path: Path) -> list[LogRow]:
    """Read a log.

    Parameters
    ----------
    path : Path
        CSV file; one that is missing is empty.

    Returns
    -------
    list of LogRow
        In the order of the file.

    Raises
    ------
    InputError
        If it is no log.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [_parse(row) for row in csv.DictReader(file)]
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is not the log of a run ({error}).", "Start a new run with another -o."
        ) from error


def _parse(row: dict[str, str]) -> LogRow:
    psnr, input_psnr = (
        float(row[name]) if row[name] else None for name in ("psnr_db", "input_psnr_db")
    )
    others = {name: float(text) for name, text in row.items() if name not in COLUMNS and text}
    step, loss, rate = int(row["step"]), float(row["loss"]), float(row["learning_rate"])
    return LogRow(step, loss, rate, psnr, input_psnr, others)


def draw_rows(path: Path, rows: Sequence[LogRow]) -> None:
    """Draw the loss and the validation of a log.

    Parameters
    ----------
    path : Path
        Picture to write; replaced if it exists.
    rows : sequence of LogRow
        In their order.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    validated = [row for row in rows if row.psnr_db is not None]
    write_loss_curve(
        path,
        Curve([row.step for row in rows], [row.loss for row in rows]),
        Curve([row.step for row in validated], [row.psnr_db or 0.0 for row in validated]),
        validated[-1].input_psnr_db if validated else None,
    )


class RunLog:
    """A log that is being written.

    Parameters
    ----------
    path : Path
        CSV file.
    step : int
        Rows of later steps are taken out: the run goes on from here.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.columns = list(_read_columns(path))
        self.rows = [row for row in read_log(path) if row.step <= step]
        self._open()

    def _open(self) -> None:
        """Write the rows so far, under all columns, and go on behind them."""
        with (
            partial_file(self.path) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(self.columns)
            writer.writerows(_format(row, self.columns) for row in self.rows)
        self._file = self.path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)

    def append(self, row: LogRow) -> None:
        """Add one step; it reaches the disk with :meth:`flush`."""
        self.rows.append(row)
        new = [name for name in row.others if name not in self.columns]
        if not new:
            self._writer.writerow(_format(row, self.columns))
            return
        self.columns += new
        self._file.close()
        self._open()

    def flush(self) -> None:
        """Bring all rows to the disk."""
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


class UnwrittenLog(RunLog):
    """The log of a process that leaves writing to another one.

    Parameters
    ----------
    path : Path
        CSV file of the other one, which is read.
    step : int
        Rows of later steps are left out.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.rows = [row for row in read_log(path) if row.step <= step]

    def append(self, row: LogRow) -> None:
        """Keep one step in memory."""
        self.rows.append(row)

    def flush(self) -> None:
        """Do nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


def _read_columns(path: Path) -> tuple[str, ...]:
    if not path.exists():
        return COLUMNS
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(next(csv.reader(file), COLUMNS))


def _format(row: LogRow, columns: Sequence[str]) -> list[str]:
    values = {**row.others, **{name: getattr(row, name) for name in COLUMNS}}
    return ["" if values.get(name) is None else repr(values[name]) for name in columns]
