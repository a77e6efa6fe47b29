"""Errors that a user may see: each says what happened and what to do, and carries its exit code."""

from typing import Self


class FocusfixError(Exception):
    """Base of every error that is shown to the user as one message.

    Parameters
    ----------
    cause : str
        What went wrong, naming the file, option or model concerned; a full sentence.
    fix : str
        The next step for the user; a full sentence.
    """

    exit_code = 1

    def __init__(self, cause: str, fix: str) -> None:
        super().__init__(f"{cause} {fix}")
        self.cause = cause
        self.fix = fix

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Send an error from one process to another with both of its sentences."""
        return type(self), (self.cause, self.fix)


class UsageError(FocusfixError):
    """A command line or setting that cannot be carried out (exit code 2)."""

    exit_code = 2


class InputError(FocusfixError):
    """An image or data set that cannot be used (exit code 3)."""

    exit_code = 3


class ModelError(FocusfixError):
    """A model or its weights that cannot be used (exit code 4)."""

    exit_code = 4


class DeviceError(FocusfixError):
    """A device or runtime that is not there (exit code 4)."""

    exit_code = 4


class OutOfMemoryError(FocusfixError):
    """Too little memory, even after backing off to the smallest tiles (exit code 5)."""

    exit_code = 5


class OutputError(FocusfixError):
    """An output that exists already or cannot be written (exit code 6)."""

    exit_code = 6


class BatchError(FocusfixError):
    """Part of a batch failed; the rest was done (exit code 7)."""

    exit_code = 7


class ThresholdError(FocusfixError):
    """A ``--fail-under`` threshold was not met (exit code 8)."""

    exit_code = 8
