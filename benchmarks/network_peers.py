"""Other programs that run the same network, each in a process of the peers' environment.

A program that is not installed, does not start or fails at its first image is left out, with a
reason.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import focusfix

HERE = Path(__file__).parent
SCRIPTS = {"MONAI": "peer_monai.py", "CAREamics": "peer_careamics.py"}
PACKAGES = {"MONAI": "monai", "CAREamics": "careamics"}
WINDOW_PX = 512


@dataclass(frozen=True)
class Assignment:
    """What all peers are to do.

    Parameters
    ----------
    weights, image : Path
        A checkpoint, and an image as .npy, scaled to a nominal [0, 1].
    precision : str
        Number format.
    device : str
        As torch calls it.
    results : Path
        Folder for the first result of each, as .npy.
    """

    weights: Path
    image: Path
    precision: str
    device: str
    results: Path

    def result(self, label: str) -> Path:
        """Say where a peer puts its first result."""
        return self.results / f"{label}.npy"


class PeerMissingError(Exception):
    """A peer that cannot be compared with; the message says why."""


class Peer:
    """A program in its own process, which restores the image whenever it is asked.

    Parameters
    ----------
    label : str
        Name in the tables; a key of `SCRIPTS`.
    python : Path
        Of an environment with it.
    assignment : Assignment
        What it does.

    Raises
    ------
    PeerMissingError
        If it does not start.
    """

    def __init__(self, label: str, python: Path, assignment: Assignment) -> None:
        command = [
            python, HERE / SCRIPTS[label], "--weights", assignment.weights,
            "--image", assignment.image, "--tile", WINDOW_PX,
            "--precision", "bf16" if assignment.precision == "bf16" else "fp32",
            "--device", assignment.device, "--keep", assignment.result(label),
        ]  # fmt: skip
        source = str(Path(focusfix.__file__).parents[1])
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": source, "PYTHONWARNINGS": "ignore"},
        )
        self.name = self._line()

    def run(self) -> tuple[float, float]:
        """Restore once; return seconds by the clock and of processor time."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # reading tells that it has ended, too
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        by_clock, by_processor = (float(word) for word in self._line().split())
        return by_clock, by_processor

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate()
            raise PeerMissingError(f"it ended with exit status {self._process.returncode}")
        return line.strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self._process.communicate()


@contextmanager
def start_peers(
    python: Path | None, assignment: Assignment
) -> Iterator[tuple[Mapping[str, Peer], list[str]]]:
    """Start all peers, and let each restore the image once.

    Parameters
    ----------
    python : Path, optional
        Of the environment of the peers.
    assignment : Assignment
        What they do.

    Yields
    ------
    dict of str to Peer
        Those that work.
    list of str
        A sentence on each peer: its version, or why it is missing.
    """
    with ExitStack() as stack:
        peers: dict[str, Peer] = {}
        notes = []
        for label in SCRIPTS:
            try:
                peer = start_peer(label, python, assignment)
            except PeerMissingError as error:
                notes.append(f"{label} was not measured: {error}.")
                continue
            peers[label] = stack.enter_context(peer)
            notes.append(f"{peer.name}.")
        yield peers, notes


def start_peer(label: str, python: Path | None, assignment: Assignment) -> Peer:
    """Start one peer; PeerMissingError where it cannot do its work."""
    missing = why_missing(label, python)
    if missing is not None or python is None:
        raise PeerMissingError(missing)
    peer = Peer(label, python, assignment)
    peer.run()
    return peer


def why_missing(label: str, python: Path | None) -> str | None:
    """Say why a peer cannot start; None if it may."""
    if python is None:
        return "no --peer-python was given"
    package = PACKAGES[label]
    asking = f"import sys, importlib.util as u; sys.exit(u.find_spec({package!r}) is None)"
    try:
        done = subprocess.run([python, "-c", asking], check=False, capture_output=True)
    except OSError as error:
        return f"{python.name} of its environment does not start ({error.strerror})"
    return f"its environment has no {package}" if done.returncode else None
