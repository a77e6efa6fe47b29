"""Draw training samples from focal series, each from its own number alone."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from focusfix.data.crops import Crop, CropCutter
from focusfix.data.level_choice import (
    PlaneTriplet,
    TripletPattern,
    distance_um,
    list_triplets,
    signed_levels,
)
from focusfix.data.planes import PlaneStore
from focusfix.data.samples import (
    CropGroup,
    CropPair,
    CropTriplet,
    FactorPairs,
    FloatArray,
)
from focusfix.data.series_scale import FittedSeries

_TRIPLETS, _ORDER, _GROUPS, _FACTORS = range(1, 5)
_PLACES_COMPARED = 8


class _Line(NamedTuple):
    """A series with its triplets."""

    fitted: FittedSeries
    triplets: tuple[PlaneTriplet, ...]


class _Chosen(NamedTuple):
    """A triplet of levels of one colour sample of a field."""

    fitted: FittedSeries
    sample: int
    triplet: PlaneTriplet


class SeriesSampler:
    """Draw samples from focal series.

    Parameters
    ----------
    series : sequence of FittedSeries
        Fields to draw from, all alike; at least one.
    planes : PlaneStore
        Reads them.
    crop_px : int
        Side of the square crops; pixels, at most the shorter side of every plane.
    in_focus_share : float
        Share of pairs whose input is the in-focus plane itself, so that sharp images come back
        unharmed; 0 to 1.
    seed : sequence of int
        Numbers that, with that of the sample, decide everything that is drawn.

    Raises
    ------
    InputError
        If a plane is smaller than a crop.
    """

    def __init__(
        self,
        series: Sequence[FittedSeries],
        planes: PlaneStore,
        *,
        crop_px: int,
        in_focus_share: float,
        seed: Sequence[int],
    ) -> None:
        self.series = tuple(series)
        self.cutter = CropCutter(series, planes, crop_px)
        self.in_focus_share = in_focus_share
        self.seed = tuple(seed)
        self._found: dict[TripletPattern, list[_Line]] = {}

    def pair(self, index: int) -> CropPair:
        """Draw the pair that belongs to a number.

        Parameters
        ----------
        index : int
            Any number >= 0.

        Returns
        -------
        CropPair
            Input and truth are cut, mirrored and turned alike.
        """
        rng = np.random.default_rng([*self.seed, index])
        fitted = self.series[rng.integers(len(self.series))]
        series = fitted.series
        others = [level for level in series.z_levels if level != fitted.focal_level]
        level = others[rng.integers(len(others))]
        if rng.random() < self.in_focus_share:
            level = fitted.focal_level
        crop, in_focus = self.cutter.place(fitted, rng)
        same = level == fitted.focal_level
        return CropPair(in_focus if same else self.cutter.read(fitted, level, crop), in_focus)

    def triplet(self, index: int, *, pattern: TripletPattern) -> CropTriplet:
        """Draw the triplet that belongs to a number.

        Parameters
        ----------
        index : int
            Any number >= 0.
        pattern : {"auto", "dyadic", "full"}
            As for :func:`~focusfix.data.level_choice.list_triplets`.

        Returns
        -------
        CropTriplet
            At a random place, turned and mirrored at random.
        """
        rng = np.random.default_rng([*self.seed, _TRIPLETS, index])
        lines = self._lines(pattern)
        fitted, triplets = lines[rng.integers(len(lines))]
        triplet = triplets[rng.integers(len(triplets))]
        crop, _ = self.cutter.place(fitted, rng)
        return self._cut_triplet(fitted, triplet, crop)

    def ten_crops(self, index: int, *, pattern: TripletPattern) -> list[CropTriplet]:
        """Take the triplet of a number at the corners and the centre, and mirrored.

        Parameters
        ----------
        index : int
            Any number >= 0; as many of them as there are triplets go through all, in an order
            that is drawn anew for each round.
        pattern : {"auto", "dyadic", "full"}
            As for :func:`~focusfix.data.level_choice.list_triplets`.

        Returns
        -------
        list of CropTriplet
            Ten: the five places, then the same five mirrored.

        References
        ----------
        Mazilu, Wang et al., CAIP 2023: crops of 128 x 128 pixels.
        """
        chosen = self._in_turn(index, pattern)
        places = self.cutter.five_places(chosen.fitted, chosen.sample)
        places += [replace(crop, mirrored=True) for crop in places]
        return [self._cut_triplet(chosen.fitted, chosen.triplet, crop) for crop in places]

    def centre_crop(self, index: int, *, pattern: TripletPattern) -> CropTriplet:
        """Take the triplet of a number, as for :meth:`ten_crops`, at the centre only."""
        chosen = self._in_turn(index, pattern)
        centre = self.cutter.five_places(chosen.fitted, chosen.sample)[-1]
        return self._cut_triplet(chosen.fitted, chosen.triplet, centre)

    def _in_turn(self, index: int, pattern: TripletPattern) -> _Chosen:
        lines = self._lines(pattern)
        ends = np.cumsum([len(triplets) * line.series.samples for line, triplets in lines])
        turn, position = divmod(index, int(ends[-1]))
        position = int(_shuffled(int(ends[-1]), (*self.seed, _ORDER, turn))[position])
        number = int(np.searchsorted(ends, position, side="right"))
        fitted, triplets = lines[number]
        sample, which = divmod(position - int(ends[number]), len(triplets))
        return _Chosen(fitted, sample % fitted.series.samples, triplets[which])

    def _lines(self, pattern: TripletPattern) -> list[_Line]:
        """List the series that make triplets, with them."""
        if pattern not in self._found:
            lines = [_Line(each, list_triplets(each, pattern)) for each in self.series]
            self._found[pattern] = [line for line in lines if line.triplets]
        return self._found[pattern]

    def _cut_triplet(self, fitted: FittedSeries, triplet: PlaneTriplet, crop: Crop) -> CropTriplet:
        return CropTriplet(
            self.cutter.read(fitted, triplet.sharper, crop),
            self.cutter.read(fitted, triplet.between, crop),
            self.cutter.read(fitted, triplet.blurrier, crop),
            triplet.alpha,
        )

    def group(self, index: int, *, size: int) -> CropGroup:
        """Draw the group that belongs to a number: one crop at several levels.

        Parameters
        ----------
        index : int
            Any number >= 0.
        size : int
            How many levels; series with fewer of them are left out.

        Returns
        -------
        CropGroup
            Levels differ and come in random order.
        """
        rng = np.random.default_rng([*self.seed, _GROUPS, index])
        usable = [each for each in self.series if len(each.series.z_levels) >= size]
        fitted = usable[rng.integers(len(usable))]
        levels = rng.choice(fitted.series.z_levels, size, replace=False).tolist()
        crop, in_focus = self.cutter.place(fitted, rng)
        images = [self.cutter.read(fitted, level, crop) for level in levels]
        return CropGroup(np.stack(images), in_focus, *_ways(fitted, levels))

    def factor_pairs(self, index: int) -> FactorPairs:
        """Draw two identities at two levels.

        Parameters
        ----------
        index : int
            Any number >= 0.

        Returns
        -------
        FactorPairs
            The other identity is another field that has the level, at random place and turn; where
            there is none, it is another place of the same field, as far away as eight tries find.
        """
        rng = np.random.default_rng([*self.seed, _FACTORS, index])
        fitted = self.series[rng.integers(len(self.series))]
        here, there = rng.choice(fitted.series.z_levels, 2, replace=False).tolist()
        crop, in_focus = self.cutter.place(fitted, rng)
        others = [
            each
            for each in self._series_at[here - fitted.focal_level]
            if each.series.field != fitted.series.field
        ]
        other = others[rng.integers(len(others))] if others else fitted
        places = [
            self.cutter.place(other, rng)[0] for _ in range(1 if others else _PLACES_COMPARED)
        ]
        elsewhere = max(places, key=lambda place: _apart_px(place, crop))
        same_level = here - fitted.focal_level + other.focal_level
        return FactorPairs(
            self.cutter.read(fitted, here, crop),
            self.cutter.read(fitted, there, crop),
            self.cutter.read(other, same_level, elsewhere),
            in_focus,
            *_ways(fitted, [here, there]),
        )

    @cached_property
    def _series_at(self) -> dict[int, list[FittedSeries]]:
        """Which series have a signed level."""
        found: dict[int, list[FittedSeries]] = {}
        for each in self.series:
            for level in signed_levels(each):
                found.setdefault(level, []).append(each)
        return found


def _ways(fitted: FittedSeries, levels: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """Return signed levels and signed distances from focus."""
    away = [distance_um(fitted.series, level, fitted.focal_level) for level in levels]
    signed = np.asarray(levels, dtype=np.float32) - fitted.focal_level
    return signed.astype(np.float32), np.asarray(away, dtype=np.float32)


def _apart_px(one: Crop, other: Crop) -> int:
    """Distance of two crops along the axis on which they are farther apart; pixels."""
    down: int = abs(one.rows.start - other.rows.start)
    across: int = abs(one.columns.start - other.columns.start)
    return max(down, across)


@lru_cache(maxsize=4)
def _shuffled(count: int, seed: tuple[int, ...]) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(count)
