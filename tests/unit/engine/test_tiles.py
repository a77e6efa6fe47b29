"""Geometry of tiles, worked out by hand."""

import numpy as np
import pytest

from focusfix.engine.tile_sizes import auto_tile_px
from focusfix.engine.tiles import (
    Span,
    plan_axis,
    plan_tiles,
    reflect_positions,
    split_span,
)
from focusfix.errors import UsageError
from focusfix.footprint import Footprint


def test_axis_of_three_tiles_matches_the_drawing() -> None:
    first, second, third = plan_axis(16, core=6, halo=2, ramp=1)
    assert first == Span(0, 6, 0, 7, rise=0, fall=1, window_start=-3, window_stop=9)
    assert second == Span(6, 12, 5, 13, rise=1, fall=1, window_start=3, window_stop=15)
    assert third == Span(12, 16, 11, 16, rise=1, fall=0, window_start=9, window_stop=21)
    assert second.support_in_window == slice(2, 10)


@pytest.mark.parametrize(
    ("size", "core", "halo", "ramp"), [(0, 4, 0, 0), (4, 0, 0, 0), (4, 4, -1, 0), (9, 4, 0, 3)]
)
def test_impossible_axes_are_refused(size: int, core: int, halo: int, ramp: int) -> None:
    with pytest.raises(ValueError, match="impossible tiling"):
        plan_axis(size, core, halo, ramp)


@pytest.mark.parametrize(("size", "pad"), [(2, 1), (5, 4), (7, 3)])
def test_reflection_is_that_of_numpy(size: int, pad: int) -> None:
    expected = np.pad(np.arange(size), pad, mode="reflect")
    np.testing.assert_array_equal(reflect_positions(-pad, size + pad, size), expected)


def test_reflection_wider_than_the_axis_goes_back_and_forth() -> None:
    assert reflect_positions(-4, 7, 3).tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    assert reflect_positions(-2, 3, 1).tolist() == [0, 0, 0, 0, 0]


def test_parts_of_a_span_share_its_window() -> None:
    (span,) = plan_axis(20, core=24, halo=4)
    parts = split_span(span, 16)
    assert [(part.start, part.stop) for part in parts] == [(0, 16), (16, 20)]
    assert [(part.window_start, part.window_stop) for part in parts] == [(-4, 20), (4, 28)]


@pytest.mark.parametrize(
    ("footprint", "tile_px"),
    [
        (Footprint(0, 1), 1536),
        (Footprint(15, 4), 1568),
        (Footprint(63, 32), 1664),
        (Footprint(221, 32), 1984),
        (Footprint(360, 16), 2048),
        (Footprint(560, 16), 4 * 560),
    ],
)
def test_auto_tile_grows_with_the_halo(footprint: Footprint, tile_px: int) -> None:
    assert auto_tile_px(footprint) == tile_px


def test_memory_bounds_tiles_as_far_as_there_is_a_core() -> None:
    footprint = Footprint(60, 16)
    assert auto_tile_px(footprint, most_px=700) == 700
    assert auto_tile_px(footprint, most_px=5000) == 1664
    assert auto_tile_px(footprint, most_px=0) == 16 + 2 * 64
    assert plan_tiles((3000, 3000), footprint, most_px=300).core_yx[0] <= 172


@pytest.mark.parametrize(
    ("footprint", "core_px"),
    [(Footprint(15, 4), 1024), (Footprint(221, 32), 1024), (Footprint(360, 16), 1024)],
)
def test_cores_of_wide_images_are_whole_chunks_of_files(footprint: Footprint, core_px: int) -> None:
    assert plan_tiles((20_000, 20_000), footprint).core_yx == (core_px, core_px)


def test_few_tiles_share_an_axis_evenly() -> None:
    plan = plan_tiles((2300, 4100), Footprint(15, 4))
    assert plan.core_yx == (1152, 1368)


def test_a_small_image_is_one_exact_tile_without_ramp() -> None:
    plan = plan_tiles((100, 70), Footprint(9, 4, exact=False))
    assert plan.n_tiles == 1
    assert plan.tile_shape == (100 + 24, 72 + 24)
    assert plan.exact
    assert plan.ramp_px == 0


def test_no_tile_is_a_sliver() -> None:
    plan = plan_tiles((65, 1000), Footprint(8, 4), tile_px=80)
    assert [span.stop - span.start for span in plan.rows] == [36, 29]
    assert min(span.stop - span.start for span in plan.columns) >= 40


def test_a_halo_below_the_reach_is_blended() -> None:
    plan = plan_tiles((300, 300), Footprint(30, 4), tile_px=128, halo_px=8)
    assert not plan.exact
    assert plan.ramp_px > 0
    assert plan.tile_shape[0] <= 128


def test_the_tile_size_of_the_papers() -> None:
    plan = plan_tiles((520, 696), Footprint(63, 32), tile_px=128, halo_px=0, ramp_px=0)
    assert plan.tile_shape[0] <= 128
    assert plan.halo_px == 0


def test_a_tile_without_room_for_a_core_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 144 pixels"):
        plan_tiles((520, 696), Footprint(63, 16), tile_px=128)
