"""Which levels make triplets, and how far they are from focus."""

import math
from pathlib import Path

import pytest

from focusfix.data.focus_series import FocusSeries, PlaneSource
from focusfix.data.level_choice import distance_um, list_triplets, signed_levels
from focusfix.data.series_scale import FittedSeries, with_z_spacing
from focusfix.engine.normalize import IntensityScale
from focusfix.errors import InputError


def fitted(levels, focal, z_um=None):
    series = FocusSeries(
        field="f",
        channel="",
        planes=tuple(PlaneSource(Path("f.tif"), n) for n in range(len(levels))),
        z_levels=tuple(levels),
        shape_yx=(64, 64),
        z_um=z_um,
    )
    return FittedSeries(series, focal, IntensityScale(offset=0, gain=1), "fluorescence")


def test_the_seven_triplets_of_the_paper():
    found = list_triplets(fitted(range(0, 18, 2), 16), "dyadic")
    assert [(t.blurrier, t.sharper, t.between) for t in found] == [
        (0, 16, 8), (0, 8, 4), (8, 16, 12), (0, 4, 2), (4, 8, 6), (8, 12, 10), (12, 16, 14),
    ]  # fmt: skip
    assert {t.alpha for t in found} == {0.5}


def test_each_side_of_focus_is_a_line_of_its_own():
    found = list_triplets(fitted(range(7), 3), "full")
    assert all(t.blurrier < t.between < t.sharper <= 3 for t in found[:4])
    assert all(t.blurrier > t.between > t.sharper >= 3 for t in found[4:])
    assert len(found) == 2 * math.comb(4, 3)


@pytest.mark.parametrize(
    ("levels", "focal", "count"),
    [(range(9), 8, 7), (range(9), 4, 6), (range(8), 7, 56), (range(8), 3, 4 + 3), (range(3), 1, 0)],
)
def test_auto_is_dyadic_for_the_sides_where_it_can_be(levels, focal, count):
    assert len(list_triplets(fitted(levels, focal), "auto")) == count


def test_alphas_come_from_heights_where_they_are_known():
    uneven = fitted(range(3), 2, z_um=(0.0, 1.0, 4.0))
    assert [t.alpha for t in list_triplets(uneven, "full")] == [0.25]
    assert [t.alpha for t in list_triplets(fitted(range(3), 2), "full")] == [0.5]


def test_dyadic_triplets_that_cannot_be():
    with pytest.raises(
        InputError, match=r"f\.tif: the field f .* got 4; its focal level is 3.*full"
    ):
        list_triplets(fitted(range(5), 3), "dyadic")


def test_levels_and_distances_have_a_sign():
    series = fitted(range(5), 2)
    assert signed_levels(series) == (-2, -1, 0, 1, 2)
    assert math.isnan(distance_um(series.series, 0, 2))
    (spaced,) = with_z_spacing([series.series], 0.5)
    assert distance_um(spaced, 0, 2) == -1.0
    assert distance_um(spaced, 4, 2) == 1.0
