"""Tell when two networks that are trained against each other stop teaching each other.

What is looked at are columns of the log, so a run that was stopped tells what it would have told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from focusfix.training.log import LogRow

_LONGEST, _SHORTEST = 200, 20
_SHARE = 10

ALWAYS_RIGHT = 0.98
"""Accuracy from which on a critic has won."""

ALL_ALIKE = 0.1
"""Variation, as a share of that of true images, up to which what is made is all the same."""


@dataclass(frozen=True)
class Sign:
    """What the mean of a column says if it stays beyond a limit.

    Parameters
    ----------
    column : str
        Of the log.
    limit : float
        The column is beyond it, or at it.
    above : bool
        Whether beyond is above.
    meaning : str
        Half a sentence for people, in the past; ``{mean}`` stands for the mean.
    """

    column: str
    limit: float
    above: bool
    meaning: str

    def holds(self, mean: float) -> bool:
        """Tell whether a mean is beyond the limit."""
        return mean >= self.limit if self.above else mean <= self.limit


def critic_won(column: str, critic: str) -> Sign:
    """Make the sign that a critic is right nearly always.

    Parameters
    ----------
    column : str
        Its accuracy, 0 to 1.
    critic : str
        What to call it.

    Returns
    -------
    Sign
    """
    meaning = f"{critic} was right {{mean:.1%}} of the time: its opinion taught next to nothing"
    return Sign(column, ALWAYS_RIGHT, above=True, meaning=meaning)


def all_alike(column: str, images: str) -> Sign:
    """Make the sign that a network makes the same of everything.

    Parameters
    ----------
    column : str
        Variation of what it makes as a share of that of true images.
    images : str
        What to call what it makes.

    Returns
    -------
    Sign
    """
    meaning = (
        f"{images} differed only {{mean:.1%}} as much as true ones do: the network has collapsed"
    )
    return Sign(column, ALL_ALIKE, above=False, meaning=meaning)


class Watch:
    """Look out for signs that hold over a stretch of steps: a tenth of the run, 20 to 200.

    Parameters
    ----------
    signs : sequence of Sign
        Those whose column is not in the log never hold.
    steps : int
        Length of the run.
    """

    def __init__(self, signs: Sequence[Sign], steps: int) -> None:
        self.signs = tuple(signs)
        self.stretch = max(_SHORTEST, min(_LONGEST, steps // _SHARE))
        self._told: set[Sign] = set()

    def recall(self, rows: Sequence[LogRow]) -> None:
        """Take note of what an earlier part of the run has told already."""
        self._told = {sign for sign in self.signs if self._held(rows, sign).any()}

    def look(self, rows: Sequence[LogRow]) -> tuple[str, ...]:
        """Look at the newest steps; each sign is told when it first holds.

        Parameters
        ----------
        rows : sequence of LogRow
            The log so far.

        Returns
        -------
        tuple of str
            Whole sentences without a full stop.
        """
        newest = rows[-self.stretch :]
        new = [sign for sign in self.signs if sign not in self._told]
        new = [sign for sign in new if self._held(newest, sign).any()]
        self._told.update(new)
        return tuple(_tell(sign, newest, np.ones(len(newest), bool)) for sign in new)

    def summary(self, rows: Sequence[LogRow]) -> tuple[str, ...]:
        """Say which signs held in which steps of a run.

        Parameters
        ----------
        rows : sequence of LogRow
            The log of the run.

        Returns
        -------
        tuple of str
            One sentence for each sign that ever held.
        """
        held = [(sign, self._held(rows, sign)) for sign in self.signs]
        return tuple(_tell(sign, rows, where) for sign, where in held if where.any())

    def _held(self, rows: Sequence[LogRow], sign: Sign) -> npt.NDArray[np.bool_]:
        """Mark the steps of all stretches over which the mean of the column is beyond the limit."""
        marked = np.zeros(len(rows), bool)
        values = _column(rows, sign)
        if len(values) < self.stretch:
            return marked
        means = np.convolve(values, np.ones(self.stretch) / self.stretch, mode="valid")
        for first in np.flatnonzero([sign.holds(mean) for mean in means]):
            marked[first : first + self.stretch] = True
        return marked


def _column(rows: Sequence[LogRow], sign: Sign) -> npt.NDArray[np.float64]:
    """Read a column; empty if it is not in every row."""
    values = [row.others.get(sign.column) for row in rows]
    known = [value for value in values if value is not None]
    return np.asarray(known if len(known) == len(rows) else [], dtype=np.float64)


def _tell(sign: Sign, rows: Sequence[LogRow], where: npt.NDArray[np.bool_]) -> str:
    steps = [row.step for row, is_marked in zip(rows, where, strict=True) if is_marked]
    mean = float(_column(rows, sign)[where].mean())
    apart = steps[-1] - steps[0] + 1
    most = "" if apart == len(steps) else f"{len(steps)} of the "
    return f"in {most}steps {steps[0]} to {steps[-1]}, {sign.meaning.format(mean=mean)}"
