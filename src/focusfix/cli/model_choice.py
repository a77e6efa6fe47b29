"""Which weights serve which channel of an image, and what the model card says against it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from focusfix.config import Ability, CheckpointHeader
    from focusfix.models.entries import Family

AUTO = "auto"

AUTO_MODELS = ("fluorescence", "brightfield")
"""Weights that "auto" chooses between."""


@dataclass(frozen=True)
class Choice:
    """Weights for some channels of one image.

    Parameters
    ----------
    path : Path
        The weights file.
    header : CheckpointHeader
        Its description.
    channels : tuple of int
        Channels that go through it.
    """

    path: Path
    header: "CheckpointHeader"
    channels: tuple[int, ...]

    @property
    def family(self) -> "Family":
        """How the network is used: by itself, on two images, or with a blur code swapped in."""
        return family_of(self.header)


def find_model(name_or_path: str, ability: "Ability" = "deblur") -> "tuple[Path, CheckpointHeader]":
    """Find weights that can do something, without torch.

    Parameters
    ----------
    name_or_path : str
        What the user gave.
    ability : {"deblur", "synthesize-blur", "interpolate"}
        What is to be done.

    Returns
    -------
    path : Path
        The weights file.
    header : CheckpointHeader
        Its description.

    Raises
    ------
    ModelError
        If there are no such weights, the file is not a checkpoint, or it was not trained for it.
    """
    from focusfix.io.weights import find_weights
    from focusfix.operations.bindings import check_ability

    path = find_weights(name_or_path)
    header = read_header_once(path)
    check_ability(header, ability, str(path))
    return path, header


def read_header_once(path: Path) -> "CheckpointHeader":
    """Read the header of weights, again only when the file has changed.

    Raises
    ------
    ModelError
        As :func:`focusfix.io.checkpoint.read_header`.
    """
    return _read_header(path, path.stat().st_mtime_ns if path.is_file() else None)


@lru_cache(maxsize=8)
def _read_header(path: Path, changed_ns: int | None) -> "CheckpointHeader":  # noqa: ARG001 - a key
    from focusfix.io.checkpoint import read_header

    return read_header(path)


def family_of(header: "CheckpointHeader") -> "Family":
    """Tell how a network is used: by itself, on two images, or with a blur code swapped in."""
    from focusfix.models.registry import get_entry

    return get_entry(header.model).family
