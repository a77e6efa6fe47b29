"""FRC cut-off and noise against planted answers."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from focusfix.metrics.noise import clipped_shares, estimate_noise
from focusfix.metrics.resolution import pair_resolution, single_resolution

SIZE = (512, 480)


def gaussian_detail(sigma_px: float, shape: tuple[int, int] = SIZE, *, seed: int = 0) -> np.ndarray:
    """White noise of standard deviation 1, filtered: its power is exp(-(2 pi sigma f)^2)."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).standard_normal(shape))
    squared = np.fft.fftfreq(shape[0])[:, None] ** 2 + np.fft.fftfreq(shape[1])[None, :] ** 2
    return np.fft.ifft2(spectrum * np.exp(-2 * (math.pi * sigma_px) ** 2 * squared)).real


def planted_period(sigma_px: float, noise: float) -> float:
    """Where the ratio of signal to noise is 1/6, which makes a correlation of 1/7."""
    return 2 * math.pi * sigma_px / math.sqrt(math.log(6 / noise**2))


def add_noise(field: np.ndarray, noise: float, seed: int) -> np.ndarray:
    return field + np.random.default_rng(seed).normal(0, noise, field.shape)


CASES = [(2.0, 0.02), (2.0, 0.1), (3.0, 0.03), (4.0, 0.05)]


@pytest.mark.parametrize(("sigma_px", "noise"), CASES)
def test_cutoff_of_two_recordings(sigma_px, noise):
    field = gaussian_detail(sigma_px)
    measured = pair_resolution(add_noise(field, noise, 1), 3 * add_noise(field, noise, 2) + 100)
    assert measured == pytest.approx(planted_period(sigma_px, noise), rel=0.06)


@pytest.mark.parametrize(("sigma_px", "noise"), CASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_cutoff_of_one_image_is_that_of_two(sigma_px, noise, seed):
    field = gaussian_detail(sigma_px, seed=10 + seed)
    measured = single_resolution(5 * add_noise(field, noise, seed) + 300)
    assert measured == pytest.approx(planted_period(sigma_px, noise), rel=0.1)


def test_resolution_gets_worse_with_blur_and_noise():
    sharp = gaussian_detail(2.0)
    resolutions = [
        single_resolution(add_noise(gaussian_filter(sharp, blur, mode="wrap"), 0.02, 3))
        for blur in (0, 1.5, 3, 6)
    ]
    assert resolutions == sorted(resolutions)
    noisier = [single_resolution(add_noise(sharp, noise, 3)) for noise in (0.01, 0.05, 0.1)]
    assert noisier == sorted(noisier)


def test_limits_of_resolution():
    noise = np.random.default_rng(0).normal(0, 1, SIZE)
    assert single_resolution(gaussian_detail(3.0)) == 4
    assert pair_resolution(noise, noise) == 2
    assert pair_resolution(noise, add_noise(np.zeros(SIZE), 1, 1)) > 100
    assert single_resolution(noise) > 50
    assert single_resolution(np.full(SIZE, 7.0)) == math.inf


def test_small_or_unequal_planes():
    with pytest.raises(ValueError, match="at least 64 x 64"):
        single_resolution(np.zeros((63, 80)))
    with pytest.raises(ValueError, match="differ in shape"):
        pair_resolution(np.zeros((80, 80)), np.zeros((80, 81)))


@pytest.mark.parametrize("sigma", [0.5, 3.0, 40.0])
def test_planted_noise(sigma):
    rows, columns = np.indices((200, 220))
    scene = 1000 + 3 * rows + 500 * ((rows - 90) ** 2 + (columns - 100) ** 2 < 60**2)
    assert estimate_noise(add_noise(scene, sigma, 0)) == pytest.approx(sigma, rel=0.03)


@pytest.mark.parametrize("sigma", [0.6, 0.75, 1.0, 1.1, 1.3, 4.4])
@pytest.mark.parametrize("step", [1, 16])
def test_noise_of_integers_has_no_steps(sigma, step):
    """Rounding adds a twelfth to the variance; grey values may come in steps, as 12 bits in 16."""
    pixels = step * np.rint(add_noise(np.full((400, 400), 50.0), sigma, 0))
    expected = step * math.sqrt(sigma**2 + 1 / 12)
    assert estimate_noise(pixels.astype(np.uint16)) == pytest.approx(expected, rel=0.02)


def test_noise_of_shot_noise_and_of_none():
    photons = np.random.default_rng(0).poisson(400, (200, 200))
    assert estimate_noise(photons) == pytest.approx(20, rel=0.03)
    assert estimate_noise(np.add.outer(np.arange(50), np.arange(50) ** 2)) == 0
    with pytest.raises(ValueError, match="3 x 3"):
        estimate_noise(np.zeros((2, 50)))


def test_clipped_shares():
    pixels = np.arange(-10, 90).reshape(10, 10)
    assert clipped_shares(pixels, data_range=79) == (0.11, 0.11)
