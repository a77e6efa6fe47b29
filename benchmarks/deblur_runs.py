"""Every model there is, as `focusfix deblur` runs it: what a user gets, and what it costs."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from focusfix.config import CheckpointHeader
from focusfix.errors import ModelError
from focusfix.io.checkpoint import load_checkpoint, read_header
from focusfix.io.weights import find_weights
from focusfix.models.registry import get_entry, list_entries

SHIPPED = {
    "wiener-unet": "fluorescence",
    "latent-line": "latent-line",
    "refocus": "refocus",
}
"""Weights that ship, of the networks that are taught in no run."""

CLASSICAL = ("unsharp", "wiener", "richardson-lucy")
NOTHING = "doing nothing"
MIB = 1024


@dataclass(frozen=True)
class Method:
    """One way to deblur.

    Parameters
    ----------
    name : str
        For tables.
    arguments : tuple of str
        Of `focusfix deblur`, beside input, output and optics.
    parameters, steps : int, optional
        Of the network, and how long it was trained; None without one.
    foreign : tuple of str
        What makes the command take images of other pixel sizes than those it learned.
    """

    name: str
    arguments: tuple[str, ...]
    parameters: int | None = None
    steps: int | None = None
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What one run of the command has cost.

    Parameters
    ----------
    cpu_seconds : float
        Computing time of the process, start and loading of weights included; other work on the
        machine hardly changes it.
    peak_mib : float
        Largest memory of the process.
    """

    cpu_seconds: float
    peak_mib: float


def all_methods(runs: Path) -> Iterator[Method]:
    """List the classical methods, then every network of the registry that has weights."""
    for name in CLASSICAL:
        distance = () if name == "unsharp" else ("--dz-um", "auto")
        yield Method(name, ("--model", name, *distance))
    for entry in list_entries():
        path = weights_of(entry.name, runs)
        if path is None:
            print(f"{entry.name}: no weights in {runs}, left out", flush=True)
        else:
            yield learned(entry.name, path)


def weights_of(name: str, runs: Path) -> Path | None:
    """Find what a run of this name has trained, or what ships for the network."""
    path = runs / name / "last.safetensors"
    if path.exists():
        return path
    try:
        return find_weights(SHIPPED[name]) if name in SHIPPED else None
    except ModelError:
        return None


def learned(name: str, path: Path) -> Method:
    """Describe a network with its weights; refocusers look for the distance themselves."""
    header: CheckpointHeader = read_header(path)
    network, _ = load_checkpoint(path)
    count = sum(parameter.numel() for parameter in network.parameters())
    arguments = ("--model", str(path))
    if get_entry(header.model).family == "refocuser":
        return Method(name, (*arguments, "--dz-um", "auto"), count, header.steps, ("--force",))
    return Method(name, arguments, count, header.steps)


def deblur(method: Method, source: Path, output: Path, optics: Sequence[str] = ()) -> Cost:
    """Run the command on a file or folder; stop where it fails."""
    command = [sys.executable, "-m", "focusfix", "deblur", str(source), "--quiet"]
    command += ["-o", str(output), "--overwrite", *method.arguments, *optics]
    told = output.parent / f"{output.name}.log"
    with told.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)}\nfailed with {code}:\n{told.read_text()}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MIB)
