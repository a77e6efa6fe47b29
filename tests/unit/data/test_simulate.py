import math

import numpy as np
import pytest
from pydantic import ValidationError

from focusfix.data.simulate import (
    DefocusSimulator,
    SimulationSettings,
    depth_of_field_um,
)
from focusfix.metrics.fidelity import psnr
from focusfix.optics import OpticsSettings, blur_radius_px

SMALL = SimulationSettings(crop_px=64, optics_bank=16)


def bright_discs(seed: int, shape: tuple[int, int] = (200, 230)) -> np.ndarray:
    """Soft-edged discs on a dark background, 0 to 1."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    plane = np.zeros(shape)
    for _ in range(40):
        y, x = random.uniform(0, shape[0]), random.uniform(0, shape[1])
        distance = np.hypot(rows - y, columns - x)
        disc = np.clip(random.uniform(3, 10) - distance, 0, 1)
        plane = np.maximum(plane, random.uniform(0.3, 1) * disc)
    return plane.astype(np.float32)


def simulator(settings: SimulationSettings = SMALL, seed: int = 1) -> DefocusSimulator:
    return DefocusSimulator([bright_discs(0), bright_discs(1)], [3.0, 1.0], settings, seed)


@pytest.fixture(scope="module")
def drawn() -> DefocusSimulator:
    return simulator()


def test_a_number_is_a_pair_whatever_was_drawn_before(drawn):
    forwards = [drawn.pair(index) for index in range(6)]
    backwards = [drawn.pair(index) for index in reversed(range(6))][::-1]
    fresh = simulator()
    for index, (first, second) in enumerate(zip(forwards, backwards, strict=True)):
        third = fresh.pair(index)
        for other in (second, third):
            np.testing.assert_array_equal(first.out_of_focus, other.out_of_focus)
            np.testing.assert_array_equal(first.in_focus, other.in_focus)
            assert first.radius_px == other.radius_px


def test_other_numbers_and_other_seeds_are_other_pairs(drawn):
    reference = drawn.pair(0).out_of_focus
    assert not np.array_equal(reference, drawn.pair(1).out_of_focus)
    assert not np.array_equal(reference, simulator(seed=2).pair(0).out_of_focus)


@pytest.mark.parametrize("crop_px", [32, 64, 100])
def test_pairs_are_square_float_crops_on_one_scale(crop_px):
    settings = SMALL.model_copy(update={"crop_px": crop_px, "optics_bank": 4})
    drawn = simulator(settings)
    for pair in map(drawn.pair, range(4)):
        for image in (pair.out_of_focus, pair.in_focus):
            assert image.shape == (crop_px, crop_px)
            assert image.dtype == np.float32
            assert np.isfinite(image).all()
        assert pair.radius_px >= 0


def test_the_scale_is_about_that_of_whole_images(drawn):
    """Inputs lie about in 0 to 1 and keep the truth's mean: light is moved, not made."""
    pairs = [drawn.pair(index) for index in range(60)]
    low = np.percentile([pair.out_of_focus for pair in pairs], 1)
    high = np.percentile([pair.out_of_focus for pair in pairs], 99)
    assert -0.25 < low < 0.25
    assert 0.5 < high < 1.3
    shift = [float(pair.out_of_focus.mean() - pair.in_focus.mean()) for pair in pairs]
    assert abs(np.mean(shift)) < 0.05
    assert max(float(pair.in_focus.max()) for pair in pairs) < 20


def test_blurrier_pairs_differ_more_from_their_truth():
    settings = SMALL.model_copy(update={"peak_electrons": (20000.0, 20000.0), "haze_share": 0.0,
                                        "background_share": 0.0})  # fmt: skip
    pairs = list(map(simulator(settings).pair, range(80)))
    error = [np.std(pair.out_of_focus - pair.in_focus) / np.std(pair.in_focus) for pair in pairs]
    radius = np.array([pair.radius_px for pair in pairs])
    sharp, blurry = radius < np.quantile(radius, 0.25), radius > np.quantile(radius, 0.75)
    assert np.median(np.array(error)[sharp]) < 0.6 * np.median(np.array(error)[blurry])


