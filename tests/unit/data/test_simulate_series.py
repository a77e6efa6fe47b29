"""Simulated focal series: one field, one microscope, levels drawn evenly."""

import math

import numpy as np
import pytest

from focusfix.data.simulate import SimulationSettings
from focusfix.data.simulate_series import LEVELS, SeriesSimulator, list_level_triplets
from focusfix.data.simulated_optics import KnownMicroscope, usual_farthest_um
from focusfix.metrics.focus import measure_sharpness
from focusfix.optics import OpticsSettings

CLEAN = SimulationSettings(
    crop_px=64,
    optics_bank=48,
    screening_share=1.0,
    peak_electrons=(1e6, 1e6),
    background_share=0.0,
)


def draw_simulator(settings=CLEAN, seed=3):
    rng = np.random.default_rng(0)
    plane = np.kron(rng.random((50, 50)) > 0.6, np.ones((5, 5))).astype(np.float32)
    return SeriesSimulator([plane], [1.0], settings, seed)


@pytest.fixture(scope="module")
def drawn():
    return draw_simulator()


def test_levels_are_spaced_evenly_from_focus(drawn):
    assert len(drawn.microscopes) == 2
    for microscope in drawn.microscopes:
        assert len(microscope.transfers) == LEVELS
        passed = [float(np.square(transfer).sum()) for transfer in microscope.transfers]
        assert passed == sorted(passed, reverse=True)


def test_triplets_get_blurrier_and_follow_from_their_number(drawn):
    for index in range(6):
        triplet = drawn.triplet(index, pattern="auto")
        assert triplet.alpha == 0.5
        assert triplet.sharper.shape == (64, 64)
        sharpness = [measure_sharpness(image.astype(float)) for image in triplet[:3]]
        assert sharpness[0] > sharpness[2]
    again = draw_simulator().triplet(5, pattern="auto")
    np.testing.assert_array_equal(triplet.between, again.between)
    alphas = {round(drawn.triplet(index, pattern="full").alpha, 3) for index in range(20)}
    assert len(alphas) > 4
    assert len(list_level_triplets("auto")) == 7
    assert len(list_level_triplets("full")) == math.comb(LEVELS, 3)


def test_all_planes_of_a_sample_are_on_one_scale(drawn):
    for index in range(4):
        group = drawn.group(index, size=5)
        means = [float(image.mean()) for image in (group.in_focus, *group.images)]
        assert max(means) - min(means) < 0.1, "blur moves light, it does not take any away"
        assert len(set(group.levels.tolist())) == 5
        assert np.all(np.sign(group.levels) == np.sign(group.dz_um))
        at_focus = group.images[group.levels == 0]
        assert np.allclose(at_focus, group.in_focus, atol=0.02)


def test_factor_pairs_are_two_fields_through_one_microscope(drawn):
    pairs = [drawn.factor_pairs(index) for index in range(6)]
    for each in pairs:
        related = np.corrcoef(each.in_focus.ravel(), each.image.ravel())[0, 1]
        other = np.corrcoef(each.in_focus.ravel(), each.other_identity.ravel())[0, 1]
        assert related > other
        assert each.levels[0] != each.levels[1]
        if each.levels[0]:
            assert each.dz_um[0] / each.levels[0] == pytest.approx(
                abs(each.dz_um[1] / each.levels[1])
                if each.levels[1]
                else abs(each.dz_um[0] / each.levels[0])
            )


def test_a_known_microscope_shows_both_sides_of_focus():
    lens = OpticsSettings(numerical_aperture=0.6, wavelength_um=0.52, pixel_size_um=0.65)
    known = KnownMicroscope(optics=lens, farthest_um=8.0)
    drawn = draw_simulator(CLEAN.model_copy(update={"known": known}))
    groups = [drawn.group(index, size=3) for index in range(12)]
    distances = np.concatenate([group.dz_um for group in groups])
    assert distances.min() < -2
    assert distances.max() > 2
    assert np.abs(distances).max() <= 8
    optics, dz_um = drawn.draw_optics(np.random.default_rng(0))
    assert optics == lens
    assert abs(dz_um) <= 8


def test_blur_beyond_the_margin_is_refused():
    lens = OpticsSettings(numerical_aperture=0.6, wavelength_um=0.52, pixel_size_um=0.65)
    assert usual_farthest_um(lens) == 10.4
    with pytest.raises(ValueError, match="more than is simulated"):
        KnownMicroscope(optics=lens, farthest_um=100.0)
