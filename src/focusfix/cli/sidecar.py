"""Records of what was done: the sidecar beside an output, and the report of a run."""

import json
import os
from pathlib import Path
from typing import Any

from focusfix.cli.console import SCHEMA_VERSION
from focusfix.errors import OutputError


def sidecar_path(output: Path) -> Path:
    """Name the sidecar of an output: ``out.tif`` has ``out.tif.focusfix.json``.

    Those of the fields of a plate lie beside the plate, in ``plate.zarr.focusfix/A/1/0.json``.
    """
    for folder in output.parents:
        if folder.suffix == ".zarr" and not output.suffix:
            beside = folder.with_name(f"{folder.name}.focusfix")
            return beside / output.parent.relative_to(folder) / f"{output.name}.json"
    return output.with_name(f"{output.name}.focusfix.json")


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write one JSON object, which appears only when it is complete.

    Parameters
    ----------
    path : Path
        File to write; replaced if it exists.
    record : dict
        Content, without ``schema_version``, which is put first.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from focusfix.io.atomic import partial_file

    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"schema_version": SCHEMA_VERSION, **record}, indent=2)
    with partial_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def check_folder(path: Path) -> None:
    """Find out before any work whether the folder of a file is there.

    Raises
    ------
    OutputError
        If it is not.
    """
    if not path.parent.is_dir():
        raise OutputError(
            f"The folder {path.parent} does not exist.", "Create it or give another folder."
        )


def relative_path(path: Path, folder: Path) -> str:
    """Write a path as seen from a folder, with forward slashes."""
    return Path(os.path.relpath(path, folder)).as_posix()