def test_pairs_in_focus_are_their_own_truth_but_for_noise(show_figure):
    settings = SMALL.model_copy(
        update={"in_focus_share": 1.0, "haze_share": 0.0, "peak_electrons": (20000.0, 20000.0)}
    )
    pairs = list(map(simulator(settings).pair, range(30)))
    levels = [
        psnr(pair.out_of_focus - pair.in_focus.min(), pair.in_focus - pair.in_focus.min(),
             data_range=float(np.ptp(pair.in_focus)))
        for pair in pairs
    ]  # fmt: skip
    show_figure(f"in focus, 20,000 electrons: PSNR {np.median(levels):.1f} dB, "
                f"lowest {min(levels):.1f} dB")  # fmt: skip
    assert np.median(levels) > 40
    assert min(levels) > 30


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_are_those_asked_for(share):
    settings = SMALL.model_copy(update={"screening_share": share, "in_focus_share": share})
    bank = simulator(settings).bank
    in_focus = [blur.radius_px < 5 for blur in bank]
    assert all(in_focus) if share else sum(in_focus) < len(in_focus)


def test_blur_stays_within_its_largest_radius():
    settings = SMALL.model_copy(update={"screening_share": 0.0, "max_blur_radius_px": 6.0})
    radii = [blur.radius_px for blur in simulator(settings).bank]
    assert max(radii) <= 6.0 * (1 + 1e-9)
    assert max(radii) > 3.0


def test_transfer_functions_keep_the_light_and_pass_no_more_than_all(drawn):
    for blur in drawn.bank:
        for transfer in (blur.out_of_focus, blur.in_focus):
            assert transfer.shape == (drawn.field_px, drawn.field_px // 2 + 1)
            assert transfer[0, 0] == pytest.approx(1, abs=1e-5)
            assert np.abs(transfer).max() <= 1 + 1e-5


def test_absorbing_samples_have_no_background_of_their_own():
    settings = SMALL.model_copy(update={"brightfield": True, "haze_share": 0.0, "optics_bank": 8})
    planes = [1 - 0.7 * bright_discs(3)]
    pairs = list(map(DefocusSimulator(planes, [1.0], settings, 1).pair, range(20)))
    assert all(np.median(pair.in_focus) > pair.in_focus.mean() for pair in pairs)


def test_planes_are_drawn_as_often_as_their_weights_say():
    planes = [np.zeros((170, 170), dtype=np.float32), bright_discs(2)]
    settings = SMALL.model_copy(update={"optics_bank": 2, "haze_share": 0.0})
    pairs = list(map(DefocusSimulator(planes, [1.0, 3.0], settings, 5).pair, range(80)))
    empty = sum(float(np.ptp(pair.in_focus)) < 1e-6 for pair in pairs)
    assert 8 <= empty <= 34


def test_planes_smaller_than_the_field_are_continued():
    tiny = bright_discs(4, (40, 300))
    pair = DefocusSimulator([tiny], [1.0], SMALL, 1).pair(0)
    assert pair.out_of_focus.shape == (64, 64)


@pytest.mark.parametrize(("planes", "weights"), [([], []), ([bright_discs(0)], [1.0, 2.0])])
def test_planes_without_weights_are_refused(planes, weights):
    with pytest.raises(ValueError, match="needs planes, and one weight for each"):
        DefocusSimulator(planes, weights, SMALL, 1)


@pytest.mark.parametrize(
    "wrong",
    [{"crop_px": 16}, {"in_focus_share": 1.5}, {"haze_share": -0.1}, {"optics_bank": 0},
     {"max_blur_radius_px": 0.0}, {"blur": 3}],
)  # fmt: skip
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        SimulationSettings(**wrong)


def test_depth_of_field_shrinks_with_the_square_of_the_aperture():
    lens = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.3)
    assert depth_of_field_um(lens) == pytest.approx(2.0)
    wide = lens.model_copy(update={"numerical_aperture": 0.25})
    assert depth_of_field_um(wide) == pytest.approx(8.0)
    blur_um = blur_radius_px(lens, 0.3 * depth_of_field_um(lens)) * lens.pixel_size_um
    assert blur_um < 0.61 * 0.5 / 0.5


def test_the_bank_does_not_depend_on_the_planes():
    first = DefocusSimulator([bright_discs(0)], [1.0], SMALL, 7).bank
    second = DefocusSimulator([bright_discs(1)], [1.0], SMALL, 7).bank
    assert math.fsum(blur.radius_px for blur in first) == math.fsum(b.radius_px for b in second)
