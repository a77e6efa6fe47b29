"""Files that appear under their name only when they are complete."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from focusfix.errors import OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def partial_file(target: Path) -> Iterator[Path]:
    """Give a path beside the target to write to, and move it into place at the end.

    The file is removed when the writing stops for any reason, an interrupt included.

    Parameters
    ----------
    target : Path
        Final name; its folder must exist. A file of that name is replaced.

    Yields
    ------
    Path
        ``<name>.partial`` in the same folder.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written to.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        yield partial
        partial.replace(target)
    except BaseException as error:
        with suppress(FileNotFoundError, PermissionError):
            partial.unlink()
        if isinstance(error, OSError):
            raise _output_error(target, error) from error
        raise


def _output_error(target: Path, error: OSError) -> OutputError:
    if error.errno in _FULL:
        return OutputError(
            f"{target} could not be written: the disk is full (nothing was left behind).",
            "Free some space or give an output on another disk.",
        )
    return OutputError(
        f"{target} could not be written: {error.strerror or error}.",
        "Check the folder and its permissions, or give another output.",
    )
