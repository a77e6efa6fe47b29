"""From focal series to training crops: splits without shared fields, pairs drawn by number."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from focusfix.data.focus_series import FocusSeries
from focusfix.data.layouts import natural_order
from focusfix.data.planes import PlaneStore
from focusfix.data.samples import CropPair, FloatArray
from focusfix.data.series_scale import FittedSeries
from focusfix.errors import InputError, UsageError

SplitBy = Literal["auto", "field", "well"]
SplitOrder = Literal["shuffle", "plate-order"]

_PLACES_TRIED = 3
_LOOK_EVERY_PX = 4


def assign_splits(
    groups: Sequence[str],
    *,
    validation_share: float,
    test_share: float,
    seed: int,
    order: SplitOrder = "shuffle",
) -> dict[str, str]:
    """Split fields, or wells, into training, validation and test.

    Parameters
    ----------
    groups : sequence of str
        Names of what stays together; those that occur again count once.
    validation_share, test_share : float
        Shares of the groups; together below 1. A share above 0 gets at least one group where
        there are enough: validation from two groups on, test from four on.
    seed : int
        Of the shuffle.
    order : {"shuffle", "plate-order"}
        "shuffle" orders the groups by a hash of seed and name, so that the order of the files
        does not matter; "plate-order" sorts them by name, the first ones for test, the next ones
        for validation.

    Returns
    -------
    dict of str to str
        "train", "validation" or "test" for each group.

    Raises
    ------
    UsageError
        If the shares leave nothing for training.

    Examples
    --------
    >>> assign_splits(["a", "b", "c", "d"], validation_share=0.25, test_share=0.25, seed=0,
    ...               order="plate-order")
    {'a': 'test', 'b': 'validation', 'c': 'train', 'd': 'train'}
    """
    if min(validation_share, test_share) < 0 or validation_share + test_share >= 1:
        raise UsageError(
            f"The shares of validation ({validation_share:g}) and test ({test_share:g}) leave "
            "nothing for training.",
            "Give --validation-share and --test-share that add up to less than 1.",
        )
    names = sorted(set(groups), key=natural_order)
    if order == "shuffle":
        names.sort(key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    n_validation = _count(validation_share * len(names), at_most=len(names) - 1)
    spare = 2 if n_validation else 1
    n_test = _count(test_share * len(names), at_most=len(names) - n_validation - spare)
    parts = ["test"] * n_test + ["validation"] * n_validation
    parts += ["train"] * (len(names) - len(parts))
    return dict(zip(names, parts, strict=True))


def _count(wanted: float, *, at_most: int) -> int:
    """Round a number of groups, at least one if any are wanted and there is room."""
    return 0 if wanted <= 0 else max(0, min(max(1, round(wanted)), at_most))


def split_series(
    series: Sequence[FocusSeries],
    *,
    by: SplitBy,
    validation_share: float,
    test_share: float,
    seed: int,
    order: SplitOrder = "shuffle",
) -> dict[str, str]:
    """Assign every field to a split: the declared one, else by wells or fields.

    Parameters
    ----------
    series : sequence of FocusSeries
        All series of the data.
    by : {"auto", "field", "well"}
        What stays together; "auto" takes wells where all series name one.
    validation_share, test_share, seed, order
        As in :func:`assign_splits`.

    Returns
    -------
    dict of str to str
        "train", "validation" or "test" for each field.

    Raises
    ------
    InputError
        If wells are wanted and not known, or nothing is left for training.
    """
    if any(each.split for each in series):
        declared = {each.field: str(each.split) for each in series}
        if "train" not in declared.values():
            raise InputError(
                "The manifest declares no field for training.", "Give some rows the split train."
            )
        return declared
    wells_known = all(each.well for each in series)
    if by == "well" and not wells_known:
        raise InputError(
            "The wells of the data are not known.", "Split by field, or name wells in a manifest."
        )
    use_wells = by != "field" and wells_known
    group_of = {each.field: str(each.well) if use_wells else each.field for each in series}
    splits = assign_splits(
        list(group_of.values()),
        validation_share=validation_share,
        test_share=test_share,
        seed=seed,
        order=order,
    )
    return {field: splits[group] for field, group in group_of.items()}


@dataclass(frozen=True)
class _Crop:
    """Where a crop lies and how it is turned."""

    rows: slice
    columns: slice
    quarter_turns: int
    mirrored: bool


class PairSampler:
    """Draw crops of focal series, each from its own number alone.

    Parameters
    ----------
    series : sequence of FittedSeries
        Fields to draw from, all alike; at least one.
    planes : PlaneStore
        Reads them.
    crop_px : int
        Side of the square crops; pixels, at most the shorter side of every plane.
    in_focus_share : float
        Share of crops whose input is the in-focus plane itself, so that sharp images come back
        unharmed; 0 to 1.
    seed : sequence of int
        Numbers that, with that of the crop, decide everything that is drawn.

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
        for each in series:
            height, width = each.series.shape_yx
            if min(height, width) < crop_px:
                raise InputError(
                    f"{each.series.planes[0].path} is {height} x {width} pixels, smaller than a "
                    f"crop of {crop_px} x {crop_px}.",
                    "Give a smaller --crop-size.",
                )
        self.series = tuple(series)
        self.planes = planes
        self.crop_px = crop_px
        self.in_focus_share = in_focus_share
        self.seed = tuple(seed)

    def pair(self, index: int) -> CropPair:
        """Draw the crop that belongs to a number.

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
        sample = int(rng.integers(series.samples))
        crop, focal_window = self._place(fitted, sample, rng)
        window = focal_window
        if level != fitted.focal_level:
            source = series.plane_at(level)
            window = self.planes.read(source, crop.rows, crop.columns)[..., sample]
        return CropPair(_finish(window, fitted, crop), _finish(focal_window, fitted, crop))

    def _place(
        self, fitted: FittedSeries, sample: int, rng: np.random.Generator
    ) -> tuple[_Crop, npt.NDArray[np.generic]]:
        """Choose the liveliest of three places, and return it with what is there in focus.

        Empty background teaches little.
        """
        height, width = fitted.series.shape_yx
        source = fitted.series.plane_at(fitted.focal_level)
        seen = []
        for _ in range(_PLACES_TRIED):
            y = int(rng.integers(height - self.crop_px + 1))
            x = int(rng.integers(width - self.crop_px + 1))
            place = slice(y, y + self.crop_px), slice(x, x + self.crop_px)
            window = self.planes.read(source, *place)[..., sample]
            thinned = window[::_LOOK_EVERY_PX, ::_LOOK_EVERY_PX].astype(np.float32)
            seen.append((float(thinned.std()), place, window))
        _, place, window = max(seen, key=lambda each: each[0])
        return _Crop(*place, int(rng.integers(4)), bool(rng.random() < 0.5)), window


def _finish(window: npt.NDArray[np.generic], fitted: FittedSeries, crop: _Crop) -> FloatArray:
    """Scale a window as its field, and turn it as its crop."""
    turned = np.rot90(fitted.scale.apply(window), crop.quarter_turns)
    return np.ascontiguousarray(turned[:, ::-1] if crop.mirrored else turned)
