"""What a worker of a cluster does: one job of a batch, as this computer would have done it."""

import json
import os
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from focusfix import __version__
from focusfix.cli.console import Advance, Console
from focusfix.errors import DeviceError, FocusfixError, ModelError

if TYPE_CHECKING:
    from focusfix.cli.files import Record

_KEPT = 4
"""Sets of options whose networks a worker keeps loaded."""

_kept = threading.local()


class Beside(NamedTuple):
    """Files that belong to one job beside its input and output.

    Parameters
    ----------
    second : Path, optional
        Blurrier image of the same field.
    trust_map : Path, optional
        Where the errors to expect go.
    """

    second: Path | None = None
    trust_map: Path | None = None


class Work(Protocol):
    """A command at work on its files, one after another."""

    def fixed_files(self) -> tuple[str, ...]:
        """Name the weights, and other files, that decide about every result of the run."""

    def beside(self, job: Any) -> Beside:
        """Tell which other files belong to a job."""

    def put_beside(self, job: Any, files: Beside) -> None:
        """Be told which other files belong to a job."""

    def may_divide(self, job: Any) -> bool:
        """Tell whether several workers may do a job together, as :mod:`focusfix.cli.slabs`."""

    def process(self, job: Any) -> "Record":
        """Do one job."""


def process(work: Work, job: Any) -> "Record":
    """Do a whole job."""
    return work.process(job)


@dataclass(frozen=True)
class Errand:
    """One job of a batch, with all that a worker must know to do it.

    Parameters
    ----------
    plan : callable
        Options and a console to the command at work.
    options : dataclass
        Of the command; paths are absolute, and outputs may be replaced, since one that is there
        was left by a worker that was lost before it could report.
    fixed_files : tuple of (str, str)
        Name or path, and SHA-256, of the weights and other files that decide about the result.
    version : str
        The focusfix that hands the errand out.
    job : Job or its like
        Input and output; paths are absolute.
    beside : Beside
        Other files of the job.
    act : callable
        The command at work and the job to the result; for parts of a job.
    """

    plan: Callable[[Any, Console], Work]
    options: Any
    fixed_files: tuple[tuple[str, str], ...]
    version: str
    job: Any
    beside: Beside
    act: Callable[[Any, Any], Any] = process


class Answer(NamedTuple):
    """What became of an errand.

    Parameters
    ----------
    result : object
        The record of what was done, or what was asked for instead.
    error : FocusfixError, optional
        Why there is no result.
    told : sequence of (str, str)
        What was said on the way: the console's method, and the text.
    """

    result: Any
    error: FocusfixError | None
    told: Sequence[tuple[str, str]]


@dataclass
class Notebook(Console):
    """A console that writes down what is said, for another one to say it.

    Parameters
    ----------
    told : list of (str, str)
        Method of the console, and text.
    """

    told: list[tuple[str, str]] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Write a note down; what every worker has to say is worth saying once."""
        self.told.append(("note_once", text))

    def note_once(self, text: str) -> None:
        """Write a note down."""
        self.note(text)

    def detail(self, text: str) -> None:
        """Write a detail down."""
        self.told.append(("detail", text))

    def warning(self, text: str) -> None:
        """Write a warning down."""
        self.told.append(("warning", text))

    @contextmanager
    def progress(self, label: str) -> Iterator[Advance]:  # noqa: ARG002 - nobody watches
        """Say nothing of the way through one file.

        Parameters
        ----------
        label : str
            What is being worked on.

        Yields
        ------
        Advance
            That nobody listens to.
        """
        yield lambda share: None  # noqa: ARG005 - nobody watches


def run_errand(errand: Errand) -> Answer:
    """Do one job on a worker.

    The command with its networks is kept for the next errand with the same options and files;
    each thread has its own, since networks are not made to be run by two threads at a time.

    Parameters
    ----------
    errand : Errand
        What to do.

    Returns
    -------
    Answer
        Errors that a user may see are part of it.
    """
    from focusfix.io.atomic import name_partials

    name_partials(f"{socket.gethostname().replace('.', '-')}-{os.getpid()}")
    notebook = Notebook()
    try:
        _check_version(errand.version)
        work, notebook = _work_of(errand)
        notebook.told.clear()
        work.put_beside(errand.job, errand.beside)
        return Answer(errand.act(work, errand.job), None, tuple(notebook.told))
    except FocusfixError as error:
        return Answer(None, error, tuple(notebook.told))


def _work_of(errand: Errand) -> tuple[Work, Notebook]:
    """Take the command at work off this thread's shelf, or set it up."""
    shelf: OrderedDict[str, tuple[Work, Notebook]] = vars(_kept).setdefault("shelf", OrderedDict())
    settings = json.dumps(asdict(errand.options), default=str, sort_keys=True)
    key = f"{errand.plan.__qualname__} {errand.fixed_files} {settings}"
    if key not in shelf:
        _check_files(errand.fixed_files)
        notebook = Notebook()
        shelf[key] = errand.plan(errand.options, notebook), notebook
    shelf.move_to_end(key)
    while len(shelf) > _KEPT:
        shelf.popitem(last=False)
    return shelf[key]


def _check_version(version: str) -> None:
    if version != __version__:
        raise DeviceError(
            f"The worker {socket.gethostname()} has focusfix {__version__}, and {version} hands "
            "out the work.",
            "Install the same version for all workers.",
        )


def _check_files(files: Sequence[tuple[str, str]]) -> None:
    """Refuse files that only have the same name."""
    from focusfix.io.checksums import file_sha256
    from focusfix.io.weights import find_weights

    for name, wanted in files:
        path = find_weights(name)
        found = file_sha256(path)
        if found != wanted:
            raise ModelError(
                f"On the worker {socket.gethostname()} the file {path} has the SHA-256 "
                f"{found[:12]}..., and {wanted[:12]}... where the work is handed out.",
                "Install the same focusfix with the same weights for all workers.",
            )
