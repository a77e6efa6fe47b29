"""The catalogue of weights: where they are, what they are called, whether they are intact.

Weights are ``NAME.safetensors`` files, with a model card ``NAME.md`` beside each and one
``SHA256SUMS`` per folder. Folders are searched in this order, and the first file of a name counts:

1. the weights that ship with focusfix (inside the package, or ``weights/`` of a checkout),
2. each folder of ``FOCUSFIX_MODEL_PATH``,
3. ``weights/`` in ``FOCUSFIX_CACHE_DIR``, or else in the user's cache folder.
"""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal

from focusfix.errors import ModelError
from focusfix.io.checksums import file_sha256, read_checksums

SUFFIX = ".safetensors"
"""Ending of a weights file."""

Source = Literal["shipped", "model-path", "cache"]
State = Literal["ok", "changed", "missing", "unlisted"]


@dataclass(frozen=True)
class WeightsFile:
    """One file of the catalogue.

    Parameters
    ----------
    name : str
        What the user types after ``--model``: the file's name without its ending.
    path : Path
        The ``.safetensors`` file.
    source : {"shipped", "model-path", "cache"}
        Kind of folder it was found in.
    """

    name: str
    path: Path
    source: Source

    @property
    def card_path(self) -> Path:
        """Where the model card is, if there is one."""
        return self.path.with_suffix(".md")


@dataclass(frozen=True)
class Verification:
    """Outcome of comparing one file with the list of checksums in its folder.

    Parameters
    ----------
    name : str
        Name of the weights.
    path : Path
        The ``.safetensors`` file.
    state : {"ok", "changed", "missing", "unlisted"}
        Same checksum; another one; listed but not there; there but not listed.
    """

    name: str
    path: Path
    state: State


def shipped_folder() -> Path:
    """Return the folder of the weights that ship: in the package, or in the checkout around it."""
    package = _package_folder()
    inside = package / "weights"
    return inside if inside.is_dir() else package.parents[1] / "weights"


@cache
def _package_folder() -> Path:
    """Resolve where the package is, which looks at every folder on the way."""
    return Path(__file__).resolve().parents[1]


def cache_folder() -> Path:
    """Return the folder for fetched weights: in ``FOCUSFIX_CACHE_DIR`` or the user's cache."""
    chosen = os.environ.get("FOCUSFIX_CACHE_DIR")
    if chosen:
        return Path(chosen) / "weights"
    from platformdirs import user_cache_path

    return user_cache_path("focusfix") / "weights"


def weights_folders() -> tuple[tuple[Source, Path], ...]:
    """List the folders that are searched, in order, whether they exist or not.

    Returns
    -------
    tuple of (source, Path)
        Kind and place of each folder.
    """
    return (*_folders_first(), ("cache", cache_folder()))


def _folders_first() -> tuple[tuple[Source, Path], ...]:
    """List the folders that are searched before the cache."""
    listed = os.environ.get("FOCUSFIX_MODEL_PATH", "").split(os.pathsep)
    given: list[tuple[Source, Path]] = [("model-path", Path(text)) for text in listed if text]
    return (("shipped", shipped_folder()), *given)


def are_installed(name: str) -> bool:
    """Tell whether there are weights of a name.

    Parameters
    ----------
    name : str
        As the catalogue has it.

    Returns
    -------
    bool
        Whether :func:`list_weights` lists it.
    """
    return _find_named(name) is not None


def _find_named(name: str) -> Path | None:
    """Look for a name without listing folders, and into the user's cache last."""
    file_name = f"{name}{SUFFIX}"
    if not name or Path(file_name).name != file_name:
        return None
    for _, folder in _folders_first():
        if (folder / file_name).exists():
            return folder / file_name
    cached = cache_folder() / file_name
    return cached if cached.exists() else None


def list_weights() -> tuple[WeightsFile, ...]:
    """List all weights that can be named, without opening them.

    Returns
    -------
    tuple of WeightsFile
        Sorted by name; a name found in several folders appears once, from the first of them.
    """
    found: dict[str, WeightsFile] = {}
    for source, folder in weights_folders():
        for path in folder.glob(f"*{SUFFIX}"):
            found.setdefault(path.stem, WeightsFile(path.stem, path, source))
    return tuple(found[name] for name in sorted(found))


def find_weights(name_or_path: str | Path) -> Path:
    """Turn what the user typed after ``--model`` into a file.

    Parameters
    ----------
    name_or_path : str or Path
        A name of the catalogue, or the path of a file; a plain word is looked up as a name first.

    Returns
    -------
    Path
        A file that exists; it is not opened.

    Raises
    ------
    ModelError
        If there are no weights of that name and no such file; the message lists the names.
    """
    named = _find_named(name_or_path) if isinstance(name_or_path, str) else None
    if named is not None:
        return named
    path = Path(name_or_path)
    if path.is_file():
        return path
    if isinstance(name_or_path, Path) or path.name != name_or_path or path.suffix == SUFFIX:
        msg = f"{path}: there is no such weights file."
    else:
        msg = f"There are no weights called {name_or_path!r}."
    raise ModelError(msg, _known_names(str(name_or_path)))


def _known_names(typed: str) -> str:
    """Say which names there are, or where they were looked for."""
    names = [weights.name for weights in list_weights()]
    if not names:
        folders = ", ".join(str(folder) for _, folder in weights_folders())
        return f"No weights at all were found in {folders}; give the path of a {SUFFIX} file."
    close = get_close_matches(typed, names, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return f"{hint}Known weights: {', '.join(names)}; or give the path of a {SUFFIX} file."


def read_card(name_or_path: str | Path) -> str:
    """Return the model card of some weights.

    Parameters
    ----------
    name_or_path : str or Path
        As for :func:`find_weights`.

    Returns
    -------
    str
        Markdown.

    Raises
    ------
    ModelError
        If there are no such weights, or no card beside them.
    """
    path = find_weights(name_or_path).with_suffix(".md")
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        msg = f"{path}: these weights have no model card."
        raise ModelError(msg, "Put a Markdown file of that name beside the weights.") from error


def verify_weights() -> tuple[Verification, ...]:
    """Compare all weights of all folders with the lists of checksums beside them.

    Returns
    -------
    tuple of Verification
        In the order of the folders, then by name.

    Raises
    ------
    ModelError
        If a list is damaged.
    """
    results: list[Verification] = []
    for _, folder in weights_folders():
        expected = read_checksums(folder)
        names = expected.keys() | {path.name for path in folder.glob(f"*{SUFFIX}")}
        for name in sorted(names):
            path = folder / name
            results.append(Verification(path.stem, path, _state(path, expected.get(name))))
    return tuple(results)


def _state(path: Path, expected: str | None) -> State:
    """Compare one file with what the list says of it."""
    if not path.is_file():
        return "missing"
    if expected is None:
        return "unlisted"
    return "ok" if file_sha256(path) == expected else "changed"
