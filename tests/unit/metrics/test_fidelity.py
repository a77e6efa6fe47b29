import math

import numpy as np
import pytest

from focusfix.metrics.fidelity import affine_fit, band_coherence, psnr, ssim
from focusfix.optics import OpticsSettings, defocus_psf, image_plane

SHAPE = (128, 150)


def noise(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(500, 100, shape)


def frequencies(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :])


def only_band(image: np.ndarray, low: float, high: float) -> np.ndarray:
    radius = frequencies(image.shape)
    keep = (radius >= low) & (radius < high)
    return np.fft.ifft2(np.fft.fft2(image) * keep).real


@pytest.mark.parametrize(("error", "expected"), [(1.0, 60.0), (10.0, 40.0), (100.0, 20.0)])
def test_psnr_of_a_planted_error(error, expected):
    reference = np.full((20, 20), 500.0)
    assert psnr(reference + error, reference, data_range=1000.0) == pytest.approx(expected)


def test_psnr_of_identical_images_has_no_bound():
    assert psnr(noise(0), noise(0), data_range=4095.0) == math.inf


def test_psnr_counts_what_a_file_can_hold():
    """Values outside the range are saved as its ends, so that is how they score."""
    reference = np.zeros((4, 4))
    image = np.full((4, 4), -50.0)
    assert psnr(image, reference, data_range=255.0) == math.inf


def test_psnr_rises_by_20_db_when_the_error_shrinks_tenfold():
    reference, error = noise(0), noise(1) - 500
    coarse, fine = (psnr(reference + f * error, reference, data_range=4095) for f in (0.5, 0.05))
    assert fine - coarse == pytest.approx(20, abs=1e-9)


def test_ssim_is_one_for_identical_images_and_falls_with_noise():
    reference = noise(0)
    values = [
        ssim(reference + f * (noise(1) - 500), reference, data_range=4095) for f in (0, 0.3, 1, 3)
    ]
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("measure", [psnr, ssim])
@pytest.mark.parametrize("data_range", [0.0, -1.0, math.nan])
def test_the_data_range_must_be_positive(measure, data_range):
    with pytest.raises(ValueError, match="data_range must be positive"):
        measure(noise(0), noise(0), data_range=data_range)


@pytest.mark.parametrize(
    "measure",
    [
        lambda a, b: psnr(a, b, data_range=1.0),
        lambda a, b: ssim(a, b, data_range=1.0),
        lambda a, b: band_coherence(a, b, low_per_px=0.1, high_per_px=0.2),
        affine_fit,
    ],
)
def test_images_of_other_shapes_are_refused(measure):
    with pytest.raises(ValueError, match="differ in shape"):
        measure(noise(0), noise(0)[:, 1:])


BANDS = [(0.0, 0.1), (0.05, 0.2), (0.25, 0.5)]


@pytest.mark.parametrize(("low", "high"), BANDS)
def test_the_truth_is_coherent_with_itself(low, high):
    assert band_coherence(noise(0), noise(0), low_per_px=low, high_per_px=high) == pytest.approx(1)


@pytest.mark.parametrize(("low", "high"), BANDS)
@pytest.mark.parametrize(("gain", "offset"), [(3.0, 0.0), (0.01, -40.0), (1.0, 1e4)])
def test_scale_and_offset_do_not_matter(low, high, gain, offset):
    image = noise(0) + noise(1)
    expected = band_coherence(image, noise(0), low_per_px=low, high_per_px=high)
    changed = band_coherence(gain * image + offset, noise(0), low_per_px=low, high_per_px=high)
    assert changed == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("low", "high"), [(0.05, 0.2), (0.25, 0.5)])
def test_invented_structure_is_not_coherent(low, high):
    values = [
        band_coherence(noise(2 * seed), noise(2 * seed + 1), low_per_px=low, high_per_px=high)
        for seed in range(10)
    ]
    assert abs(np.mean(values)) < 0.03
    assert max(np.abs(values)) < 0.1


def test_a_negative_is_coherent_with_minus_one():
    assert band_coherence(-noise(0), noise(0), low_per_px=0.1, high_per_px=0.3) == pytest.approx(-1)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_planted_share_of_truth_is_found(share, show_figure):
    """Truth and noise of equal spectra in the ratio a : b give a / sqrt(a^2 + b^2)."""
    truth, other = noise(0) - 500, noise(1) - 500
    image = share * truth + math.sqrt(1 - share**2) * other
    measured = band_coherence(image, truth, low_per_px=0.1, high_per_px=0.4)
    show_figure(f"planted coherence {share}: measured {measured:.3f}")
    assert measured == pytest.approx(share, abs=0.03)


def test_only_the_named_band_counts():
    """Right below 0.15 per pixel, invented above."""
    truth = noise(0)
    image = only_band(truth, 0, 0.15) + only_band(noise(1), 0.15, 1)
    below = band_coherence(image, truth, low_per_px=0.02, high_per_px=0.13)
    above = band_coherence(image, truth, low_per_px=0.17, high_per_px=0.5)
    assert below > 0.98
    assert abs(above) < 0.06


def test_a_loud_ring_does_not_hide_a_quiet_one():
    """Rings are compared one by one: the strong low frequencies of an image do not outvote it."""
    quiet, loud = only_band(noise(0), 0.2, 0.3), 10 * only_band(noise(1), 0.1, 0.2)
    wrong_quiet = only_band(noise(2), 0.2, 0.3)
    measured = band_coherence(loud + wrong_quiet, loud + quiet, low_per_px=0.1, high_per_px=0.3)
    assert 0.8 < measured < 0.95


def test_blur_alone_keeps_coherence_up_to_its_zeros():
    lens = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.5)
    truth = noise(0).astype(np.float32)
    blurred = image_plane(truth, defocus_psf(lens, 2.0))
    assert band_coherence(blurred, truth, low_per_px=0.02, high_per_px=0.1) > 0.95


def test_an_image_without_anything_in_the_band_knows_nothing():
    flat = np.full(SHAPE, 7.0)
    assert band_coherence(flat, noise(0), low_per_px=0.1, high_per_px=0.2) == 0


@pytest.mark.parametrize(("low", "high"), [(0.3, 0.3), (0.4, 0.2), (0.8, 0.9)])
def test_an_empty_band_is_refused(low, high):
    with pytest.raises(ValueError, match="no frequency lies in the band"):
        band_coherence(noise(0), noise(0), low_per_px=low, high_per_px=high)


@pytest.mark.parametrize(("gain", "offset"), [(2.0, 30.0), (-0.5, 0.0), (1e-4, 1e5)])
def test_an_affine_change_is_undone(gain, offset):
    truth = noise(3)
    np.testing.assert_allclose(affine_fit((truth - offset) / gain, truth), truth, rtol=1e-6)


def test_a_flat_image_becomes_the_mean():
    fitted = affine_fit(np.full(SHAPE, 4.0), noise(3))
    np.testing.assert_allclose(fitted, noise(3).mean())


def test_no_other_gain_or_offset_is_closer():
    truth, image = noise(3), noise(3) + noise(4)
    fitted = affine_fit(image, truth)
    best = np.mean((fitted - truth) ** 2)
    for gain, offset in ((1.01, 0), (0.99, 0), (1, 2), (1, -2)):
        changed = fitted.mean() + gain * (fitted - fitted.mean()) + offset
        assert np.mean((changed - truth) ** 2) > best
