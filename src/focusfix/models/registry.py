"""The table of networks: what there is, what it can do and where its class lives.

Read without torch, so that commands which only name networks stay quick. A network's module is
imported when :func:`build_network` builds it.
"""

import importlib
import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING

from focusfix.errors import ModelError
from focusfix.models.entries import ENTRIES, ModelEntry

if TYPE_CHECKING:
    from focusfix.models.base import Restorer

_BY_NAME: Mapping[str, ModelEntry] = MappingProxyType({entry.name: entry for entry in ENTRIES})


def list_entries() -> tuple[ModelEntry, ...]:
    """Return every registered network, sorted by name.

    Returns
    -------
    tuple of ModelEntry
        The whole table.
    """
    return tuple(sorted(ENTRIES, key=lambda entry: entry.name))


def get_entry(name: str) -> ModelEntry:
    """Look up one network.

    Parameters
    ----------
    name : str
        Registry name; case matters.

    Returns
    -------
    ModelEntry
        Its row of the table.

    Raises
    ------
    ModelError
        If there is no such network; the message lists those there are.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    known = ", ".join(sorted(_BY_NAME))
    close = get_close_matches(name, _BY_NAME, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    msg = f"There is no network architecture called {name!r}."
    raise ModelError(msg, f"{hint}Known architectures: {known}.")


def build_network(name: str, hyperparameters: Mapping[str, object]) -> "Restorer":
    """Build an untrained network; its initial weights come from torch's global random state.

    Parameters
    ----------
    name : str
        Registry name.
    hyperparameters : mapping of str to object
        Keyword arguments of the network's constructor; those left out take their defaults.

    Returns
    -------
    Restorer
        The network, on the CPU and in training mode.

    Raises
    ------
    ModelError
        If the name is unknown, or the hyperparameters are not the network's own or not in range.
    """
    entry = get_entry(name)
    module_name, class_name = entry.target.split(":")
    network_class: type[Restorer] = getattr(importlib.import_module(module_name), class_name)
    known = inspect.signature(network_class).parameters
    unknown = sorted(set(hyperparameters) - set(known))
    if unknown:
        msg = f"{name} has no hyperparameter {', '.join(map(repr, unknown))}."
        raise ModelError(msg, f"Known hyperparameters: {', '.join(known)}.")
    try:
        return network_class(**hyperparameters)
    except (TypeError, ValueError) as error:
        msg = f"{name} cannot be built with these hyperparameters: {error}."
        raise ModelError(msg, "Correct the value that is named.") from error
