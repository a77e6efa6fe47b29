"""Many files one after another: a bad one is told and left behind, the others are done."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from focusfix.cli.console import Console
from focusfix.cli.sidecar import write_record
from focusfix.errors import (
    BatchError,
    DeviceError,
    FocusfixError,
    InputError,
    OutOfMemoryError,
    UsageError,
)

if TYPE_CHECKING:
    from focusfix.cli.options import BatchOptions
    from focusfix.io.batch import Job

Record = dict[str, Any]


class HasSource(Protocol):
    """Something to be done with one input file."""

    @property
    def source(self) -> Path:
        """The input."""
        ...


JobT = TypeVar("JobT", bound=HasSource)


@dataclass
class BatchResult:
    """What became of the files of one run.

    Parameters
    ----------
    records : list of dict
        One for each output that was made.
    failures : list of dict
        One for each file that could not be done: input, exit code, cause and fix.
    """

    records: list[Record] = field(default_factory=list)
    failures: list[Record] = field(default_factory=list)


def plan_jobs(options: "BatchOptions", output: str | None = None) -> "list[Job]":
    """Pair every input with its output, before any work.

    Parameters
    ----------
    options : BatchOptions
        Inputs and output as the user gave them.
    output : str, optional
        Output to plan for instead of the user's.

    Returns
    -------
    list of Job
        In the order of the inputs.

    Raises
    ------
    UsageError
        If an input or the output is not given, or there is no such part of the inputs.
    InputError, OutputError
        As :func:`focusfix.io.batch.plan_batch`.
    """
    from focusfix.io.batch import plan_batch

    if not options.inputs and options.files_from is None:
        raise UsageError("No input was given.", "Give an image, a folder or --files-from.")
    part = options.part
    wanted = output or options.output
    if wanted is None:
        raise UsageError(
            "No output was given.", "Use -o with a file name, or a folder for several inputs."
        )
    return plan_batch(
        options.inputs or (),
        wanted,
        pattern=options.pattern,
        files_from=options.files_from,
        overwrite=options.overwrite,
        skip_existing=options.skip_existing,
        part=part,
    )


def process_jobs(
    jobs: Sequence[JobT],
    process: Callable[[JobT], Record],
    console: Console,
    *,
    show: Callable[[Record], str] | None,
    report: Path | None = None,
    part: tuple[int, int] = (0, 1),
) -> None:
    """Do every job, print what came out, and say at the end what failed.

    Parameters
    ----------
    jobs : sequence
        Each with its input as ``source``.
    process : callable
        Does one job and returns what came out.
    console : Console
        Where results and errors go.
    show : callable, optional
        Turns a record into the text of the result; None prints records as JSON lines.
    report : Path, optional
        JSON file for the records of all files.
    part : tuple of int
        Which part of a batch the jobs are, counted from 0, and of how many.

    Raises
    ------
    BatchError
        If some of several jobs failed. The error of a single job is raised as it is, and a
        missing device, which concerns all jobs, at once.
    """
    result = BatchResult()
    _tell_part(part, len(jobs), console)
    targets = [(job.source, job.target) for job in jobs if hasattr(job, "target")]
    with completed_plates(targets):
        _do_all(jobs, process, console, result, show, alone=len(jobs) == 1 and part[1] == 1)
    if report is not None:
        facts = {} if part[1] == 1 else {"part": {"id": part[0], "of": part[1]}}
        write_record(report, {**facts, "files": result.records, "failed": result.failures})
    _tell_failures(result, len(jobs), console)


def _do_all(
    jobs: Sequence[JobT],
    process: Callable[[JobT], Record],
    console: Console,
    result: BatchResult,
    show: Callable[[Record], str] | None,
    *,
    alone: bool,
) -> None:
    for number, job in enumerate(jobs, 1):
        console.detail(f"{number} of {len(jobs)}: {job.source}")
        try:
            record = process(job)
        except FocusfixError as raised:
            error = _naming(job.source, raised)
            if alone or isinstance(error, DeviceError):
                raise error from raised
            console.error(error)
            record = _failure(job.source, error)
            result.failures.append(record)
        else:
            result.records.append(record)
        _print_record(record, console, show)


@contextmanager
def completed_plates(pairs: Sequence[tuple[Path, Path]]) -> Iterator[None]:
    """Make plates of the fields that were written, also when a run is stopped half-way.

    Parameters
    ----------
    pairs : sequence of (Path, Path)
        Inputs, and what is written for them in the meantime.

    Yields
    ------
    None
    """
    try:
        yield
    finally:
        if pairs:
            from focusfix.io.plates import complete_plates

            complete_plates(pairs)


def _tell_part(part: tuple[int, int], n_jobs: int, console: Console) -> None:
    number, count = part
    if count > 1:
        console.note(f"part {number} of {count}, counted from 0: {n_jobs} files to do")
    elif not n_jobs:
        console.note("nothing to do: every output exists")


def _print_record(record: Record, console: Console, show: Callable[[Record], str] | None) -> None:
    if show is None:
        console.record(record)
    elif "error" not in record:
        console.result(show(record))


def show_output(record: Record) -> str:
    """Show the path of the file that was made."""
    return str(record["output"])


def _naming(source: Path, error: FocusfixError) -> FocusfixError:
    """Say which file an error is about, where its message does not."""
    about_file = isinstance(error, InputError | UsageError | OutOfMemoryError)
    if not about_file or str(source) in error.cause:
        return error
    return type(error)(f"{source}: {error.cause}", error.fix)


def _failure(source: Path, error: FocusfixError) -> Record:
    return {
        "input": str(source),
        "error": {"exit_code": error.exit_code, "cause": error.cause, "fix": error.fix},
    }


def _tell_failures(result: BatchResult, n_jobs: int, console: Console) -> None:
    if not result.failures:
        return
    for failure in result.failures:
        console.note(f"failed: {failure['input']}: {failure['error']['cause']}")
    raise BatchError(
        f"{len(result.failures)} of {n_jobs} inputs failed, the others were done.",
        "Correct what is said above and run again with --skip-existing.",
    )
