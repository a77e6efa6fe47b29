"""What passes between a command and the workers of a cluster: errands out, answers back."""

import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix import __version__
from focusfix.cli.console import Console
from focusfix.cli.errands import Answer, Beside, Errand, Work, process, run_errand
from focusfix.cli.options import BatchOptions
from focusfix.cli.sidecar import sidecar_path
from focusfix.errors import DeviceError, ModelError, OutOfMemoryError

if TYPE_CHECKING:
    from distributed import Client, Future

_AHEAD = 4000
"""Errands that are handed out and not done: several for each of a thousand workers."""

_LOOK_EVERY_S = 0.5
_PATIENCE = "Run the command again with --skip-existing when it is back."

Act = Callable[[Any, Any], Any]
"""The command at work and a job to what comes of it."""


class Writer:
    """Writes down what workers must know of a job; their working folder may be any.

    Parameters
    ----------
    plan : callable
        Options and a console to the command at work; importable by workers.
    work : Work
        What it has made here.
    options : BatchOptions
        As the user gave them.
    """

    def __init__(
        self, plan: Callable[[Any, Console], Work], work: Work, options: BatchOptions
    ) -> None:
        self._plan = plan
        self._work = work
        self._options = _for_workers(options)
        self._files = tuple(_known_files(work))

    def write(self, job: Any, act: Act = process) -> Errand:
        """Write one errand: to do a whole job, or something else with it."""
        there = replace(job, source=job.source.absolute(), target=job.target.absolute())
        beside = Beside(*(path and path.absolute() for path in self._work.beside(job)))
        return Errand(self._plan, self._options, self._files, __version__, there, beside, act)

    @property
    def command(self) -> str:
        """Name of the command, for the names of tasks."""
        return self._plan.__name__.removeprefix("plan_").replace("_", "-")

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
    for name in ("model", "dz_um"):
        if isinstance(text := getattr(options, name, None), str):
            paths[name] = _absolute_name(text)
    of_batch = ("inputs", "output", "files_from", "pattern", "num_parts", "part_id", "scheduler")
    paths |= dict.fromkeys(of_batch)
    return replace(options, overwrite=True, skip_existing=False, **paths)


def _absolute_name(name: str) -> Any:
    """Make the path of a file absolute, and leave names and numbers as they are."""
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


class Desk:
    """Hands errands out, and collects their answers.

    Parameters
    ----------
    client : Client
        Connection to the scheduler.
    writer : Writer
        Writes errands.
    console : Console
        Told what workers tell.
    """

    def __init__(self, client: "Client", writer: Writer, console: Console) -> None:
        self.writer = writer
        self.console = console
        self._client = client
        self._run = uuid.uuid4().hex[:8]
        self._n_handed_out = 0

    def hand_out(self, job: Any, act: Act, title: str) -> "Future":
        """Give an errand to the scheduler, under a name that a dashboard can show.

        Parameters
        ----------
        job : Job or its like
            The job.
        act : callable
            What is to be done with it.
        title : str
            What to call that.

        Returns
        -------
        Future
            Of the answer.
        """
        key = f"{self.writer.command}-{self._n_handed_out:05d} {title} {self._run}"
        self._n_handed_out += 1
        return self._client.submit(run_errand, self.writer.write(job, act), key=key, pure=False)

    def read(self, future: "Future", job: Any) -> Any:
        """Repeat what was told on the way to an answer, and give its result.

        Raises
        ------
        FocusfixError
            If there is none.
        """
        answer = _read_answer(future, job.source)
        for method, text in answer.told:
            getattr(self.console, method)(text)
        if answer.error is not None:
            raise answer.error
        return answer.result


class Queue:
    """Errands of which some thousand are handed out at a time, and whose results come in order.

    One that takes long holds up no others: they are handed out as others are done.

    Parameters
    ----------
    desk : Desk
        Hands them out.
    errands : sequence of (job, callable, str)
        As :meth:`Desk.hand_out` takes them.
    label : str
        What they are together, for the progress.
    """

    def __init__(self, desk: Desk, errands: Sequence[tuple[Any, Act, str]], label: str) -> None:
        self._desk = desk
        self._errands = errands
        self._label = label
        self._waiting: deque[tuple[Future, Any]] = deque()
        self._changed = threading.Event()
        self._n_handed_out = 0
        self._n_done = 0
        self._top_up()

    def _top_up(self) -> None:
        while self._n_handed_out < min(self._n_done + _AHEAD, len(self._errands)):
            self._hand_out()

    def _hand_out(self) -> None:
        errand = self._errands[self._n_handed_out]
        future = self._desk.hand_out(*errand)
        future.add_done_callback(self._count)
        self._waiting.append((future, errand[0]))
        self._n_handed_out += 1

    def _count(self, future: "Future") -> None:  # noqa: ARG002 - every callback gets it
        self._n_done += 1
        self._changed.set()

    def take(self) -> Any:
        """Wait for the next result.

        Raises
        ------
        FocusfixError
            If there is none; the one after it can be taken all the same.
        """
        future, job = self._waiting.popleft()
        self._top_up()
        if not future.done():
            self._wait(future)
        return self._desk.read(future, job)

    def _wait(self, future: "Future") -> None:
        with self._desk.console.progress(self._label) as advance:
            while not future.done():
                self._changed.wait(_LOOK_EVERY_S)
                self._changed.clear()
                self._top_up()
                advance(self._n_done / len(self._errands))


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
