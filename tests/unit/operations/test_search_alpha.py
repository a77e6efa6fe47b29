"""The search for alpha, with planted lines whose end is known."""

import numpy as np
import pytest
from scipy import ndimage

from focusfix.operations.alpha import (
    ALPHAS,
    IN_FOCUS,
    RADII_PX,
    AlphaTrial,
    alphas_around,
    choose_trial,
    search_alpha,
)
from focusfix.optics import OpticsSettings, blur_radius_px, defocus_psf, image_plane

LENS = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.52, pixel_size_um=0.5)


def psf(radius_px: float) -> np.ndarray:
    if not radius_px:
        return np.ones((1, 1), np.float32)
    return defocus_psf(LENS, radius_px / blur_radius_px(LENS, 1.0))


PSFS = [psf(radius) for radius in RADII_PX]


def scene(seed: int = 0) -> np.ndarray:
    """Soft discs of many sizes on a dark ground."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:128, :128]
    plane = np.zeros((128, 128))
    for _ in range(60):
        y, x = random.uniform(0, 128, 2)
        distance = np.hypot(rows - y, columns - x)
        plane += random.uniform(0.2, 1) * (distance < random.uniform(1, 6))
    return ndimage.gaussian_filter(plane, 1.5).astype(np.float32)


def noise(sigma: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sigma, (128, 128)).astype(np.float32)


def pixel_line(sharper: np.ndarray, blurrier: np.ndarray):
    """Extrapolate pixels in place of codes."""
    return lambda alpha: sharper + (1 - alpha) / alpha * (sharper - blurrier)


def error(image: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean((image - truth)[16:-16, 16:-16] ** 2))


@pytest.mark.parametrize(("near", "far"), [(2.0, 5.0), (3.0, 7.0)])
def test_the_choice_is_better_than_doing_nothing(near: float, far: float) -> None:
    truth = scene()
    sharper, blurrier = (image_plane(truth, psf(radius)) for radius in (near, far))
    deblur = pixel_line(sharper, blurrier)
    search = search_alpha(sharper, deblur, PSFS)
    errors = {alpha: error(deblur(alpha), truth) for alpha in ALPHAS}
    assert error(deblur(search.alpha), truth) < 0.7 * error(sharper, truth)
    assert errors[search.alpha] < 3 * min(errors.values())
    assert len(search.trials) == len(ALPHAS)


def test_noise_is_no_detail() -> None:
    flat = scene() * 0.01
    sharper = image_plane(flat, psf(3)) + noise(0.05, 1)
    blurrier = image_plane(flat, psf(6)) + noise(0.05, 2)
    assert search_alpha(sharper, pixel_line(sharper, blurrier), PSFS).alpha == 1.0


def test_results_that_do_not_explain_the_image_are_refused() -> None:
    sharper = image_plane(scene(), psf(3))
    search = search_alpha(sharper, lambda _: scene(seed=1), PSFS)
    assert search.alpha == 1.0
    assert min(trial.residual for trial in search.trials) > search.tolerance


def test_a_result_without_noise_explains_a_noisy_image() -> None:
    truth = image_plane(scene(), psf(1))
    sharper = image_plane(scene(), psf(4)) + noise(0.04, 1)
    assert search_alpha(sharper, lambda _: truth, PSFS, alphas=(0.5,)).alpha == 0.5


def test_windows_too_small_to_judge_stay_as_they_are() -> None:
    tiny = scene()[:9, :9]
    assert search_alpha(tiny, lambda _: tiny, PSFS).alpha == 1.0


def test_the_sharpest_of_those_that_qualify_is_chosen() -> None:
    trials = [
        AlphaTrial(0.8, 1.1, 0.01, 0.1),
        AlphaTrial(0.6, 1.3, 0.01, 0.1),
        AlphaTrial(0.4, 1.6, 0.03, 0.1),
        AlphaTrial(0.2, 1.9, 0.01, 0.9),
    ]
    assert choose_trial(trials, tolerance=0.02).alpha == 0.6
    assert choose_trial(trials[2:], tolerance=0.02).alpha == 1.0
    assert choose_trial([AlphaTrial(0.9, 1.001, 0.0, 0.0)], tolerance=0.02).alpha == 1.0


def test_a_models_estimate_is_the_middle() -> None:
    around = alphas_around(0.4)
    assert 0.4 in around
    assert min(around) < 0.4 < max(around)
    assert alphas_around(IN_FOCUS) == ()
    assert min(alphas_around(0.001)) > 0
    assert max(alphas_around(0.9)) <= ALPHAS[0]
