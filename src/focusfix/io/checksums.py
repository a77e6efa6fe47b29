"""SHA-256 checksums of files and the list of them in a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from focusfix.errors import ModelError

CHECKSUM_FILE = "SHA256SUMS"
"""Name of the list in a folder, in the format of ``sha256sum``."""

_DIGITS = 64


def file_sha256(path: Path) -> str:
    """Return the SHA-256 checksum of a file, or of an OME-Zarr folder.

    Parameters
    ----------
    path : Path
        Any file. Of a folder, the checksum of what ``sha256sum`` prints for all files in it, in
        the order of their names (``find . -type f | LC_ALL=C sort | xargs sha256sum``).

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    import hashlib

    if path.is_dir():
        whole = hashlib.sha256()
        for name in sorted(_file_names(path), key=os.fsencode):
            whole.update(os.fsencode(f"{file_sha256(path / name)}  ./{name}\n"))
        return whole.hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder; bytes."""
    if not path.is_dir():
        return path.stat().st_size
    return sum((path / name).stat().st_size for name in _file_names(path))


def _file_names(folder: Path) -> Iterator[str]:
    """List all files below a folder by their paths in it."""
    for place, _, names in os.walk(folder):
        for name in names:
            yield (Path(place) / name).relative_to(folder).as_posix()


def read_checksums(folder: Path) -> dict[str, str]:
    """Read the list of checksums of a folder.

    Parameters
    ----------
    folder : Path
        Folder with weights.

    Returns
    -------
    dict of str to str
        File name → SHA-256 in lower case; empty if the folder has no list.

    Raises
    ------
    ModelError
        If a line is not a checksum and a file name.
    """
    path = folder / CHECKSUM_FILE
    if not path.is_file():
        return {}
    checksums = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition(" ")
        if len(digest) != _DIGITS or not name.strip(" *"):
            msg = f"{path}: this line is not a checksum and a file name: {line!r}."
            raise ModelError(msg, f"Restore {CHECKSUM_FILE} from where the weights came from.")
        checksums[name.strip(" *")] = digest.lower()
    return checksums


def write_checksums(folder: Path) -> Path:
    """List the checksums of all weights of a folder, as ``sha256sum *.safetensors`` would.

    Parameters
    ----------
    folder : Path
        Folder with weights; its list is replaced.

    Returns
    -------
    Path
        The list.
    """
    lines = [f"{file_sha256(path)}  {path.name}\n" for path in sorted(folder.glob("*.safetensors"))]
    target = folder / CHECKSUM_FILE
    target.write_text("".join(lines), encoding="utf-8")
    return target


def check_checksum(path: Path) -> str:
    """Return the checksum of a weights file, refusing one that differs from its folder's list.

    Parameters
    ----------
    path : Path
        A file; it need not be listed.

    Returns
    -------
    str
        Its SHA-256; 64 hexadecimal digits.

    Raises
    ------
    ModelError
        If the folder's list has another checksum for it.
    """
    actual = file_sha256(path)
    if read_checksums(path.parent).get(path.name, actual) != actual:
        msg = f"{path}: the checksum differs from the one in {CHECKSUM_FILE} beside it."
        raise ModelError(msg, "The file is damaged or was replaced: copy or download it again.")
    return actual
