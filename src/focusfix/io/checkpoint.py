"""Checkpoints: one safetensors file with the weights and a header that rebuilds the network.

The :class:`~focusfix.config.CheckpointHeader` is the text ``__metadata__["focusfix"]`` of the file.
Reading it needs neither torch nor safetensors, and nothing in the file is ever executed.
"""

import os
import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix import CHECKPOINT_FORMAT, __version__
from focusfix.errors import ModelError
from focusfix.io.atomic import partial_file
from focusfix.io.safetensors_layout import FETCH_AGAIN, USE_OURS, parse_object, read_layout
from focusfix.models.registry import build_network, get_entry

if TYPE_CHECKING:
    from torch import Tensor

    from focusfix.config import CheckpointHeader
    from focusfix.models.base import Restorer

HEADER_KEY = "focusfix"
"""Key under ``__metadata__`` that holds the header."""


@dataclass(frozen=True)
class CheckpointOutline:
    """What a list of weights says of each.

    Parameters
    ----------
    model, modality, summary : str
        As :class:`~focusfix.config.CheckpointHeader`.
    abilities : tuple of str
        As :class:`~focusfix.config.CheckpointHeader`.
    """

    model: str
    modality: str
    summary: str
    abilities: tuple[str, ...]


def library_versions() -> dict[str, str]:
    """Return the versions of the software that a checkpoint made now depends on.

    Returns
    -------
    dict of str to str
        Versions of focusfix, Python, numpy, safetensors and torch.
    """
    from importlib.metadata import version

    libraries = {name: version(name) for name in ("numpy", "safetensors", "torch")}
    return {"focusfix": __version__, "python": platform.python_version(), **libraries}


def save_checkpoint(path: Path, network: "Restorer", header: "CheckpointHeader") -> None:
    """Write a network and its header to one file, which appears only when it is complete.

    The same weights and header give the same bytes.

    Parameters
    ----------
    path : Path
        File to write, ending in ``.safetensors``; replaced if it exists.
    network : Restorer
        The network; on any device.
    header : CheckpointHeader
        Its description; ``model`` and ``hyperparameters`` must be those of ``network``.

    Raises
    ------
    ValueError
        If the header does not describe the network.
    OutputError
        If the file cannot be written.
    """
    from safetensors.torch import save

    _check_description(network, header)
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    content = save(tensors, metadata={HEADER_KEY: header.model_dump_json()})
    with partial_file(path) as partial, partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _check_description(network: "Restorer", header: "CheckpointHeader") -> None:
    """Refuse a header that would rebuild something else than this network."""
    expected = get_entry(header.model).target
    actual = f"{type(network).__module__}:{type(network).__qualname__}"
    if expected != actual:
        msg = f"the header names {header.model} ({expected}), the network is {actual}"
        raise ValueError(msg)
    if header.hyperparameters != network.hyperparameters:
        msg = (
            f"the header's hyperparameters {header.hyperparameters} are not the network's "
            f"{network.hyperparameters}"
        )
        raise ValueError(msg)


def read_header(path: Path) -> "CheckpointHeader":
    """Read and check the description of a checkpoint, without torch and without its tensors.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.

    Returns
    -------
    CheckpointHeader
        The validated header; its ``model`` is in the registry.

    Raises
    ------
    ModelError
        If the file is missing, is not safetensors (pickles are never opened), is cut short, was
        not written by focusfix, or was written by one that this one does not understand.
    """
    from pydantic import ValidationError

    from focusfix.config import CheckpointHeader

    record = _read_record(path)
    try:
        header = CheckpointHeader.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "header"
        msg = f"{path}: the focusfix header is not valid ({place}: {first['msg']})."
        raise ModelError(msg, FETCH_AGAIN) from error
    _check_abilities(path, header.model, header.abilities)
    return header


