"""``--scheduler``: the jobs of a batch as tasks of a Dask cluster, collected in their order."""

import logging
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from focusfix import __version__
from focusfix.cli.console import Console
from focusfix.cli.errands import Answer, Beside, Errand, Work, run_errand
from focusfix.cli.files import HasSource, Record
from focusfix.cli.options import BatchOptions
from focusfix.cli.sidecar import sidecar_path
from focusfix.errors import DeviceError, ModelError, OutOfMemoryError, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

_AHEAD = 1000
"""Jobs that the scheduler knows of beyond the one that is waited for."""

_LOOK_EVERY_S = 0.5
_CLOSE_WITHIN_S = 5.0
_PATIENCE = "Run the command again with --skip-existing when it is back."

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
        desk = _Desk(client, _Writer(plan, work, options), jobs, console)
        try:
            yield desk.collect
        finally:
            desk.close()


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
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    from distributed import Client

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


class _Writer:
    """Writes down what workers must know of a job; their working folder may be any.

    Parameters
    ----------
    plan, work, options
        As for :func:`assign`.
    """

    def __init__(
        self, plan: Callable[[Any, Console], Work], work: Work, options: BatchOptions
    ) -> None:
        self._plan = plan
        self._work = work
        self._options = _for_workers(options)
        self._files = tuple(_known_files(work))

    def write(self, job: Any) -> Errand:
        """Write one errand."""
        there = replace(job, source=job.source.absolute(), target=job.target.absolute())
        beside = Beside(*(path and path.absolute() for path in self._work.beside(job)))
        return Errand(self._plan, self._options, self._files, __version__, there, beside)

    def outputs(self, job: Any) -> list[Path]:
        """List the files that a job makes."""
        target = job.target.absolute()
        trust_map = self._work.beside(job).trust_map
        made = [target, sidecar_path(target), trust_map and trust_map.absolute()]
        return [path for path in made if path is not None]


def _for_workers(options: BatchOptions) -> BatchOptions:
    """Take out what concerns the whole batch, and make paths absolute.

    All outputs were checked before any work, and one that is there by now was left by a worker
    that was lost before it could report: it may be replaced.
    """
    paths: dict[str, Any] = {
        each.name: value.absolute()
        for each in fields(options)
        if isinstance(value := getattr(options, each.name), Path)
    }
    model = getattr(options, "model", None)
    if model is not None:
        paths["model"] = _absolute_name(model)
    of_batch = ("inputs", "output", "files_from", "pattern", "num_parts", "part_id", "scheduler")
    paths |= dict.fromkeys(of_batch)
    return replace(options, overwrite=True, skip_existing=False, **paths)


def _absolute_name(name: str) -> Any:
    """Make the path of weights absolute, and leave names as they are."""
    from focusfix.io.weights import list_weights

    is_name = any(name == weights.name for weights in list_weights())
    return name if is_name or not Path(name).is_file() else str(Path(name).absolute())


def _known_files(work: Work) -> Iterator[tuple[str, str]]:
    """Compute the checksums of the files that decide about all results, where they are here."""
    from focusfix.io.checksums import file_sha256
    from focusfix.io.weights import find_weights

    for name in work.fixed_files():
        with suppress(ModelError):
            yield _absolute_name(name), file_sha256(find_weights(name))


class _Desk:
    """Hands errands out, a thousand ahead, and collects the answers in the order of the jobs.

    Parameters
    ----------
    client : Client
        Connection to the scheduler.
    writer : _Writer
        Writes errands.
    jobs : sequence
        All jobs.
    console : Console
        Told what workers tell.
    """

    def __init__(
        self, client: "Client", writer: _Writer, jobs: Sequence[Any], console: Console
    ) -> None:
        self._client = client
        self._writer = writer
        self._jobs = jobs
        self._console = console
        self._run = uuid.uuid4().hex[:8]
        self._changed = threading.Event()
        self._waiting: deque[Future] = deque()
        self._n_handed_out = 0
        self._n_done = 0
        self._n_collected = 0
        while self._n_handed_out < min(_AHEAD, len(jobs)):
            self._hand_out()

    def _hand_out(self) -> None:
        """Give the next job to the scheduler, under a name that a dashboard can show."""
        number, job = self._n_handed_out, self._jobs[self._n_handed_out]
        errand = self._writer.write(job)
        command = errand.plan.__name__.removeprefix("plan_").replace("_", "-")
        key = f"{command}-{number:05d} {job.source.name} {self._run}"
        future = self._client.submit(run_errand, errand, key=key, pure=False)
        future.add_done_callback(self._count)
        self._waiting.append(future)
        self._n_handed_out += 1

    def _count(self, future: "Future") -> None:  # noqa: ARG002 - every callback gets it
        self._n_done += 1
        self._changed.set()

    def collect(self, job: Any) -> Record:
        """Wait for the next answer, repeat what was told on the way, and give the record."""
        future = self._waiting.popleft()
        if self._n_handed_out < len(self._jobs):
            self._hand_out()
        self._wait(future)
        answer = _read_answer(future, job.source)
        self._n_collected += 1
        for method, text in answer.told:
            getattr(self._console, method)(text)
        if answer.record is None:
            assert answer.error is not None
            raise answer.error
        return {**answer.record, "input": str(job.source), "output": str(job.target)}

    def _wait(self, future: "Future") -> None:
        if future.done():
            return
        total = len(self._jobs)
        with self._console.progress(f"{total} file{'s'[: total != 1]}") as advance:
            while not future.done():
                self._changed.wait(_LOOK_EVERY_S)
                self._changed.clear()
                advance(self._n_done / total)

    def close(self) -> None:
        """If all is done, remove what lost workers have left; the rest is taken back with us."""
        if self._n_collected == len(self._jobs):
            from focusfix.io.atomic import remove_partials

            remove_partials({path for job in self._jobs for path in self._writer.outputs(job)})


def _read_answer(future: "Future", source: Path) -> Answer:
    """Read what a task returned, or say why it returned nothing."""
    from distributed.scheduler import KilledWorker

    if future.status == "finished":
        answer: Answer = future.result()
        return answer
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        raise OutOfMemoryError(
            f"{source}: every worker that took it was lost, perhaps for want of memory.",
            "Give the workers more memory, or use a smaller --tile-size.",
        )
    if isinstance(error, ImportError):
        raise DeviceError(
            f"A worker cannot load focusfix: {error}.",
            f"Install focusfix {__version__} where the workers run.",
        )
    if error is not None:
        raise error
    raise DeviceError("The connection to the Dask scheduler was lost.", _PATIENCE)
