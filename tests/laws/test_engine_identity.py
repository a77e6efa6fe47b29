"""An identity network gives every bit back, whatever the pixel type, shape and tiling."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import fit_intensity_scale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import RestoreStats, restore
from focusfix.engine.survey import survey_source
from focusfix.engine.tiles import plan_tiles
from focusfix.footprint import Footprint

INTEGERS = ["u1", "u2", "i2", "u4"]
FLOATS = ["f2", "f4", "f8"]
NARROW = ["u1", "u2", "i2"]


def stacks(dtype: str) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, 3), st.integers(1, 70), st.integers(1, 70), st.integers(1, 3))
    if dtype in FLOATS:
        bound = 1e150 if dtype == "f8" else float(np.finfo(dtype).max)
        elements = st.floats(-bound, bound, width=8 * np.dtype(dtype).itemsize)
        planes = hnp.arrays(dtype, shapes, elements=elements)
        # Intensities that span less than the smallest number of a type are refused.
        return planes.map(lambda p: np.where(np.abs(p) < 1e-150, 0, p)) if dtype == "f8" else planes
    return hnp.arrays(dtype, shapes)


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_identity_is_bit_exact(dtype: str, data: st.DataObject) -> None:
    planes = data.draw(stacks(dtype))
    source = ArraySource(planes)
    footprint = Footprint(
        data.draw(st.integers(0, 20)),
        data.draw(st.sampled_from([1, 4, 8])),
        data.draw(st.booleans()),
    )
    tile_px = data.draw(st.none() | st.integers(2 * footprint.halo_px + 32, 120))
    plan = plan_tiles(source.shape_yx, footprint, tile_px=tile_px)
    channels = [plane % 2 for plane in range(source.n_planes)]
    scales = survey_source(source, channels).scales
    stats = RestoreStats()
    batch = data.draw(st.integers(1, 3))
    blocks = restore(source, _same, plan, scales, batch_size=batch, stats=stats)
    result = assemble_blocks(blocks, source.shape_yx)
    assert result.dtype == planes.dtype
    assert result.tobytes() == planes.tobytes()
    assert stats.n_clipped == 0
    assert stats.n_pixels == planes.size


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
@settings(deadline=None, max_examples=8)
@given(data=st.data())
def test_identity_beside_a_companion_is_bit_exact(dtype: str, data: st.DataObject) -> None:
    planes = data.draw(stacks(dtype))
    source, other = ArraySource(planes), ArraySource(planes[:, ::-1])
    footprint = Footprint(data.draw(st.integers(0, 9)), 4, data.draw(st.booleans()))
    plan = plan_tiles(source.shape_yx, footprint, tile_px=data.draw(st.integers(64, 99)))
    scales = survey_source(source, [0] * source.n_planes, companions=[other]).scales
    blocks = restore(source, _first, plan, scales, companions=[other])
    assert assemble_blocks(blocks, source.shape_yx).tobytes() == planes.tobytes()


@pytest.mark.parametrize("dtype", NARROW)
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_the_companion_itself_comes_back_exactly(dtype: str, data: st.DataObject) -> None:
    planes = data.draw(stacks(dtype))
    source, other = ArraySource(planes), ArraySource(planes[:, ::-1, ::-1])
    plan = plan_tiles(source.shape_yx, Footprint(3, 4), tile_px=data.draw(st.integers(48, 99)))
    scales = survey_source(source, [0] * source.n_planes, companions=[other]).scales
    blocks = restore(source, _second, plan, scales, companions=[other])
    result = assemble_blocks(blocks, source.shape_yx)
    np.testing.assert_array_equal(result, planes[:, ::-1, ::-1])


def _first(tiles: np.ndarray) -> np.ndarray:
    return tiles[:, :1]


def _second(tiles: np.ndarray) -> np.ndarray:
    return tiles[:, 1:]


def _same(tiles: np.ndarray) -> np.ndarray:
    return tiles


@settings(deadline=None, max_examples=25)
@given(
    start=hnp.arrays(
        "u2", st.tuples(st.just(1), st.integers(1, 40), st.integers(1, 40), st.just(3))
    ),
    order=st.permutations([0, 1, 2, 3]),
)
def test_axes_of_any_order_are_only_views(start: np.ndarray, order: list[int]) -> None:
    planes = start.transpose(order)
    source = ArraySource(planes)
    plan = plan_tiles(source.shape_yx, Footprint(2, 2), tile_px=24)
    scales = survey_source(source, [0] * source.n_planes).scales
    result = assemble_blocks(restore(source, _same, plan, scales), source.shape_yx)
    np.testing.assert_array_equal(result, planes)


@pytest.mark.parametrize("dtype", NARROW)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_inverting_a_scale_undoes_it(dtype: str, data: st.DataObject) -> None:
    values = data.draw(hnp.arrays(dtype, st.integers(1, 200)))
    limit: Any = st.none() | st.floats(float(values.max()) - 9000, float(values.max()) - 1)
    scale = fit_intensity_scale([values], camera_offset=data.draw(limit))
    stored, n_clipped = scale.invert(scale.apply(values), dtype)
    np.testing.assert_array_equal(stored, values)
    assert n_clipped == 0
