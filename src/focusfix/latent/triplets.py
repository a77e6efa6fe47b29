"""Which three levels of a focal series teach that blur is a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from focusfix.latent.line import alpha_for_levels


@dataclass(frozen=True)
class LevelTriplet:
    """Three levels of one focal series, on one side of its focal level.

    Parameters
    ----------
    sharper, between, blurrier : float
        Levels a, b and c: z-levels, or distances in one unit; ``between`` strictly between.
    """

    sharper: float
    between: float
    blurrier: float

    @property
    def alpha(self) -> float:
        """Weight of the sharper level in the one between; 0 < alpha < 1."""
        return alpha_for_levels(sharper=self.sharper, between=self.between, blurrier=self.blurrier)


def dyadic_triplets(levels: Sequence[float]) -> tuple[LevelTriplet, ...]:
    """Halve the series, then each half, and so on: the ends of each stretch and its middle.

    Of evenly spaced levels all triplets have alpha 0.5. Every second level occurs only in the
    middle, so that a loss which looks only at the ends never sees it.

    Parameters
    ----------
    levels : sequence of float
        Levels of one series, blurriest first and sharpest last, rising or falling; 3, 5, 9, 17,
        ... of them, that is a power of 2 and one.

    Returns
    -------
    tuple of LevelTriplet
        Longest first and, at equal length, blurriest first; two fewer than levels.

    Raises
    ------
    ValueError
        If the levels cannot be halved down to neighbours, or neither rise nor fall throughout.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023: seven triplets of the nine levels 0, 2, ..., 16.

    Examples
    --------
    >>> [(t.blurrier, t.sharper, t.between) for t in dyadic_triplets([0, 4, 8, 12, 16])]
    [(0, 16, 8), (0, 8, 4), (8, 16, 12)]
    """
    _check_levels(levels)
    steps = len(levels) - 1
    if steps & (steps - 1):
        msg = f"levels must number a power of 2 and one (3, 5, 9, 17, ...), got {len(levels)}"
        raise ValueError(msg)
    triplets = []
    length = steps
    while length > 1:
        for first in range(0, steps, length):
            blurrier, between, sharper = levels[first : first + length + 1 : length // 2]
            triplets.append(LevelTriplet(sharper=sharper, between=between, blurrier=blurrier))
        length //= 2
    return tuple(triplets)


def full_triplets(levels: Sequence[float]) -> tuple[LevelTriplet, ...]:
    r"""Take every three levels, each with the alpha of its own.

    Parameters
    ----------
    levels : sequence of float
        Levels of one series, blurriest first and sharpest last, rising or falling; 3 or more.

    Returns
    -------
    tuple of LevelTriplet
        All :math:`\binom{N}{3}` of them, in the order of the levels.

    Raises
    ------
    ValueError
        If there are fewer than three levels, or they neither rise nor fall throughout.

    Examples
    --------
    >>> [(t.blurrier, t.between, t.sharper, t.alpha) for t in full_triplets([0, 2, 8])]
    [(0, 2, 8, 0.25)]
    """
    _check_levels(levels)
    return tuple(
        LevelTriplet(sharper=sharper, between=between, blurrier=blurrier)
        for blurrier, between, sharper in combinations(levels, 3)
    )


def _check_levels(levels: Sequence[float]) -> None:
    """Refuse too few levels, and levels that turn back: beyond focus another line begins."""
    if len(levels) < 3:
        msg = f"a triplet needs at least 3 levels, got {len(levels)}"
        raise ValueError(msg)
    rising = levels[-1] > levels[0]
    if any(before == after or (after > before) != rising for before, after in pairwise(levels)):
        msg = "levels must run from the blurriest to the sharpest without turning back"
        raise ValueError(msg)
