"""PSNR and SSIM against scikit-image and against the sums that define them."""

import numpy as np
import pytest
from scipy.ndimage import correlate1d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from focusfix.metrics.fidelity import affine_fit, band_coherence, psnr, ssim


def image_pair(seed: int, shape: tuple[int, int], top: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    truth = top * (0.5 + 0.4 * np.sin(rows / 9) * np.cos(columns / 7))
    image = truth + 0.05 * top * random.standard_normal(shape)
    return np.clip(image, 0, top), truth


CASES = [(1.0, (64, 64)), (255.0, (50, 91)), (4095.0, (130, 70))]


@pytest.mark.parametrize(("top", "shape"), CASES)
def test_psnr_is_that_of_scikit_image(top, shape):
    image, truth = image_pair(0, shape, top)
    expected = peak_signal_noise_ratio(truth, image, data_range=top)
    assert psnr(image, truth, data_range=top) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("top", "shape"), CASES)
def test_ssim_is_that_of_scikit_image_with_its_authors_settings(top, shape):
    image, truth = image_pair(1, shape, top)
    expected = structural_similarity(
        truth, image, data_range=top, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(image, truth, data_range=top) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("top", "shape"), CASES)
def test_ssim_is_the_mean_of_its_formula(top, shape):
    """Gaussian window of 11 x 11 pixels; the border that the window leaves is not counted."""
    image, truth = image_pair(2, shape, top)
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def local_mean(values: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(values, window, axis=0), window, axis=1)

    mean, true_mean = local_mean(image), local_mean(truth)
    variance = local_mean(image**2) - mean**2
    true_variance = local_mean(truth**2) - true_mean**2
    covariance = local_mean(image * truth) - mean * true_mean
    first, second = (0.01 * top) ** 2, (0.03 * top) ** 2
    similarity = (2 * mean * true_mean + first) * (2 * covariance + second)
    similarity /= (mean**2 + true_mean**2 + first) * (variance + true_variance + second)
    expected = similarity[5:-5, 5:-5].mean()
    assert ssim(image, truth, data_range=top) == pytest.approx(expected, rel=1e-9)


def test_band_coherence_is_the_sum_over_its_rings():
    """Ring by ring in a plain loop over the whole Fourier plane.

    The half plane that the implementation sums counts the two lines on the axis of columns once
    instead of twice, which changes rings by a few per cent of their members.
    """
    random = np.random.default_rng(3)
    truth = random.standard_normal((65, 65))
    image = 0.6 * truth + 0.8 * random.standard_normal((65, 65))
    window = np.outer(np.hanning(65), np.hanning(65))
    first, second = (np.fft.fft2((a - a.mean()) * window) for a in (image, truth))
    steps = np.fft.fftfreq(65, 1 / 65)
    radius = np.hypot(steps[:, None], steps[None, :])
    total = weight = 0.0
    for ring in range(7, 20):
        inside = (radius >= ring) & (radius < ring + 1)
        cross = (first[inside] * second[inside].conj()).sum().real
        power = (np.abs(first[inside]) ** 2).sum(), (np.abs(second[inside]) ** 2).sum()
        total += cross / np.sqrt(power[0] * power[1]) * np.sqrt(power[1])
        weight += np.sqrt(power[1])
    measured = band_coherence(image, truth, low_per_px=7 / 65, high_per_px=20 / 65)
    assert measured == pytest.approx(total / weight, abs=0.01)


def test_affine_fit_is_a_straight_line_through_the_pixels():
    image, truth = image_pair(4, (40, 60), 255.0)
    gain, offset = np.polyfit(image.ravel(), truth.ravel(), 1)
    np.testing.assert_allclose(affine_fit(image, truth), gain * image + offset, rtol=1e-9)
