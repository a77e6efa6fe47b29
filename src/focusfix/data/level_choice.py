"""Which levels of a focal series belong together: triplets on one side of focus, signed levels."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from focusfix.data.focus_series import FocusSeries
from focusfix.data.series_scale import FittedSeries
from focusfix.errors import InputError
from focusfix.latent.line import alpha_for_levels
from focusfix.latent.triplets import LevelTriplet, dyadic_triplets, full_triplets

TripletPattern = Literal["auto", "dyadic", "full"]
"""Halve the levels and halve again; take every three; or the first wherever it is possible."""

_FEWEST_LEVELS = 3


class PlaneTriplet(NamedTuple):
    """Three planes of one focal series, on one side of its focal level.

    Parameters
    ----------
    sharper, between, blurrier : int
        Their z-levels.
    alpha : float
        Weight of the sharper one in the one between; from their heights where these are known,
        otherwise from the z-levels.
    """

    sharper: int
    between: int
    blurrier: int
    alpha: float


def list_triplets(fitted: FittedSeries, pattern: TripletPattern) -> tuple[PlaneTriplet, ...]:
    """List the triplets of a focal series; both sides of focus, each a line of its own.

    Parameters
    ----------
    fitted : FittedSeries
        Its focal level is the sharp end of both lines.
    pattern : {"auto", "dyadic", "full"}
        Which three levels of a side: "dyadic" the ends and the middle of the side, of its halves,
        and so on, as in the paper; "full" every three; "auto" dyadic triplets of sides with 3, 5,
        9, 17, ... levels and every three of others.

    Returns
    -------
    tuple of PlaneTriplet
        None for a side of fewer than three levels.

    Raises
    ------
    InputError
        If dyadic triplets are asked of a side that has no such number of levels.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023: dyadic triplets of nine levels.
    """
    series = fitted.series
    try:
        return _triplets_of(series.z_levels, series.z_um, fitted.focal_level, pattern)
    except ValueError as error:
        raise InputError(
            f"{series.planes[0].path}: the field {series.name} makes no dyadic triplets ({error}; "
            f"its focal level is {fitted.focal_level}).",
            "Use --triplets full, or give another --focal-level.",
        ) from error


@lru_cache(maxsize=256)
def _triplets_of(
    z_levels: tuple[int, ...],
    z_um: tuple[float, ...] | None,
    focal_level: int,
    pattern: TripletPattern,
) -> tuple[PlaneTriplet, ...]:
    focus = z_levels.index(focal_level)
    below, above = range(focus + 1), range(len(z_levels) - 1, focus - 1, -1)
    found = []
    for side in (below, above):
        for positions in _of_side(list(side), pattern):
            planes = [round(p) for p in (positions.sharper, positions.between, positions.blurrier)]
            levels = [z_levels[p] for p in planes]
            heights = [z_um[p] for p in planes] if z_um else [float(level) for level in levels]
            alpha = alpha_for_levels(sharper=heights[0], between=heights[1], blurrier=heights[2])
            found.append(PlaneTriplet(levels[0], levels[1], levels[2], alpha))
    return tuple(found)


def _of_side(side: list[int], pattern: TripletPattern) -> tuple[LevelTriplet, ...]:
    steps = len(side) - 1
    if len(side) < _FEWEST_LEVELS:
        return ()
    if pattern == "full" or (pattern == "auto" and steps & (steps - 1)):
        return full_triplets(side)
    return dyadic_triplets(side)


def signed_levels(fitted: FittedSeries) -> tuple[int, ...]:
    """Return the z-levels of a series minus its focal level: the sign is the side of focus."""
    return tuple(level - fitted.focal_level for level in fitted.series.z_levels)


def keep_with_heights(fitted: Sequence[FittedSeries]) -> list[FittedSeries]:
    """Leave out series whose planes have no known heights.

    Parameters
    ----------
    fitted : sequence of FittedSeries
        At least one.

    Returns
    -------
    list of FittedSeries

    Raises
    ------
    InputError
        If none is left.
    """
    kept = [each for each in fitted if each.series.z_um is not None]
    if not kept:
        raise InputError(
            f"{fitted[0].series.planes[0].path}: how far its z-levels are apart is not stated.",
            "Give the distance with --z-spacing-um.",
        )
    return kept


def distance_um(series: FocusSeries, z_level: int, origin: int) -> float:
    """Return the height of a z-level above another one; micrometres, NaN where not known."""
    if series.z_um is None:
        return float("nan")
    heights = dict(zip(series.z_levels, series.z_um, strict=True))
    return heights[z_level] - heights[origin]
