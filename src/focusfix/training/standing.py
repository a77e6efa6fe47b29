"""How far a run has come: its best validation, and what it ends with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from focusfix.training.log import ValidationScore


@dataclass(frozen=True)
class Standing:
    """What decides about the best checkpoint and about stopping early; saved with the state.

    Parameters
    ----------
    best_psnr_db : float
        Best validation so far; minus infinity before the first one.
    best_step : int
        Its step.
    waited : int
        Validations since then.
    """

    best_psnr_db: float = -math.inf
    best_step: int = 0
    waited: int = 0

    def after(self, score: ValidationScore, step: int) -> "Standing":
        """Take a validation into account."""
        if score.psnr_db > self.best_psnr_db:
            return Standing(score.psnr_db, step, 0)
        return replace(self, waited=self.waited + 1)

    @property
    def notes(self) -> dict[str, float]:
        """Numbers that are saved with a state; none before the first validation."""
        if not self.best_step:
            return {}
        return {
            "best_psnr_db": self.best_psnr_db,
            "best_step": self.best_step,
            "waited": self.waited,
        }

    @classmethod
    def from_notes(cls, notes: Mapping[str, float]) -> "Standing":
        """Read such numbers."""
        if "best_psnr_db" not in notes:
            return cls()
        return cls(notes["best_psnr_db"], int(notes["best_step"]), int(notes["waited"]))


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Parameters
    ----------
    steps : int
        Steps taken.
    stopped_early : bool
        Whether validations had stopped getting better.
    best_step : int
        Step of the best checkpoint.
    best : ValidationScore, optional
        Its validation; None for a run without validation.
    warnings : tuple of str
        What went wrong on the way, a sentence each.
    """

    steps: int
    stopped_early: bool
    best_step: int
    best: ValidationScore | None
    warnings: tuple[str, ...] = ()
