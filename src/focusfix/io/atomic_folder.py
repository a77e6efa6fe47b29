"""Folders that appear under their name only when they are complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from focusfix.io.atomic import output_error, partial_name

_REPLACED = ".replaced"


@contextmanager
def partial_folder(target: Path) -> Iterator[Path]:
    """Give a folder beside the target to write into, and move it into place at the end.

    The folder is removed when the writing stops for any reason, an interrupt included.

    Parameters
    ----------
    target : Path
        Final name; the folder that it lies in must exist. What has that name is replaced.

    Yields
    ------
    Path
        A new, empty folder, named as :func:`focusfix.io.atomic.partial_name` says.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written to.
    """
    partial = start_folder(target)
    try:
        yield partial
        finish_folder(partial, target)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise output_error(target, error) from error
        raise


def start_folder(target: Path) -> Path:
    """Make the unfinished folder of a target, in place of one that an earlier run has left.

    Parameters
    ----------
    target : Path
        Final name.

    Returns
    -------
    Path
        A new, empty folder beside it.

    Raises
    ------
    OutputError
        If that is not allowed.
    """
    partial = partial_name(target)
    try:
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir()
    except OSError as error:
        raise output_error(target, error) from error
    return partial


def finish_folder(partial: Path, target: Path) -> None:
    """Give a complete folder its final name; what had that name before is removed.

    Parameters
    ----------
    partial : Path
        The complete folder.
    target : Path
        Final name.

    Raises
    ------
    OutputError
        If that is not allowed; then the old one is there again.
    """
    old = target.with_name(f"{target.name}{_REPLACED}")
    try:
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        partial.rename(target)
    except OSError as error:
        if old.exists() and not target.exists():
            with suppress(OSError):
                old.rename(target)
        raise output_error(target, error) from error
    shutil.rmtree(old, ignore_errors=True)
    if old.is_file():
        old.unlink()
