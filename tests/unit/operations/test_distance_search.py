import numpy as np
import pytest

from focusfix.operations.distance_search import (
    CONTRAST_SHARE,
    DistanceTrial,
    choose_distance,
    search_distance,
)
from focusfix.optics import OpticsSettings, defocus_psf, image_plane

LENS = OpticsSettings(numerical_aperture=0.6, wavelength_um=0.52, pixel_size_um=0.65)


def discs(seed: int = 0, side: int = 96) -> np.ndarray:
    random = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    plane = np.zeros((side, side))
    for y, x, radius in zip(
        *random.uniform(0, side, (2, 14)), random.uniform(3, 6, 14), strict=True
    ):
        plane += np.clip(radius - np.hypot(rows - y, columns - x), 0, 1)
    return plane.astype(np.float32)


def seen_at(plane: np.ndarray, dz_um: float) -> np.ndarray:
    return np.asarray(image_plane(plane, defocus_psf(LENS, dz_um)), dtype=np.float32)


def noisy(plane: np.ndarray, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.01, plane.shape)
    return (plane + noise).astype(np.float32)


@pytest.mark.parametrize("height_um", [3.0, 6.5])
def test_a_refocuser_that_is_right_is_told_the_true_distance(height_um):
    """The oracle images the true structure at each distance: sharpest where that is focus."""
    structure = discs()
    image = noisy(seen_at(structure, height_um))
    search = search_distance(
        image, lambda dz: seen_at(structure, height_um + dz), LENS, range_um=10, both_ways=False
    )
    assert search.best is not None
    assert search.best.dz_um == pytest.approx(-height_um, abs=0.6)
    assert search.best.residual < CONTRAST_SHARE * search.contrast
    assert all(trial.dz_um < 0 for trial in search.trials)


def test_both_ways_are_tried_where_the_sign_has_a_meaning():
    structure = discs()
    image = noisy(seen_at(structure, -4.0))
    search = search_distance(
        image, lambda dz: seen_at(structure, dz - 4.0), LENS, range_um=6, both_ways=True
    )
    assert search.best is not None
    assert search.best.dz_um == pytest.approx(4.0, abs=0.6)
    assert {np.sign(trial.dz_um) for trial in search.trials} == {-1, 1}


def test_a_result_that_does_not_explain_the_image_is_refused():
    """Sharp, but of another field: blurred again it is not the image."""
    image = noisy(seen_at(discs(0), 5.0))
    other = discs(7)
    search = search_distance(
        image, lambda dz: image if dz == 0 else other, LENS, range_um=10, both_ways=False
    )
    assert search.best is None
    assert min(trial.residual for trial in search.trials) > CONTRAST_SHARE * search.contrast


def test_nothing_is_gained_by_the_image_itself():
    image = noisy(seen_at(discs(), 5.0))
    search = search_distance(image, lambda _: image, LENS, range_um=10, both_ways=False)
    assert search.best is None
    assert {round(trial.sharpness_gain, 6) for trial in search.trials} == {1.0}


def test_windows_that_tell_nothing():
    small = np.ones((16, 40), np.float32)
    search = search_distance(small, lambda _: small, LENS, range_um=10, both_ways=True)
    assert (search.best, search.trials) == (None, ())


def test_the_sharpest_that_qualifies_wins():
    trials = [
        DistanceTrial(-1.0, 1.2, 0.01, 0.0),
        DistanceTrial(-2.0, 1.4, 0.02, 0.1),
        DistanceTrial(-3.0, 2.0, 0.02, 0.9),  # noise
        DistanceTrial(-4.0, 3.0, 0.50, 0.0),  # does not explain the image
        DistanceTrial(-5.0, 1.05, 0.05, 0.0),  # nor for as little as it gains
    ]
    best = choose_distance(trials, 1.0)
    assert best is not None
    assert best.dz_um == -2.0
    assert choose_distance(trials[2:], 1.0) is None
