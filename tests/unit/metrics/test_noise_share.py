"""What is left of a plane without its noise, planted."""

import numpy as np
import pytest

from focusfix.metrics.noise import rms_without_noise

WAVE = 5 * np.sin(np.arange(256) / 20)[:, None] * np.ones(256)


def test_even_noise_is_taken_out() -> None:
    noisy = WAVE + np.random.default_rng(0).normal(0, 4, WAVE.shape)
    assert rms_without_noise(noisy) == pytest.approx(np.sqrt(np.mean(WAVE**2)), rel=0.05)


def test_noise_alone_leaves_almost_nothing() -> None:
    assert rms_without_noise(np.random.default_rng(0).normal(0, 4, (256, 256))) < 0.6


def test_noise_of_light_is_taken_out_class_by_class() -> None:
    random = np.random.default_rng(1)
    brightness = np.where(np.arange(256)[:, None] > 127, 2500.0, 25.0) * np.ones(256)
    difference = random.poisson(brightness) - brightness
    assert rms_without_noise(difference, brightness=brightness) < 6
    assert rms_without_noise(difference) > 25
    with_wave = rms_without_noise(difference + 4 * WAVE, brightness=brightness)
    assert with_wave == pytest.approx(4 * np.sqrt(np.mean(WAVE**2)), rel=0.1)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        rms_without_noise(WAVE, brightness=WAVE[1:])
    with pytest.raises(ValueError, match="3 x 3"):
        rms_without_noise(WAVE[:2], brightness=WAVE[:2])
