"""The folder of a run: frozen settings, split, log, state, checkpoints, pictures."""

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from focusfix import __version__
from focusfix.errors import InputError, OutputError
from focusfix.io.atomic import partial_file
from focusfix.training.fit import STATE_NAME
from focusfix.training.settings import RunSettings

CONFIG_NAME = "config.json"
SPLIT_NAME = "split.csv"
LOG_NAME = "log.csv"
BEST_NAME = "best.safetensors"
LAST_NAME = "last.safetensors"
CURVE_NAME = "loss.png"
PREVIEWS_NAME = "previews"

_FORMAT = 1
_FILES = (CONFIG_NAME, SPLIT_NAME, LOG_NAME, STATE_NAME, BEST_NAME, LAST_NAME, CURVE_NAME)


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps everything.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def state(self) -> Path:
        """What an exact resumption needs."""
        return self.path / STATE_NAME

    @property
    def best(self) -> Path:
        """Checkpoint with the best validation."""
        return self.path / BEST_NAME

    @property
    def last(self) -> Path:
        """Newest checkpoint."""
        return self.path / LAST_NAME

    @property
    def log(self) -> Path:
        """One row for each step."""
        return self.path / LOG_NAME

    @property
    def curve(self) -> Path:
        """Picture of the log."""
        return self.path / CURVE_NAME

    def preview(self, step: int) -> Path:
        """Picture of the validation at a step."""
        return self.path / PREVIEWS_NAME / f"step-{step:07d}.png"

    def check_new(self, *, overwrite: bool) -> None:
        """Refuse a folder that holds something, before any work.

        Parameters
        ----------
        overwrite : bool
            Whether an earlier run may be replaced.

        Raises
        ------
        OutputError
            If the folder holds a run and ``overwrite`` is not set, or holds something else.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise OutputError(f"{self.path} is a file.", "Give a folder for the run with -o.")
        held = [entry for entry in self.path.iterdir() if not entry.name.startswith(".")]
        if not held:
            return
        if not any((self.path / name).exists() for name in _FILES):
            raise OutputError(
                f"{self.path} is not empty and holds no run.", "Give another folder with -o."
            )
        if not overwrite:
            raise OutputError(
                f"{self.path} holds a run already.",
                "Use --resume to go on with it, --overwrite to replace it, or another -o.",
            )

    def start(self, settings: RunSettings, split_table: Sequence[dict[str, str]]) -> None:
        """Make the folder, clear an earlier run, and write settings and split.

        Parameters
        ----------
        settings : RunSettings
            Of the run.
        split_table : sequence of dict
            Rows of ``split.csv``.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in _FILES:
                (self.path / name).unlink(missing_ok=True)
            if (self.path / PREVIEWS_NAME).is_dir():
                shutil.rmtree(self.path / PREVIEWS_NAME)
            (self.path / PREVIEWS_NAME).mkdir()
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror or error}.",
                "Give a folder with -o that is writable and has space.",
            ) from error
        record = {
            "format_version": _FORMAT,
            "focusfix": __version__,
            "settings": settings.model_dump(mode="json"),
        }
        with partial_file(self.path / CONFIG_NAME) as partial:
            partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        with (
            partial_file(self.path / SPLIT_NAME) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(split_table[0]))
            writer.writeheader()
            writer.writerows(split_table)

    def read_settings(self) -> RunSettings:
        """Read the settings that a run was started with.

        Returns
        -------
        RunSettings

        Raises
        ------
        InputError
            If the folder holds no run that this focusfix can read.
        """
        path = self.path / CONFIG_NAME
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["format_version"] != _FORMAT:
                raise InputError(
                    f"{path} was written by focusfix {record['focusfix']}, in a form that "
                    f"focusfix {__version__} does not read.",
                    "Resume it with that version, or start a new run.",
                )
            return RunSettings.model_validate(record["settings"])
        except FileNotFoundError:
            raise InputError(
                f"{self.path} holds no run that could be resumed ({CONFIG_NAME} is missing).",
                "Give the folder of a run with -o, or start a new one without --resume.",
            ) from None
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise InputError(
                f"{path} cannot be read: {str(error).splitlines()[0]}.", "Start a new run."
            ) from error

    def check_split(self, split_table: Sequence[dict[str, str]]) -> None:
        """Refuse to go on with other data than the run was started with.

        Parameters
        ----------
        split_table : sequence of dict
            Rows that the data of now make.

        Raises
        ------
        InputError
            If they are not those of the run; the first difference is named.
        """
        path = self.path / SPLIT_NAME
        try:
            with path.open(newline="", encoding="utf-8") as file:
                stored = list(csv.DictReader(file))
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {error.strerror or error}.", "Start a new run."
            ) from error
        for before, now in zip(stored, split_table, strict=False):
            if before != now:
                keys = [key for key in now if now[key] != before.get(key)]
                raise InputError(
                    f"The data are not those of the run: {now['field']} has "
                    f"{keys[0] if keys else 'columns'} {now[keys[0]] if keys else ''!r}, "
                    f"{path} says {before.get(keys[0]) if keys else list(before)!r}.",
                    "Give the data that the run was started with.",
                )
        if len(stored) != len(split_table):
            raise InputError(
                f"The data are not those of the run: {len(split_table)} series instead of "
                f"{len(stored)}.",
                "Give the data that the run was started with.",
            )
