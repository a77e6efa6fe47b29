import math

import numpy as np
import pytest
from scipy.special import j1

from focusfix.metrics.defocus import (
    even_disc_share,
    signal_share,
    typical_distance,
    um_per_radius_px,
)
from focusfix.optics import OpticsSettings, blur_radius_px, defocus_psf


@pytest.mark.parametrize(
    ("aperture", "index", "pixel_um"),
    [(0.5, 1.0, 0.65), (0.75, 1.0, 0.325), (1.2, 1.33, 0.1), (1.4, 1.515, 0.065)],
)
def test_the_blur_of_a_planted_distance_gives_it_back(aperture, index, pixel_um):
    """Far from focus, the disc is fitted to the transfer of the spread function itself."""
    lens = OpticsSettings(
        numerical_aperture=aperture,
        wavelength_um=0.5,
        pixel_size_um=pixel_um,
        refractive_index=index,
    )
    dz_um = 40 / blur_radius_px(lens, 1.0)
    radius = radius_of_half_transfer(defocus_psf(lens, dz_um))
    close = 0.02 if aperture < 1 else 0.07  # the spread function leaves out some of the rim
    distance = radius * um_per_radius_px(pixel_um, aperture, index)
    assert distance == pytest.approx(dz_um, rel=close)


def radius_of_half_transfer(psf: np.ndarray) -> float:
    """Find the even disc whose transfer falls to one half where that of a spread function does."""
    line, size = psf.sum(axis=0), 8192
    transfer = np.abs(np.fft.rfft(line, size)) / line.sum()
    after = int(np.argmax(transfer < 0.5))
    before = transfer[after - 1]
    frequency = (after - 1 + (before - 0.5) / (before - transfer[after])) / size
    x = np.linspace(2, 2.5, 100_001)
    half = x[np.argmin(np.abs(2 * j1(x) / x - 0.5))]
    return half / (2 * math.pi * frequency)


def test_narrow_apertures_make_even_discs():
    assert even_disc_share(0.01) == pytest.approx(1, abs=1e-3)
    shares = [even_disc_share(sine) for sine in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("pixel_um", "aperture", "index"), [(0.5, 1.0, 1.0), (0.5, 0.0, 1.0), (0.0, 0.5, 1.0)]
)
def test_lenses_that_cannot_be(pixel_um, aperture, index):
    with pytest.raises(ValueError, match="must be"):
        um_per_radius_px(pixel_um, aperture, index)


def test_empty_neighbourhoods_hardly_count():
    """Three quarters of the field are empty: read as sharp, with twenty times the error."""
    random = np.random.default_rng(0)
    distance, error = np.full((16, 16), 0.5), np.full((16, 16), 20.0)
    distance[:8, :8] = random.normal(12, 0.5, (8, 8))
    error[:8, :8] = 1.0
    found = typical_distance(distance, error)
    assert found.dz_abs_um == pytest.approx(12, abs=0.2)
    assert found.error_um == pytest.approx(1.0, abs=0.2)


def test_equal_errors_give_the_median():
    distance = np.random.default_rng(1).uniform(0, 30, (15, 15))
    found = typical_distance(distance, np.full((15, 15), 2.0))
    assert found.dz_abs_um == np.median(distance)
    assert found.error_um == pytest.approx(2.0)


@pytest.mark.parametrize("shape", [(128, 160), (100, 131)])
def test_empty_neighbourhoods_are_told_from_others(shape):
    """A structure in the upper left quarter; noise of another strength everywhere."""
    random = np.random.default_rng(2)
    plane = random.normal(100, 5, shape)
    plane[:64, :64] += 50 * np.sin(np.arange(64) / 5)
    share = signal_share(plane, 32)
    assert share.shape == (4, 5)
    assert (share[:2, :2] > 0.9).all()
    assert share[2:].max() < 0.2
    assert signal_share(np.add.outer(np.arange(64.0), np.arange(64.0)), 32).min() > 0.99


@pytest.mark.parametrize("error", [0.0, -1.0, math.nan])
def test_errors_must_be_positive(error):
    with pytest.raises(ValueError, match="must be positive"):
        typical_distance(np.ones((2, 2)), np.array([[1.0, 1.0], [1.0, error]]))


def test_maps_must_have_one_shape():
    with pytest.raises(ValueError, match="differ in shape"):
        typical_distance(np.ones((2, 2)), np.ones((2, 3)))
