"""The log of a run: one CSV row for each step, exact after a resumption."""

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self

from focusfix.errors import InputError
from focusfix.io.atomic import partial_file


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
    """

    step: int
    loss: float
    learning_rate: float
    psnr_db: float | None = None
    input_psnr_db: float | None = None


COLUMNS = tuple(field.name for field in fields(LogRow))


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
    return LogRow(
        int(row["step"]), float(row["loss"]), float(row["learning_rate"]), psnr, input_psnr
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
        self.rows = [row for row in read_log(path) if row.step <= step]
        with partial_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(_format(row) for row in self.rows)
        self._file = path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)

    def append(self, row: LogRow) -> None:
        """Add one step; it reaches the disk with :meth:`flush`."""
        self.rows.append(row)
        self._writer.writerow(_format(row))

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


def _format(row: LogRow) -> list[str]:
    return ["" if value is None else repr(value) for value in astuple(row)]
