"""The head of a safetensors file, parsed without torch or safetensors.

Such a file is an 8-byte little-endian length, that many bytes of JSON (name, dtype, shape and byte
range of each tensor, and free text under ``__metadata__``), then the tensors.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from focusfix.errors import ModelError

MAX_HEADER_BYTES = 16 * 2**20
"""Longest JSON that is read; real ones take some kilobytes."""

USE_OURS = (
    "Use a .safetensors file written by focusfix; `focusfix models list` names the known ones."
)
"""Next step for a file that is not ours."""

FETCH_AGAIN = "Copy or download the file again."
"""Next step for a file that is damaged."""

_LENGTH_BYTES = 8
_PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".ckpt"}
_USE_SAFETENSORS = "Use weights in .safetensors form, or train your own with `focusfix train`."


def read_layout(path: Path) -> dict[str, Any]:
    """Return the table at the head of a safetensors file, after checking the file's length.

    Parameters
    ----------
    path : Path
        Any file; its tensors are not read.

    Returns
    -------
    dict
        Name of each tensor → its ``dtype``, ``shape`` and ``data_offsets``; free text under
        ``__metadata__``.

    Raises
    ------
    ModelError
        If the file is missing, unreadable, of another kind (the message names pickles and HDF5),
        damaged, or cut short.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_LENGTH_BYTES + 1)
            length = int.from_bytes(start[:_LENGTH_BYTES], "little")
            if start[_LENGTH_BYTES:] != b"{" or not 2 <= length <= MAX_HEADER_BYTES:
                raise _foreign_file(path, start)
            content = start[_LENGTH_BYTES:] + file.read(length - 1)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        msg = f"{path}: there is no such file."
        raise ModelError(
            msg, "Check the path; `focusfix models list` names the weights there are."
        ) from error
    except OSError as error:
        msg = f"{path}: the file cannot be read: {error.strerror or error}."
        raise ModelError(msg, "Check that it is a file that you may read.") from error
    if len(content) < length:
        msg = f"{path}: the file ends inside its header."
        raise ModelError(msg, FETCH_AGAIN)
    layout = parse_object(path, content)
    _check_size(path, layout, size - _LENGTH_BYTES - length)
    return layout


def _foreign_file(path: Path, start: bytes) -> ModelError:
    """Name the kind of a file that is not safetensors."""
    suffix = path.suffix.lower()
    if start.startswith((b"PK", b"\x80")) or suffix in _PICKLE_SUFFIXES:
        msg = f"{path}: this is a pickle or a zip archive, and focusfix never opens pickles: "
        return ModelError(f"{msg}they can run code.", _USE_SAFETENSORS)
    if start.startswith(b"\x89HDF") or suffix in {".h5", ".hdf5", ".keras"}:
        return ModelError(f"{path}: this is an HDF5 file, not a focusfix checkpoint.", USE_OURS)
    if not start:
        return ModelError(f"{path}: the file is empty.", FETCH_AGAIN)
    return ModelError(f"{path}: this is not a safetensors file, or it is damaged.", USE_OURS)


def parse_object(path: Path, content: bytes) -> dict[str, Any]:
    """Parse JSON that must be an object.

    Parameters
    ----------
    path : Path
        File that the text comes from, for the message.
    content : bytes
        The text.

    Returns
    -------
    dict
        The object.

    Raises
    ------
    ModelError
        If it is not JSON, or not an object.
    """
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        msg = f"{path}: the header is damaged (not valid JSON)."
        raise ModelError(msg, FETCH_AGAIN) from error
    if not isinstance(record, dict):
        msg = f"{path}: the header is damaged (not a JSON object)."
        raise ModelError(msg, FETCH_AGAIN)
    return record


def _check_size(path: Path, layout: Mapping[str, Any], data_bytes: int) -> None:
    """Refuse a file whose tensors do not end where the file ends."""
    try:
        ends = [int(layout[name]["data_offsets"][1]) for name in layout if name != "__metadata__"]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        msg = f"{path}: the table of tensors is damaged."
        raise ModelError(msg, FETCH_AGAIN) from error
    expected = max(ends, default=0)
    if data_bytes != expected:
        state = "cut short" if data_bytes < expected else "longer than it should be"
        msg = f"{path}: the file is {state} ({data_bytes} bytes of weights, expected {expected})."
        raise ModelError(msg, FETCH_AGAIN)
