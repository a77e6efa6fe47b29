"""NRMSE, Pearson, MS-SSIM and the lost band against other libraries and planted answers."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom
from scipy.signal import convolve2d
from scipy.stats import pearsonr
from skimage.metrics import mean_squared_error, normalized_root_mse, structural_similarity
from sklearn.metrics import r2_score

from focusfix.metrics.fidelity import band_coherence, nrmse, pearson
from focusfix.metrics.focus import sharpness_ratio
from focusfix.metrics.multiscale import WEIGHTS, ms_ssim
from focusfix.metrics.resolution import pair_resolution, single_resolution
from focusfix.metrics.spectrum import find_lost_band
from focusfix.optics import OpticsSettings, defocus_psf, image_plane


def image_pair(shape: tuple[int, int], *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    truth = 2000 + 1500 * np.sin(rows / 9) * np.cos(columns / 7)
    return truth + 300 * random.standard_normal(shape), truth


def detail(shape: tuple[int, int], *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1000, 100, shape)


def test_nrmse_is_what_scikit_image_and_scikit_learn_say():
    image, truth = image_pair((70, 90))
    measured = nrmse(image, truth)
    assert measured == pytest.approx(math.sqrt(mean_squared_error(truth, image)) / truth.std())
    assert 1 - measured**2 == pytest.approx(r2_score(truth.ravel(), image.ravel()))
    centred = truth - truth.mean(), image - truth.mean()
    assert measured == pytest.approx(normalized_root_mse(*centred, normalization="euclidean"))


def test_pearson_is_that_of_scipy():
    image, truth = image_pair((70, 90))
    expected = pearsonr(image.ravel(), truth.ravel()).statistic
    assert pearson(image, truth) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("value", [7.0, 0.1, 1 / 3, 1e-30])
def test_measures_of_constant_images_are_not_defined(value):
    """Values whose mean is not exact would give correlations of rounding errors."""
    flat = np.full((64, 70), value)
    assert math.isnan(nrmse(flat + 1, flat))
    assert math.isnan(pearson(detail((64, 70)), flat))
    assert math.isnan(pearson(flat + 0.1, flat))
    assert band_coherence(detail((64, 70)), flat, low_per_px=0.1, high_per_px=0.3) == 0
    assert find_lost_band(detail((64, 70)), flat) is None
    assert single_resolution(flat) == math.inf
    assert pair_resolution(flat, flat) == math.inf


def plain_ms_ssim(image: np.ndarray, truth: np.ndarray, top: float) -> float:
    """Written from the paper with a two-dimensional window, 'valid' sums and strided halving."""
    steps = np.arange(-5, 6)
    window = np.exp(-(steps[:, None] ** 2 + steps[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        means = [convolve2d(a, window, "valid") for a in (image, truth)]
        squares = [convolve2d(a * a, window, "valid") for a in (image, truth)]
        variances = [square - mean**2 for square, mean in zip(squares, means, strict=True)]
        covariance = convolve2d(image * truth, window, "valid") - means[0] * means[1]
        term = (2 * covariance + (0.03 * top) ** 2) / (sum(variances) + (0.03 * top) ** 2)
        if scale == len(WEIGHTS) - 1:
            term = term * (2 * means[0] * means[1] + (0.01 * top) ** 2)
            term = term / (means[0] ** 2 + means[1] ** 2 + (0.01 * top) ** 2)
        product *= term.mean() ** weight
        image, truth = (
            (a[:-1:2, :-1:2] + a[1::2, :-1:2] + a[:-1:2, 1::2] + a[1::2, 1::2]) / 4
            for a in (image, truth)
        )
    return float(product)


def test_ms_ssim_is_the_product_of_its_paper():
    image, truth = image_pair((192, 208))
    assert ms_ssim(image, truth, data_range=4095) == pytest.approx(
        plain_ms_ssim(image, truth, 4095), rel=1e-9
    )


def test_ms_ssim_has_the_published_weights():
    """Wang, Simoncelli, Bovik 2003, section 3.2; they sum to one."""
    assert WEIGHTS == (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    assert sum(WEIGHTS) == pytest.approx(1.0, abs=2e-4)


def test_ms_ssim_of_planted_cases():
    _, truth = image_pair((180, 200))
    assert ms_ssim(truth, truth, data_range=4095) == pytest.approx(1)
    assert ms_ssim(4095 - truth, truth, data_range=4095) == 0
    with pytest.raises(ValueError, match="176 x 176"):
        ms_ssim(truth[:175], truth[:175], data_range=4095)


def test_ms_ssim_forgives_noise_and_not_coarse_errors():
    """What SSIM ranks the other way round: fine noise against a coarse distortion."""
    random = np.random.default_rng(1)
    truth = gaussian_filter(random.normal(0, 1, (256, 256)), 6)
    truth = 2000 + 500 * truth / truth.std()
    noisy = truth + random.normal(0, 60, truth.shape)
    coarse = truth + 400 * zoom(random.standard_normal((16, 16)), 16, order=3)
    pair = [ms_ssim(image, truth, data_range=4095) for image in (noisy, coarse)]
    plain = [
        structural_similarity(truth, image, data_range=4095, gaussian_weights=True, sigma=1.5)
        for image in (noisy, coarse)
    ]
    assert pair[0] - pair[1] > plain[0] - plain[1]


@pytest.mark.parametrize("sigma_px", [1.5, 2.5, 4.0])
@pytest.mark.parametrize(("gain", "noise"), [(1.0, 0.0), (0.4, 3.0)])
def test_lost_band_begins_where_a_gaussian_blur_falls_to_a_tenth(sigma_px, gain, noise):
    """The transfer of a Gaussian is exp(-2 (pi sigma f)^2)."""
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(300)[None, :])
    truth = np.fft.ifft2(np.fft.fft2(detail((256, 300))) * (frequency < 0.45)).real
    blurry = gain * gaussian_filter(truth, sigma_px, mode="wrap") + 50
    blurry += noise * detail(truth.shape, seed=1) / 100
    band = find_lost_band(blurry, truth)
    assert band is not None
    assert band[0] == pytest.approx(math.sqrt(math.log(10) / 2) / (math.pi * sigma_px), abs=0.012)


def test_lost_band_ends_where_the_reference_sinks_into_noise():
    truth = gaussian_filter(detail((256, 256)), 1.2, mode="wrap")
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    limited = np.fft.ifft2(np.fft.fft2(truth) * (frequency < 0.3)).real
    noisy = limited + np.random.default_rng(2).normal(0, 0.05, truth.shape)
    band = find_lost_band(gaussian_filter(limited, 3, mode="wrap"), noisy)
    assert band is not None
    assert band[1] == pytest.approx(0.3, abs=0.015)


def test_nothing_is_lost_without_blur():
    truth = gaussian_filter(detail((128, 128)), 1)
    assert find_lost_band(truth, truth) is None
    assert find_lost_band(0.3 * truth + 7, truth) is None


def test_everything_is_lost_in_another_image():
    truth = gaussian_filter(detail((128, 128)), 1)
    band = find_lost_band(np.zeros_like(truth), truth)
    assert band is not None
    assert band[0] == pytest.approx(1 / 128)


def test_lost_band_of_small_or_unequal_images():
    with pytest.raises(ValueError, match="at least 32"):
        find_lost_band(np.zeros((31, 64)), np.zeros((31, 64)))
    with pytest.raises(ValueError, match="one shape"):
        find_lost_band(np.zeros((64, 64)), np.zeros((64, 65)))


def test_sharpness_ratio_of_stripes_is_the_ratio_of_their_frequencies():
    columns = np.arange(256)
    fine, coarse = (np.tile(np.cos(2 * np.pi * f * columns), (256, 1)) for f in (0.2, 0.05))
    assert sharpness_ratio(fine, coarse) == pytest.approx(4, rel=0.03)
    assert sharpness_ratio(3 * fine + 20, coarse) == pytest.approx(sharpness_ratio(fine, coarse))
    assert sharpness_ratio(coarse, coarse) == 1
    assert math.isnan(sharpness_ratio(coarse, np.zeros_like(coarse)))


@pytest.mark.parametrize("dz_um", [4.0, 8.0, 16.0])
def test_lost_band_of_defocus_begins_where_its_transfer_falls_to_a_tenth(dz_um):
    """Against the Fourier transform of the point-spread function itself."""
    lens = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.4)
    psf = defocus_psf(lens, dz_um)
    size = 512
    transfer = np.abs(np.fft.rfft(psf.sum(axis=0), size))
    planted = np.argmax(transfer < 0.1 * transfer[0]) / size
    sharp = gaussian_filter(detail((300, 320)), 0.8)
    in_focus = image_plane(sharp.astype(np.float32), defocus_psf(lens, 0.0))
    band = find_lost_band(image_plane(sharp.astype(np.float32), psf), in_focus)
    assert band is not None
    assert band[0] == pytest.approx(planted, abs=0.012)


def test_invented_detail_is_told_from_true_detail():
    """Detail of the right strength, in the band that the blur destroyed; half of it or all."""
    truth = gaussian_filter(detail((256, 256)), 0.8, mode="wrap")
    other = gaussian_filter(detail((256, 256), seed=5), 0.8, mode="wrap")
    blurry, other_blurry = (gaussian_filter(each, 2.5, mode="wrap") for each in (truth, other))
    band = find_lost_band(blurry, truth)
    assert band is not None
    measured = [
        band_coherence(blurry + found, truth, low_per_px=band[0], high_per_px=band[1])
        for found in (
            truth - blurry,
            (truth - blurry + other - other_blurry) / math.sqrt(2),
            other - other_blurry,
        )
    ]
    assert measured == pytest.approx([1, math.sqrt(0.5), 0], abs=0.06)
