"""Laws of the tile geometry."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from focusfix.engine.blend import blend_window
from focusfix.engine.tiles import TilePlan, plan_tiles, split_span
from focusfix.footprint import Footprint


@st.composite
def plans(draw: st.DrawFn) -> TilePlan:
    stride = draw(st.sampled_from([1, 2, 4, 16, 32]))
    footprint = Footprint(draw(st.integers(0, 70)), stride, draw(st.booleans()))
    shape = draw(st.tuples(st.integers(1, 900), st.integers(1, 900)))
    least = 2 * footprint.halo_px + 4 * stride
    tile = draw(st.none() | st.integers(least, least + 300))
    return plan_tiles(shape, footprint, tile_px=tile)


@settings(deadline=None, max_examples=150)
@given(plans())
def test_cores_partition_the_image(plan: TilePlan) -> None:
    for size, spans in zip(plan.shape_yx, (plan.rows, plan.columns), strict=True):
        covered = [position for span in spans for position in range(span.start, span.stop)]
        assert covered == list(range(size))


@settings(deadline=None, max_examples=150)
@given(plans())
def test_windows_share_one_shape_and_start_on_the_stride_grid(plan: TilePlan) -> None:
    for length, spans in zip(plan.tile_shape, (plan.rows, plan.columns), strict=True):
        assert length % plan.stride_px == 0
        for span in spans:
            assert span.window_stop - span.window_start == length
            assert span.window_start % plan.stride_px == 0
            assert span.window_start <= span.support_start - plan.halo_px
            assert span.window_stop >= span.support_stop + plan.halo_px


@settings(deadline=None, max_examples=150)
@given(plans())
def test_windows_sum_to_one(plan: TilePlan) -> None:
    for size, spans in zip(plan.shape_yx, (plan.rows, plan.columns), strict=True):
        total = np.zeros(size)
        for span in spans:
            total[span.support] += blend_window(span)
        np.testing.assert_allclose(total, 1.0, atol=1e-6)


@settings(deadline=None, max_examples=100)
@given(plans(), st.integers(1, 8))
def test_parts_of_a_span_keep_the_laws(plan: TilePlan, units: int) -> None:
    if plan.ramp_px:
        return
    part = min(units * plan.stride_px, plan.core_yx[0])
    for span in plan.rows:
        parts = split_span(span, part)
        assert [p for s in parts for p in range(s.start, s.stop)] == [*range(span.start, span.stop)]
        for each in parts:
            assert each.window_stop - each.window_start == part + 2 * plan.halo_px
            assert each.window_start % plan.stride_px == 0
            assert span.window_start <= each.window_start <= each.start - plan.halo_px
            assert each.stop + plan.halo_px <= each.window_stop <= span.window_stop
