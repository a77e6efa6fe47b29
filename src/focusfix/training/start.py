"""What a run starts from: weights that were trained before, or random ones."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from focusfix.config import CheckpointHeader, Modality
from focusfix.errors import ModelError, UsageError
from focusfix.io.checkpoint import load_checkpoint
from focusfix.io.checksums import check_checksum
from focusfix.io.weights import find_weights
from focusfix.models.base import Restorer
from focusfix.training.settings import NOTHING, RunSettings, StartWeights

FINE_TUNING_RATE = 3e-4
"""Learning rate of runs that start from weights, unless the user gives another."""

_FITTED_BEFORE = {"latent-line": ("latent-line",), "wiener-unet": ("fluorescence", "brightfield")}
"""Weights that ship for networks with a part that gradient descent leaves as it is."""

_OR_NOTHING = f"--start-from {NOTHING} starts from random weights."
_BRING_BACK = "Bring the file back that the run is to start from, or start a new run."


class Start(NamedTuple):
    """Weights to start from.

    Parameters
    ----------
    weights : StartWeights
        What the run records of them.
    header : CheckpointHeader
        Their description.
    network : Restorer
        The network with these weights, on the CPU.
    """

    weights: StartWeights
    header: CheckpointHeader
    network: Restorer


def default_start(model: str, modality: Modality) -> str:
    """Choose what a run starts from if the user does not say.

    Parameters
    ----------
    model : str
        Registry name of the network.
    modality : {"fluorescence", "brightfield", "any"}
        Of the data.

    Returns
    -------
    str
        The name of weights that ship, for a network with a part that gradient descent leaves as
        it is; otherwise "nothing".
    """
    names = _FITTED_BEFORE.get(model, (NOTHING,))
    return names[-1] if modality == "brightfield" else names[0]


def read_start(name_or_path: str) -> Start:
    """Find and read weights to start from.

    Parameters
    ----------
    name_or_path : str
        A name of the catalogue, or the path of a file.

    Returns
    -------
    Start

    Raises
    ------
    ModelError
        If there are no such weights, or the file is damaged or not a checkpoint.
    """
    try:
        return _read(name_or_path)
    except ModelError as error:
        raise ModelError(error.cause, f"{error.fix} {_OR_NOTHING}") from error


def _read(name_or_path: str) -> Start:
    path = find_weights(name_or_path)
    network, header = load_checkpoint(path)
    weights = StartWeights(
        weights=name_or_path,
        sha256=check_checksum(path),
        modality=header.modality,
        trained_on=header.trained_on,
        licence=header.licence,
    )
    return Start(weights, header, network)


def read_start_again(weights: StartWeights) -> Restorer:
    """Read the weights that a run was planned with.

    Parameters
    ----------
    weights : StartWeights
        Record of the run.

    Returns
    -------
    Restorer
        The network with these weights, on the CPU.

    Raises
    ------
    ModelError
        If they cannot be read, or are others by now.
    """
    try:
        start = _read(weights.weights)
    except ModelError as error:
        raise ModelError(error.cause, _BRING_BACK) from error
    if start.weights.sha256 != weights.sha256:
        raise ModelError(
            f"The weights {weights.weights} have the SHA-256 {start.weights.sha256}; the run was "
            f"planned with {weights.sha256}.",
            _BRING_BACK,
        )
    return start.network


def check_agreement(start: Start, model: str | None, hyperparameters: Mapping[str, Any]) -> None:
    """Refuse a network that is not that of the weights.

    Parameters
    ----------
    start : Start
        Decides about the network.
    model : str, optional
        What the user asks for; None for anything.
    hyperparameters : mapping of str to JSON value
        Those that the user gave; names that the network does not have are not looked at.

    Raises
    ------
    UsageError
        If the model or a hyperparameter differs; the first one is named.
    """
    name, header = start.weights.weights, start.header
    if model is not None and model != header.model:
        raise UsageError(
            f"--model {model} contradicts the weights {name} that the run starts from: they are "
            f"of {header.model}.",
            f"Leave --model out, or give --start-from other weights; {_OR_NOTHING}",
        )
    for key, value in hyperparameters.items():
        known = header.hyperparameters.get(key, value)
        if known != value:
            raise UsageError(
                f"--model-setting {key}={json.dumps(value)} contradicts the weights {name} that "
                f"the run starts from: they have {key}={json.dumps(known)}.",
                f"Leave it out, or give --start-from other weights; {_OR_NOTHING}",
            )


def start_with(settings: RunSettings, start: Start, wanted: Mapping[str, Any]) -> RunSettings:
    """Let a run start from weights, whose network it takes over.

    Parameters
    ----------
    settings : RunSettings
        Of the run so far.
    start : Start
        The weights.
    wanted : mapping of str to value
        Settings that the user gave; a learning rate among them is kept.

    Returns
    -------
    RunSettings
    """
    return settings.model_copy(
        update={
            "model": start.header.model,
            "hyperparameters": start.network.hyperparameters,
            "start_from": start.weights,
            "learning_rate": wanted.get("learning_rate", FINE_TUNING_RATE),
        }
    )
