"""Which images files, folders, globs and lists of them stand for."""

import glob
import sys
from collections.abc import Sequence
from pathlib import Path

from focusfix.errors import InputError, UsageError
from focusfix.io.image import IMAGE_SUFFIXES
from focusfix.io.plates import list_fields
from focusfix.io.zarr_files import ZARR_SUFFIX, check_no_address, check_zarr_installed, is_zarr


def expand_inputs(inputs: Sequence[str], *, pattern: str | None = None) -> list[Path]:
    """List the images that files, folders and globs stand for, each once.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders and globs.
    pattern : str, optional
        Glob for the files of a folder; by default every file with the suffix of an image.

    Returns
    -------
    list of Path
        Files, OME-Zarr folders and the fields of OME-Zarr plates in the order given; those of a
        folder or glob sorted by name.

    Raises
    ------
    UsageError
        If there are no inputs.
    InputError
        If an input does not exist or is an address, a folder or glob holds no image, or there
        is OME-Zarr among them and zarr is not installed.
    """
    found: dict[Path, None] = {}
    for source in find_inputs(inputs, pattern):
        fields = list_fields(source) if is_zarr(source) else None
        found.update(dict.fromkeys([source] if fields is None else fields))
    return list(found)


def find_inputs(inputs: Sequence[str], pattern: str | None) -> list[Path]:
    """List images as :func:`expand_inputs` does, but plates as one; raises what that raises."""
    if not inputs:
        raise UsageError("No input is given.", "Name at least one image, folder or glob.")
    found: dict[Path, None] = {}
    for entry in inputs:
        found.update(dict.fromkeys(_expand(entry, pattern)))
    for path in found:
        if is_zarr(path):
            check_zarr_installed(path)
    return list(found)


def _expand(entry: str, pattern: str | None) -> list[Path]:
    check_no_address(entry)
    path = Path(entry)
    if path.is_dir() and not _is_image_folder(path):
        return _images_in(path, pattern)
    if path.exists() or path.is_symlink():
        return [path]
    if not glob.has_magic(entry):
        raise InputError(f"{entry} does not exist.", "Check the path and its spelling.")
    matches = sorted(glob.glob(entry, recursive=True))  # noqa: PTH207 (may be absolute)
    files = [Path(match) for match in matches if _is_image(Path(match))]
    if not files:
        raise InputError(f"No file matches {entry}.", "Check the folder and the pattern.")
    return files


def _images_in(folder: Path, pattern: str | None) -> list[Path]:
    names = sorted(folder.glob(pattern or "*"))
    files = [name for name in names if _is_image(name) and not name.name.startswith(".")]
    if pattern is None:
        suffixes = (*IMAGE_SUFFIXES, ZARR_SUFFIX)
        files = [name for name in files if name.suffix.lower() in suffixes]
    if not files:
        wanted = f"matches {pattern}" if pattern else "is a TIFF, PNG, JPEG or OME-Zarr image"
        raise InputError(
            f"No file in {folder} {wanted}.", "Check the folder, or give another --pattern."
        )
    return files


def _is_image(path: Path) -> bool:
    return path.is_file() or _is_image_folder(path)


def _is_image_folder(path: Path) -> bool:
    """Whether a folder is, or claims to be, one image and no folder of images."""
    return is_zarr(path) or (path.is_dir() and path.suffix.lower() == ZARR_SUFFIX)


def read_list(files_from: str) -> list[str]:
    """Read inputs from a text file with one a line, "-" for standard input.

    Raises
    ------
    InputError
        If it cannot be read or is empty.
    """
    try:
        if files_from == "-":
            text = sys.stdin.read()
        else:
            text = Path(files_from).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The list of files {files_from} cannot be read: {error}.",
            "Give a text file with one path a line.",
        ) from error
    lines = [line.strip() for line in text.splitlines()]
    entries = [line for line in lines if line]
    if not entries:
        raise InputError(
            f"The list of files {files_from} is empty.", "Give a text file with one path a line."
        )
    return entries


def names_several(listed: Sequence[str]) -> bool:
    """Tell whether inputs are a folder or a glob, which may hold any number of images."""
    return any(
        (Path(entry).is_dir() and not _is_image_folder(Path(entry)))
        or (glob.has_magic(entry) and not Path(entry).exists())
        for entry in listed
    )
