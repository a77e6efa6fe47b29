"""Scales of intensities with known percentiles."""

from dataclasses import replace

import numpy as np
import pytest

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import ChangeScale, IntensityScale, fit_intensity_scale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import restore
from focusfix.engine.tiles import plan_tiles
from focusfix.errors import InputError
from focusfix.footprint import Footprint


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f4", "f8"])
def test_percentiles_are_those_of_numpy(dtype: str) -> None:
    values = np.random.default_rng(1).gamma(2.0, 20.0, (61, 83)).clip(0, 250).astype(dtype)
    scale = fit_intensity_scale([values[:20], values[20:]])
    low, high = np.percentile(values.astype(np.float64), [0.1, 99.9])
    assert scale.offset == pytest.approx(low)
    assert 1 / scale.gain == pytest.approx(high - low)


def test_camera_offset_takes_the_place_of_the_low_percentile() -> None:
    scale = fit_intensity_scale([np.arange(100, 1101, dtype=np.uint16)], camera_offset=90)
    assert scale.offset == 90
    assert scale.apply(np.array([90], dtype=np.uint16)) == 0


def test_a_camera_offset_above_all_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="camera offset 300"):
        fit_intensity_scale([np.array([1, 200], dtype=np.uint8)], camera_offset=300)


def test_constant_channels_have_gain_one() -> None:
    scale = fit_intensity_scale([np.full((4, 4), 7, dtype=np.uint16)])
    assert scale == IntensityScale(offset=7.0, gain=1.0, constant=True)


def test_few_bright_pixels_still_give_a_range() -> None:
    values = np.zeros(100_000, dtype=np.uint16)
    values[5] = 500
    scale = fit_intensity_scale([values])
    assert (scale.offset, 1 / scale.gain) == (0.0, pytest.approx(500))
    bright = fit_intensity_scale([values], camera_offset=0)
    assert 1 / bright.gain == pytest.approx(500)


def test_gaps_are_left_out_of_the_fit() -> None:
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    holed = np.concatenate([values, [np.nan, np.inf, -np.inf]]).astype(np.float32)
    assert fit_intensity_scale([holed]) == fit_intensity_scale([values])


def test_no_finite_pixel_is_an_error() -> None:
    with pytest.raises(InputError, match="no finite pixel"):
        fit_intensity_scale([np.full(3, np.nan)])


def test_a_range_beyond_double_precision_is_an_error() -> None:
    with pytest.raises(InputError, match="no scale"):
        fit_intensity_scale([np.array([-1.7e308, 1.7e308])])


def test_large_float_channels_are_sampled_reproducibly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("focusfix.engine.percentiles.SAMPLE_LIMIT", 20_000)
    values = np.random.default_rng(0).normal(size=(40, 5000)).astype(np.float32)
    first, second = fit_intensity_scale(values), fit_intensity_scale(values)
    assert first == second
    low, high = np.percentile(values, [0.1, 99.9])
    assert first.offset == pytest.approx(low, abs=0.3)
    assert 1 / first.gain == pytest.approx(high - low, rel=0.1)


def test_saturation_is_counted_and_values_are_rounded() -> None:
    scale = IntensityScale(offset=100.0, gain=1 / 100)
    stored, n_clipped = scale.invert(np.float32([-2.0, 0.006, 0.004, 700.0]), np.uint16)
    assert stored.tolist() == [0, 101, 100, 65535]
    assert n_clipped == 2


def test_a_change_is_added_to_every_bit_of_wide_integers() -> None:
    scale = IntensityScale(offset=0.0, gain=1 / 4294967296)
    stored = np.array([4294967295, 123456789, 0], dtype=np.uint32)
    changed, n_clipped = scale.add_change(stored, np.zeros(3, np.float32), np.uint32)
    assert changed.tolist() == stored.tolist()
    brighter, n_clipped = scale.add_change(stored, np.full(3, 0.5, np.float32), np.uint32)
    assert brighter.tolist() == [4294967295, 123456789 + 2147483648, 2147483648]
    assert n_clipped == 1


def test_half_precision_saturates_at_its_largest_number() -> None:
    scale = IntensityScale(offset=0.0, gain=1.0)
    changed, n_clipped = scale.add_change(
        np.float16([60000, 1]), np.float32([60000, 1]), np.float16
    )
    assert changed.tolist() == [65504, 2]
    assert n_clipped == 1


def test_a_change_alone_is_written_in_grey_values() -> None:
    scale = ChangeScale.of(IntensityScale(offset=100.0, gain=1 / 400, fill=7.0, constant=True))
    assert (scale.offset, scale.gain, scale.fill, scale.constant) == (100.0, 1 / 400, 7.0, True)
    stored = np.array([50, 60000], dtype=np.uint16)
    changes, n_clipped = scale.add_change(stored, np.float32([0.25, 0.5]), np.float32)
    assert changes.dtype == np.float32
    assert changes.tolist() == [100, 200]
    assert n_clipped == 0


def test_a_change_alone_goes_through_the_engine() -> None:
    pixels = np.random.default_rng(0).integers(0, 999, (2, 20, 30, 1), dtype=np.uint16)
    unit = fit_intensity_scale([pixels])
    scales = [ChangeScale.of(unit), ChangeScale.of(replace(unit, constant=True))]
    plan = plan_tiles((20, 30), Footprint(0, 1))
    blocks = restore(ArraySource(pixels), lambda t: t + 0.25, plan, scales, dtype=np.float32)
    first, second = assemble_blocks(blocks, (20, 30))[..., 0]
    np.testing.assert_allclose(first, 0.25 / unit.gain, rtol=1e-5)
    assert not second.any()
