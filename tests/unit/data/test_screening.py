import numpy as np
import pytest

from focusfix.data.screening import (
    PEAK_COUNTS,
    SCREENING_CAMERA,
    SCREENING_OPTICS,
    screening_pair,
)
from focusfix.metrics.fidelity import psnr
from focusfix.optics import blur_radius_px


@pytest.fixture(scope="module")
def nuclei() -> np.ndarray:
    """Field of soft discs the size of nuclei at 0.65 um per pixel; 99.9th percentile about 1."""
    random = np.random.default_rng(8)
    rows, columns = np.mgrid[:260, :348]
    plane = np.zeros((260, 348))
    for _ in range(45):
        y, x, radius = random.uniform(0, 260), random.uniform(0, 348), random.uniform(7, 11)
        disc = np.clip(radius - np.hypot(rows - y, columns - x), 0, 1)
        plane = np.maximum(plane, random.uniform(0.3, 1) * disc)
    return plane.astype(np.float32)


def test_the_microscope_is_the_documented_one():
    assert SCREENING_OPTICS.pixel_size_um == 0.65
    assert SCREENING_OPTICS.wavelength_um == 0.461
    assert (SCREENING_CAMERA.offset, SCREENING_CAMERA.bit_depth) == (100, 12)
    assert blur_radius_px(SCREENING_OPTICS, 32.0) == pytest.approx(39.94, abs=0.01)


def test_truth_is_sharp_free_of_noise_and_on_the_camera_scale(nuclei):
    pair = screening_pair(nuclei, 20.0, seed=1)
    assert pair.in_focus.shape == pair.out_of_focus.shape == nuclei.shape
    assert pair.in_focus.dtype == pair.out_of_focus.dtype == np.float32
    assert np.percentile(pair.in_focus, 99.9) == pytest.approx(100 + PEAK_COUNTS, rel=1e-3)
    assert pair.in_focus.min() == pytest.approx(100, abs=1)
    np.testing.assert_array_equal(pair.in_focus, screening_pair(nuclei, 4.0, seed=2).in_focus)


def test_recorded_planes_are_whole_12_bit_values(nuclei):
    recorded = screening_pair(nuclei, 20.0, seed=1).out_of_focus
    np.testing.assert_array_equal(recorded, np.rint(recorded))
    assert recorded.min() >= 0
    assert recorded.max() <= 4095


def test_noise_is_that_of_the_camera(nuclei):
    """In focus, the variance of the difference is gain x signal + read noise^2 + rounding."""
    pair = screening_pair(nuclei, 0.0, seed=3)
    noise = pair.out_of_focus - pair.in_focus
    signal = pair.in_focus - 100
    expected = 0.34 * signal + 1.5**2 + 1 / 12
    assert float(noise.mean()) == pytest.approx(0, abs=0.15)
    assert float((noise**2 / expected).mean()) == pytest.approx(1, abs=0.02)


def test_the_seed_is_the_noise(nuclei):
    first, again, other = (
        screening_pair(nuclei, 8.0, seed=seed).out_of_focus for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_doing_nothing_scores_like_real_fields(nuclei, show_figure):
    """Falls with distance, to about 31 dB of the 12-bit range at 32 um."""
    levels = [
        psnr(*screening_pair(nuclei, dz_um, seed=7), data_range=4095.0)
        for dz_um in (0.0, 4.0, 8.0, 16.0, 32.0)
    ]
    show_figure("doing nothing at 0, 4, 8, 16, 32 um: " + ", ".join(f"{v:.1f}" for v in levels))
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > 45
    assert 24 < levels[-1] < 34


def test_defocus_moves_light_and_keeps_it(nuclei):
    recorded = screening_pair(nuclei, 6.0, seed=9)
    assert recorded.out_of_focus.mean() == pytest.approx(recorded.in_focus.mean(), rel=0.01)


def test_either_side_of_focus_is_alike(nuclei):
    above, below = (screening_pair(nuclei, dz, seed=10).out_of_focus for dz in (12.0, -12.0))
    np.testing.assert_array_equal(above, below)
