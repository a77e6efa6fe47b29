"""Files that appear under their name only when they are complete."""

import errno
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from focusfix.errors import OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ENDING = ".partial"
_names = {"writer": ""}


def name_partials(writer: str) -> None:
    """Let unfinished files of this process carry its name, where others may write the same file.

    Parameters
    ----------
    writer : str
        Name of the process, without dots; empty for none.
    """
    _names["writer"] = writer


def partial_name(target: Path, writer: str = "") -> Path:
    """Name the unfinished file of a target: ``out.tif.partial``, with the writer's name if any."""
    writer = writer or _names["writer"]
    return target.with_name(f"{target.name}{'.' if writer else ''}{writer}{_ENDING}")


def remove_partials(targets: Collection[Path]) -> None:
    """Remove what writers that were lost have left unfinished of files that are complete by now.

    Parameters
    ----------
    targets : collection of Path
        Final names. Only unfinished files with the name of a writer are removed.
    """
    wanted = set(targets)
    for folder in {target.parent for target in wanted}:
        for path in folder.glob(f"*{_ENDING}"):
            if path.with_name(path.name.removesuffix(_ENDING).rpartition(".")[0]) not in wanted:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def partial_file(target: Path, writer: str = "") -> Iterator[Path]:
    """Give a path beside the target to write to, and move it into place at the end.

    The file is removed when the writing stops for any reason, an interrupt included.

    Parameters
    ----------
    target : Path
        Final name; its folder must exist. A file of that name is replaced.
    writer : str, optional
        Name of one of several writers of this file, without dots; by default that of the process.

    Yields
    ------
    Path
        As :func:`partial_name` says, in the same folder.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written to.
    """
    partial = partial_name(target, writer)
    try:
        yield partial
        partial.replace(target)
    except BaseException as error:
        with suppress(FileNotFoundError, PermissionError):
            partial.unlink()
        if isinstance(error, OSError):
            raise output_error(target, error) from error
        raise


def output_error(target: Path, error: OSError) -> OutputError:
    """Say why an output could not be written.

    Parameters
    ----------
    target : Path
        Final name.
    error : OSError
        What the system said.

    Returns
    -------
    OutputError
        To be raised.
    """
    if error.errno in _FULL:
        return OutputError(
            f"{target} could not be written: the disk is full (nothing was left behind).",
            "Free some space or give an output on another disk.",
        )
    return OutputError(
        f"{target} could not be written: {error.strerror or error}.",
        "Check the folder and its permissions, or give another output.",
    )
