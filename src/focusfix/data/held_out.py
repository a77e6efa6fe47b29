"""Fields that weights were not trained on, as ladders of levels up to the one in focus."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from focusfix.data.focus_series import FocusSeries, join_names
from focusfix.data.planes import PlaneStore
from focusfix.data.series_scale import FittedSeries
from focusfix.errors import InputError
from focusfix.metrics.ladder import Ladder

ScoredSplit = Literal["test", "validation", "all"]
"""Which fields are scored; all of them includes those that were trained on."""


def choose_held_out(
    series: Sequence[FocusSeries],
    held_out: Mapping[str, Sequence[str]],
    split: ScoredSplit,
) -> tuple[FocusSeries, ...]:
    """Choose the series that weights may be scored on.

    Parameters
    ----------
    series : sequence of FocusSeries
        All series of the data.
    held_out : mapping of str to sequence of str
        Fields that the weights were not trained on, by split, as their header names them.
    split : {"test", "validation", "all"}
        What is wanted.

    Returns
    -------
    tuple of FocusSeries
        In their order; at least one.

    Raises
    ------
    InputError
        If the data hold none of the fields of the split.
    """
    if split == "all":
        return tuple(series)
    names = set(held_out.get(split, ()))
    chosen = tuple(each for each in series if each.field in names)
    if chosen:
        return chosen
    if not names:
        others = [other for other, fields in held_out.items() if fields]
        known = f"it names fields only for {join_names(others)}" if others else "it names none"
        cause = f"The weights do not say which fields were kept for {split} ({known})."
    else:
        cause = (
            f"The data hold none of the fields that the weights kept for {split}: "
            f"{join_names(sorted(names))}."
        )
    raise InputError(
        cause,
        "Give the data that the weights were trained on, or --split all for all fields, which is "
        "no fair score if the weights were trained on them.",
    )


def ladder_levels(
    z_levels: Sequence[int], focal_level: int, *, step: int = 1
) -> tuple[tuple[int, ...], ...]:
    """Part the levels of a series into its two sides of focus.

    Parameters
    ----------
    z_levels : sequence of int
        Ascending.
    focal_level : int
        One of them.
    step : int
        Take every ``step``-th level, counted from the one in focus.

    Returns
    -------
    tuple of tuple of int
        Levels of each side that has any, blurriest first and the one in focus last; the longer
        side first, at equal length the lower one.

    Examples
    --------
    >>> ladder_levels(range(6), 3)
    ((0, 1, 2, 3), (5, 4, 3))
    >>> ladder_levels([0, 1, 2, 3, 4], 4, step=2)
    ((0, 2, 4),)
    """
    kept = [level for level in z_levels if (level - focal_level) % step == 0]
    below = tuple(level for level in kept if level <= focal_level)
    above = tuple(level for level in reversed(kept) if level >= focal_level)
    sides = sorted((below, above), key=len, reverse=True)
    return tuple(side for side in sides if len(side) > 1)


def read_ladders(
    fitted: FittedSeries,
    planes: PlaneStore,
    *,
    step: int = 1,
    both_sides: bool = False,
    crop_px: int | None = None,
) -> Iterator[Ladder]:
    """Read one series as ladders, one for each side of focus and each colour.

    Parameters
    ----------
    fitted : FittedSeries
        Its scale holds for all levels.
    planes : PlaneStore
        Reads them.
    step : int
        As for :func:`ladder_levels`.
    both_sides : bool
        Whether to read both sides of focus, or the longer one alone.
    crop_px : int, optional
        Side of the middle that is read; whole planes if not given.

    Yields
    ------
    Ladder
        Its levels are distances from focus in micrometres where these are known, otherwise in
        z-levels: negative, then 0.

    Raises
    ------
    InputError
        If the series has no level beside the one in focus, heights that do not follow its levels,
        or planes smaller than the crop.
    """
    series = fitted.series
    sides = ladder_levels(series.z_levels, fitted.focal_level, step=step)
    if not sides:
        raise InputError(
            f"The field {series.name} has no level beside the one in focus, "
            f"{fitted.focal_level}, at a step of {step}.",
            "Give a smaller --level-step.",
        )
    window = _middle(series, crop_px)
    for levels in sides if both_sides else sides[:1]:
        sources = [series.plane_at(level) for level in levels]
        pixels = np.stack([fitted.scale.apply(planes.read(s, *window)) for s in sources])
        for sample in range(series.samples):
            name = f"{series.name} colour {sample}" if series.samples > 1 else series.name
            distances = _distances(fitted, levels)
            yield _ladder(name, distances, pixels[..., sample], _side(fitted, levels[0]))


def _ladder(
    name: str, distances: tuple[float, ...], images: npt.NDArray[np.float32], side: int
) -> Ladder:
    try:
        return Ladder(name, distances, np.ascontiguousarray(images), side)
    except ValueError as error:
        raise InputError(
            f"The heights of the field {name} do not follow its z-levels ({error}).",
            "Correct z_um in the manifest, or leave it out.",
        ) from error


def _middle(series: FocusSeries, crop_px: int | None) -> tuple[slice, slice]:
    if crop_px is None:
        return slice(None), slice(None)
    if min(series.shape_yx) < crop_px:
        height, width = series.shape_yx
        raise InputError(
            f"The field {series.name} is {height} x {width} pixels, smaller than {crop_px}.",
            "Give a smaller --crop-size.",
        )
    first = [(size - crop_px) // 2 for size in series.shape_yx]
    return slice(first[0], first[0] + crop_px), slice(first[1], first[1] + crop_px)


def _side(fitted: FittedSeries, level: int) -> int:
    """Tell whether a level lies above focus (1) or below (-1)."""
    series, focal_level = fitted.series, fitted.focal_level
    way = float(level - focal_level)
    if series.z_um is not None:
        height = dict(zip(series.z_levels, series.z_um, strict=True))
        way = height[level] - height[focal_level]
    return 1 if way > 0 else -1


def _distances(fitted: FittedSeries, levels: Sequence[int]) -> tuple[float, ...]:
    """Return minus the distance of every level from the one in focus."""
    series = fitted.series
    if series.z_um is None:
        return tuple(-float(abs(level - fitted.focal_level)) for level in levels)
    height = dict(zip(series.z_levels, series.z_um, strict=True))
    return tuple(-abs(height[level] - height[fitted.focal_level]) for level in levels)
