"""What runs of ``focusfix deblur`` without weights have in common: the CPU, and their record."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from focusfix import __version__
from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.errands import Beside
from focusfix.cli.files import Record, plan_jobs
from focusfix.cli.sidecar import sidecar_path, write_record
from focusfix.cli.trust_plan import READER
from focusfix.errors import UsageError

if TYPE_CHECKING:
    from focusfix.io.batch import Job


@dataclass(frozen=True)
class UnlearnedWork:
    """What both kinds of such runs are: options, and files that have none beside them.

    Parameters
    ----------
    options : DeblurOptions
        As the user gave them.
    console : Console
        Where the run reports.
    """

    options: DeblurOptions
    console: Console

    def jobs(self) -> "list[Job]":
        """Pair every input with its output."""
        return plan_jobs(self.options)

    def fixed_files(self) -> tuple[str, ...]:
        """Name the weights that blur results again for a report."""
        return () if self.options.report is None else (READER,)

    def beside(self, job: "Job") -> Beside:  # noqa: ARG002 - as other work has it
        """Tell that no other files belong to a job."""
        return Beside()

    def put_beside(self, job: "Job", files: Beside) -> None:
        """Be told the same."""

    def may_divide(self, job: "Job") -> bool:  # noqa: ARG002 - as other work has it
        """Tell that each job is done by one worker."""
        return False


def check_cpu(options: DeblurOptions) -> None:
    """Refuse a device that models without weights do not run on.

    Raises
    ------
    UsageError
        If another device than the CPU is named.
    """
    if options.device not in {"auto", "cpu"}:
        raise UsageError(
            f"The model {options.model} runs on the CPU, not on {options.device}.",
            "Leave --device out.",
        )


def finish_record(
    options: DeblurOptions,
    job: "Job",
    models: list[Record],
    n_gaps: int,
    output: Record,
    started: float,
) -> Record:
    """Put the record of one file together, and write it beside the output.

    Returns
    -------
    dict
        The same keys as for models with weights.
    """
    from focusfix.io.checksums import file_sha256

    record = {
        "command": "deblur",
        "focusfix": __version__,
        "input": str(job.source),
        "output": str(job.target),
        "input_sha256": file_sha256(job.source),
        "models": models,
        "seed": options.seed,
        "filled_pixels": n_gaps,
        **output,
        "seconds": round(time.monotonic() - started, 3),
    }
    if not options.no_sidecar:
        write_record(sidecar_path(job.target), record)
    return record
