"""``--scheduler``: the jobs of a batch as tasks of a Dask cluster, collected in their order."""

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from focusfix.cli.console import Console
from focusfix.cli.desk import Act, Desk, Queue, Writer
from focusfix.cli.errands import Work, process
from focusfix.cli.files import HasSource, Record
from focusfix.cli.options import BatchOptions
from focusfix.errors import DeviceError, FocusfixError, UsageError

if TYPE_CHECKING:
    from distributed import Client

    from focusfix.cli.slabs import Slab

_CLOSE_WITHIN_S = 5.0

JobT = TypeVar("JobT", bound=HasSource)


@contextmanager
def assign(
    plan: Callable[[Any, Console], Work],
    work: Work,
    jobs: Sequence[JobT],
    options: BatchOptions,
    console: Console,
) -> Iterator[Callable[[JobT], Record]]:
    """Decide who does the jobs of a batch: this process, or the workers of a cluster.

    Parameters
    ----------
    plan : callable
        Options and a console to the command at work; importable by workers.
    work : Work
        What it has made here.
    jobs : sequence
        All that is to be done.
    options : BatchOptions
        As the user gave them.
    console : Console
        Told what the workers tell.

    Yields
    ------
    callable
        Does a job, or waits until a worker has done it, and returns its record. To be called for
        all jobs in their order.

    Raises
    ------
    UsageError
        If the address is none.
    DeviceError
        If there is no such scheduler, or Dask is not installed.
    """
    if options.scheduler is None or not jobs:
        yield work.process
        return
    with _connect(options.scheduler, console) as client:
        desk = Desk(client, Writer(plan, work, options), console)
        collecting: _Together | _OneByOne
        if len(jobs) == 1 and work.may_divide(jobs[0]):
            collecting = _Together(desk)
        else:
            collecting = _OneByOne(desk, jobs)
        try:
            yield collecting.collect
        finally:
            if collecting.n_left == 0:
                _clean_up(desk.writer, jobs)


class _OneByOne:
    """Each job is an errand of its own."""

    def __init__(self, desk: Desk, jobs: Sequence[Any]) -> None:
        if len(jobs) == 1:
            desk.console.note(
                f"{jobs[0].source}: one worker does it; only an output that ends with .zarr is "
                "divided among several"
            )
        errands = [(job, process, job.source.name) for job in jobs]
        self._queue = Queue(desk, errands, f"{len(jobs)} file{'s'[: len(jobs) != 1]}")
        self.n_left = len(jobs)

    def collect(self, job: Any) -> Record:
        """Wait for the record of the next job."""
        try:
            record = self._queue.take()
        except FocusfixError:
            self.n_left -= 1
            raise
        self.n_left -= 1
        return {**record, "input": str(job.source), "output": str(job.target)}


class _Together:
    """One job is many errands: see :mod:`focusfix.cli.slabs`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.n_left = 1

    def collect(self, job: Any) -> Record:
        """Let the workers do a job together, and wait for its record."""
        from focusfix.cli.slabs import divide, finish_division, restore_slabs

        name, started = job.source.name, time.monotonic()
        division = self._ask(job, divide, f"{name} looked at")
        if division is None:
            record = self._ask(job, process, name)
        else:
            try:
                known = division.without_tasks
                parts = [
                    (job, partial(restore_slabs, division=known, slabs=slabs), _title(name, slabs))
                    for slabs in division.tasks
                ]
                queue = Queue(self._desk, parts, f"{name}, {len(parts)} parts")
                stats = [queue.take() for _ in parts]
                seconds = time.monotonic() - started
                finish = partial(finish_division, division=known, stats=stats, seconds=seconds)
                record = self._ask(job, finish, f"{name} put together")
            except BaseException:
                division.output.discard()
                raise
        self.n_left = 0
        return {**record, "input": str(job.source), "output": str(job.target)}

    def _ask(self, job: Any, act: Act, title: str) -> Any:
        return Queue(self._desk, [(job, act, title)], title).take()


def _title(name: str, slabs: "Sequence[Slab]") -> str:
    first, last = slabs[0], slabs[-1]
    return f"{name} from plane {first.plane} row {first.start} to {last.plane} row {last.stop}"


def _clean_up(writer: Writer, jobs: Sequence[Any]) -> None:
    """Remove what lost workers have left unfinished of files that others have completed."""
    from focusfix.io.atomic import remove_partials

    remove_partials({path for job in jobs for path in writer.outputs(job)})


@contextmanager
def _connect(address: str, console: Console) -> "Iterator[Client]":
    """Find the scheduler, and say how many workers it has."""
    if not re.match(r"(tcp|tls)://[^/]+:\d+$", address):
        raise UsageError(
            f"--scheduler takes an address such as tcp://HOST:8786, not {address!r}.",
            "Give the address that dask scheduler prints.",
        )
    if find_spec("distributed") is None:
        raise DeviceError(
            "--scheduler needs Dask, which is not installed.",
            "Install it with: pip install 'focusfix[distributed]', or use --num-parts.",
        )
    from distributed import Client

    for name in [
        each for each in logging.root.manager.loggerDict if each.startswith("distributed")
    ]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, set_as_default=False, name="focusfix")
    except (OSError, ValueError, TypeError) as error:
        raise DeviceError(
            f"No Dask scheduler answers at {address}.",
            "Start one with dask scheduler, or check host, port and firewall.",
        ) from error
    try:
        count = len(client.nthreads())
        console.note(
            f"{address}: {count} worker{'s'[: count != 1]}"
            + ("" if count else "; waiting until there is one")
        )
        yield client
    finally:
        with suppress(OSError, RuntimeError):
            client.close(timeout=_CLOSE_WITHIN_S)
