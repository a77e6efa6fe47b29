import numpy as np
import pytest

from focusfix.classical.spectrum import (
    RingSpectrum,
    SignalModel,
    fit_signal,
    ring_power,
    ring_transfer,
)
from focusfix.optics import OpticsSettings, defocus_psf

LENS = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.5)


def test_white_noise_has_its_variance_in_every_ring() -> None:
    noise = np.random.default_rng(0).normal(100, 3, (256, 320))
    spectrum = ring_power(noise)
    assert spectrum.power.shape == (128,)
    assert spectrum.frequencies[[0, -1]] == pytest.approx([0.5 / 256, 0.5 - 0.5 / 256])
    assert spectrum.power[4:].mean() == pytest.approx(9, rel=0.05)


def test_a_wave_shows_in_its_ring() -> None:
    wave = np.sin(2 * np.pi * 0.2 * np.arange(200))[None, :] * np.ones((200, 1))
    spectrum = ring_power(wave)
    assert abs(spectrum.frequencies[np.argmax(spectrum.power)] - 0.2) <= 0.5 / 100


def test_transfer_of_no_blur_is_one() -> None:
    np.testing.assert_allclose(ring_transfer(np.ones((1, 1), np.float32), 16), 1)


def test_transfer_falls_to_nothing_beyond_the_cutoff() -> None:
    fine = LENS.model_copy(update={"pixel_size_um": 0.2})
    transfer = ring_transfer(defocus_psf(fine, 0.0), 64)
    assert transfer[0] > 0.9
    assert transfer[-1] < 1e-3
    assert (np.diff(transfer) < 1e-3).all()


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e8])
def test_finds_the_model_that_made_a_spectrum(scale: float) -> None:
    planted = SignalModel(level=4e5 * scale, knee_per_px=0.015, noise=12 * scale)
    transfer = ring_transfer(defocus_psf(LENS, 5.0), 128)
    frequencies = (np.arange(128) + 0.5) / 256
    power = planted.structure(frequencies) * transfer + planted.noise
    found, misfit = fit_signal(RingSpectrum(frequencies, power, np.arange(128) + 1.0), transfer)
    assert found.level == pytest.approx(planted.level, rel=0.02)
    assert found.knee_per_px == pytest.approx(planted.knee_per_px, rel=0.02)
    assert found.noise == pytest.approx(planted.noise, rel=0.02)
    assert misfit < 1e-5


def test_an_image_without_power_does_not_break_the_fit() -> None:
    spectrum = ring_power(np.full((64, 64), 7.0))
    signal, misfit = fit_signal(spectrum, ring_transfer(np.ones((1, 1), np.float32), 32))
    assert np.isfinite([signal.level, signal.noise, misfit]).all()


def test_fine_structure_is_not_taken_for_noise() -> None:
    """Sharp edges reach up to the highest frequencies, where noise is read otherwise."""
    generator = np.random.default_rng(0)
    plane = np.kron(generator.random((16, 16)) > 0.5, np.ones((12, 12))) * 1000.0
    noisy = plane + generator.normal(0, 2, plane.shape)
    signal, _ = fit_signal(ring_power(noisy), np.ones(96))
    assert signal.noise < 10


@pytest.mark.parametrize("shape", [(31, 100), (100,)])
def test_refuses_images_that_are_too_small(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 32 pixels"):
        ring_power(np.zeros(shape))