def read_outline(path: Path) -> CheckpointOutline:
    """Read what a list of weights says of a checkpoint, without waiting for pydantic.

    What is not listed is not checked, which :func:`read_header` does.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.

    Returns
    -------
    CheckpointOutline

    Raises
    ------
    ModelError
        As :func:`read_header`.
    """
    record = _read_record(path)
    if not _is_outlined(record):
        header = read_header(path)  # which says what is wrong
        return CheckpointOutline(header.model, header.modality, header.summary, header.abilities)
    abilities = tuple(record["abilities"])
    _check_abilities(path, record["model"], abilities)
    return CheckpointOutline(record["model"], record["modality"], record["summary"], abilities)


def _is_outlined(record: Mapping[str, Any]) -> bool:
    abilities = record.get("abilities")
    texts = [record.get(name) for name in ("model", "modality", "summary")]
    listed = bool(abilities) and isinstance(abilities, list)
    return listed and all(isinstance(text, str) for text in (*texts, *record["abilities"]))


def _read_record(path: Path) -> dict[str, Any]:
    """Read the header as it is stored, and check its format version only."""
    metadata = read_layout(path).get("__metadata__")
    text = metadata.get(HEADER_KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        msg = f"{path}: this safetensors file has no focusfix header."
        raise ModelError(msg, USE_OURS)
    record = parse_object(path, text.encode())
    _check_format(path, record)
    return record


def _check_format(path: Path, record: Mapping[str, Any]) -> None:
    """Refuse a header of another format version, naming who wrote it."""
    found = record.get("format_version")
    if found == CHECKPOINT_FORMAT and not isinstance(found, bool):
        return
    versions = record.get("versions")
    writer = versions.get("focusfix", "unknown") if isinstance(versions, dict) else "unknown"
    msg = (
        f"{path}: the header has format version {found!r}, written by focusfix {writer}; "
        f"focusfix {__version__} reads version {CHECKPOINT_FORMAT}."
    )
    raise ModelError(msg, f"Install focusfix {writer}, or use weights made for this version.")


def _check_abilities(path: Path, model: str, abilities: Collection[str]) -> None:
    """Refuse a model that is not registered, or abilities that its architecture does not have."""
    try:
        entry = get_entry(model)
    except ModelError as error:
        raise ModelError(f"{path}: {error.cause}", error.fix) from error
    surplus = sorted(set(abilities) - entry.abilities)
    if surplus:
        msg = f"{path}: the header claims {', '.join(surplus)}, which {entry.name} cannot do."
        raise ModelError(msg, FETCH_AGAIN)


def load_checkpoint(path: Path) -> "tuple[Restorer, CheckpointHeader]":
    """Rebuild a network with its weights, on the CPU; torch's random state is left as it was.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.

    Returns
    -------
    network : Restorer
        The network in evaluation mode, on the CPU.
    header : CheckpointHeader
        Its description.

    Raises
    ------
    ModelError
        In the cases of :func:`read_header`, and if the hyperparameters do not build, or a tensor
        is missing, unknown, of another shape or not finite.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path)
    try:
        with torch.random.fork_rng(devices=[]):
            network = build_network(header.model, header.hyperparameters)
    except ModelError as error:
        raise ModelError(f"{path}: {error.cause}", FETCH_AGAIN) from error
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        msg = f"{path}: the weights are damaged: {error}."
        raise ModelError(msg, FETCH_AGAIN) from error
    _check_tensors(path, network.state_dict(), tensors)
    network.load_state_dict(tensors)
    return network.eval(), header


def _check_tensors(
    path: Path, expected: "Mapping[str, Tensor]", actual: "Mapping[str, Tensor]"
) -> None:
    """Refuse weights that do not fit the network one to one."""
    problems = [f"{name} is missing" for name in sorted(expected.keys() - actual.keys())]
    problems += [f"{name} is not known" for name in sorted(actual.keys() - expected.keys())]
    for name in sorted(expected.keys() & actual.keys()):
        wanted, found = tuple(expected[name].shape), tuple(actual[name].shape)
        if wanted != found:
            problems.append(f"{name} has shape {found}, expected {wanted}")
        elif not actual[name].isfinite().all():
            problems.append(f"{name} holds NaN or infinity")
    if problems:
        more = f" and {len(problems) - 1} more problems" if len(problems) > 1 else ""
        msg = f"{path}: the weights do not fit the network: {problems[0]}{more}."
        raise ModelError(msg, FETCH_AGAIN)
