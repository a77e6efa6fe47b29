"""Sharpness and FRC against closed forms and plain loops over the Fourier plane."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from focusfix.metrics.focus import measure_sharpness, sharpness_ratio
from focusfix.metrics.resolution import pair_resolution

SIZE = 400


def gaussian_detail(sigma_px: float, *, seed: int = 0) -> np.ndarray:
    """White noise whose power is filtered to exp(-(2 pi sigma f)^2)."""
    frequency = np.fft.fftfreq(SIZE)
    squared = frequency[:, None] ** 2 + frequency[None, :] ** 2
    spectrum = np.fft.fft2(np.random.default_rng(seed).standard_normal((SIZE, SIZE)))
    return np.fft.ifft2(spectrum * np.exp(-2 * (math.pi * sigma_px) ** 2 * squared)).real


@pytest.mark.parametrize("sigma_px", [1.5, 3.0, 6.0])
def test_sharpness_of_a_gaussian_spectrum(sigma_px):
    r"""The mean of f^2 over exp(-a f^2) in the plane is 1 / a, with a = (2 pi sigma)^2."""
    measured = measure_sharpness(gaussian_detail(sigma_px))
    assert measured == pytest.approx(1 / (2 * math.pi * sigma_px), rel=0.05)


@pytest.mark.parametrize("noise", [0.3, 1.0, 2.0])
def test_sharpness_under_noise_is_that_of_the_detail_times_its_share(noise):
    detail = gaussian_detail(6.0)
    noisy = detail / detail.std() + noise * np.random.default_rng(9).standard_normal((SIZE, SIZE))
    share = 1 / (1 + noise**2)
    assert measure_sharpness(noisy) == pytest.approx(share / (2 * math.pi * 6.0), rel=0.15)


@pytest.mark.parametrize("blur_px", [1.0, 2.0, 5.0])
def test_sharpness_ratio_of_a_planted_gaussian_blur(blur_px):
    """Gaussians add in squares: 2 px of detail and a blur of s make sqrt(4 + s^2)."""
    truth = gaussian_detail(2.0)
    blurred = gaussian_filter(truth, blur_px, mode="wrap")
    expected = 2.0 / math.hypot(2.0, blur_px)
    assert sharpness_ratio(blurred, truth) == pytest.approx(expected, rel=0.06)


def plain_resolution(first: np.ndarray, second: np.ndarray) -> float:
    """Ring by ring over the whole Fourier plane, with windows, sums and crossing written out."""
    side = len(first)
    window = np.hanning(side)[:, None] * np.hanning(side)[None, :]
    a, b = (np.fft.fft2((each - each.mean()) * window) for each in (first, second))
    step = np.fft.fftfreq(side, 1 / side)
    radius = np.sqrt(step[:, None] ** 2 + step[None, :] ** 2)
    sums = []
    for ring in range(side // 2):
        inside = (radius >= ring) & (radius < ring + 1)
        cross = np.real(a[inside] * np.conj(b[inside])).sum()
        sums.append((cross, (abs(a[inside]) ** 2).sum(), (abs(b[inside]) ** 2).sum()))
    half = int(side / 2 / 16 / 2)
    previous = None
    for ring in range(1, side // 2):
        near = sums[max(ring - half, 0) : ring + half + 1]
        cross, power, other = (sum(column) for column in zip(*near, strict=True))
        correlation = cross / math.sqrt(power * other)
        if correlation < 1 / 7 and previous is not None:
            share = (previous - 1 / 7) / (previous - correlation)
            return side / (ring - 1 + share + 0.5)
        previous = correlation
    return 2.0


@pytest.mark.parametrize(("sigma_px", "noise"), [(2.0, 0.05), (3.0, 0.03), (5.0, 0.02)])
def test_frc_is_that_of_plain_loops(sigma_px, noise):
    """The half plane counts the two middle columns once: a difference of parts of a per cent."""
    random = np.random.default_rng(4)
    field = gaussian_detail(sigma_px)
    first, second = (field + random.normal(0, noise, field.shape) for _ in range(2))
    assert pair_resolution(first, second) == pytest.approx(
        plain_resolution(first, second), rel=0.01
    )
