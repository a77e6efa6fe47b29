"""What lies in a Zarr folder, read and written as the JSON that it is: no library is needed."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from focusfix.errors import FocusfixError, InputError
from focusfix.io.atomic import partial_file

ZARR_SUFFIX = ".zarr"

_FORMAT_3 = "zarr.json"
_GROUP_2, _ARRAY_2, _ATTRIBUTES_2 = ".zgroup", ".zarray", ".zattrs"
_MARKS = (_FORMAT_3, _GROUP_2, _ARRAY_2, _ATTRIBUTES_2)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_NEXT_STEP = "Copy it again from where it was written, or write it again."


@dataclass(frozen=True)
class ZarrNode:
    """A group or an array of a Zarr folder.

    Parameters
    ----------
    zarr_format : int
        2 or 3.
    is_array : bool
        Whether it is an array.
    attributes : Mapping of str to object
        User attributes, where OME-Zarr keeps its metadata.
    """

    zarr_format: int
    is_array: bool
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ome(self) -> Mapping[str, Any]:
        """OME-Zarr metadata: from version 0.5 on in a part of their own."""
        inner = self.attributes.get("ome")
        return inner if isinstance(inner, dict) else self.attributes


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a folder that holds a Zarr group or array."""
    folder = Path(path)
    return folder.is_dir() and any((folder / mark).is_file() for mark in _MARKS)


def names_zarr(path: str | os.PathLike[str]) -> bool:
    """Return whether an output of this name is a Zarr folder: ``x.zarr``, or a path within one."""
    name = Path(path)
    if name.suffix.lower() == ZARR_SUFFIX:
        return True
    return not name.suffix and any(p.suffix.lower() == ZARR_SUFFIX for p in name.parents)


def would_replace(target: Path, source: Path) -> bool:
    """Return whether an input is lost when an output is written: it is the same, or lies in it."""
    if not target.exists() or not source.exists():
        return False
    within = target.is_dir() and target.resolve() in source.resolve().parents
    return within or target.samefile(source)


def check_no_address(path: str | os.PathLike[str]) -> None:
    """Refuse what is an address on the network and no path.

    Raises
    ------
    InputError
        If it starts like ``https://`` or ``s3://``.
    """
    text = os.fspath(path)
    if _ADDRESS.match(text):
        raise InputError(
            f"{text} is an address: focusfix reads files and folders.",
            "Download it, or mount it as a folder (for example with rclone), and give that path.",
        )


def check_zarr_installed(path: Path, error: type[FocusfixError] = InputError) -> None:
    """Find out, without importing it, whether the package that reads and writes Zarr is there.

    Parameters
    ----------
    path : Path
        Image concerned, for the message.
    error : type
        Class of the error.

    Raises
    ------
    FocusfixError
        Of that class, if it is not.
    """
    if find_spec("zarr") is None:
        raise error(
            f"{path} is OME-Zarr, which needs the package zarr.",
            'Install it with: pip install "focusfix[zarr]".',
        )


def read_node(path: Path) -> ZarrNode:
    """Read the metadata of a group or an array.

    Parameters
    ----------
    path : Path
        Its folder.

    Returns
    -------
    ZarrNode
        What it is.

    Raises
    ------
    InputError
        If the folder is none of the two, or its metadata cannot be read.
    """
    if (path / _FORMAT_3).is_file():
        content = _read_json(path / _FORMAT_3)
        attributes = content.get("attributes", {})
        is_array = content.get("node_type") == "array"
        return ZarrNode(3, is_array, attributes if isinstance(attributes, dict) else {})
    if not is_zarr(path):
        raise InputError(
            f"{path} is a folder without a Zarr image: it holds no {_FORMAT_3}, {_GROUP_2} or "
            f"{_ATTRIBUTES_2}.",
            "Give a folder that a program has written as OME-Zarr, or an image file.",
        )
    attributes = path / _ATTRIBUTES_2
    found = _read_json(attributes) if attributes.is_file() else {}
    return ZarrNode(2, (path / _ARRAY_2).is_file(), found)


def write_group(path: Path, zarr_format: int, attributes: Mapping[str, Any]) -> None:
    """Write the metadata of a group, making its folder; each file appears when it is complete.

    Parameters
    ----------
    path : Path
        Folder of the group.
    zarr_format : int
        2 or 3.
    attributes : Mapping of str to object
        JSON values.
    """
    path.mkdir(parents=True, exist_ok=True)
    if zarr_format == 3:
        content = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        _write_json(path / _FORMAT_3, content)
        return
    _write_json(path / _GROUP_2, {"zarr_format": 2})
    if attributes:
        _write_json(path / _ATTRIBUTES_2, attributes)


def list_groups(path: Path) -> list[str]:
    """List the names of the groups and arrays within a group, sorted."""
    return sorted(entry.name for entry in path.iterdir() if is_zarr(entry))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check the disk or network drive and try again.",
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged: it is no JSON ({error}).", _NEXT_STEP) from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged: it holds no JSON object.", _NEXT_STEP)
    return content


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    # Several processes may complete a plate.
    with partial_file(path, writer=uuid4().hex[:8]) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
