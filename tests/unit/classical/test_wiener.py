from collections.abc import Callable

import numpy as np
import pytest

from focusfix.classical.lens import FocusChange
from focusfix.classical.spectrum import SignalModel, fit_signal, ring_power, ring_transfer
from focusfix.classical.wiener import DOUBTFUL_MISFIT, WienerDeconvolution, plan_wiener
from focusfix.data.screening import SCREENING_OPTICS, screening_pair
from focusfix.metrics.fidelity import psnr

Engine = Callable[..., tuple[np.ndarray, int]]


def plan(image: np.ndarray, dz_um: float) -> WienerDeconvolution:
    change = FocusChange.of_lens(SCREENING_OPTICS, dz_um)
    spectrum = ring_power(image)
    signal, _ = fit_signal(spectrum, ring_transfer(change.blurred, spectrum.power.size))
    return plan_wiener(change, signal)


@pytest.mark.parametrize(("dz_um", "gain_db"), [(0.0, -0.5), (4.0, 2.0), (16.0, 3.0)])
def test_brings_a_simulated_field_nearer_to_the_truth(
    field: np.ndarray, through_engine: Engine, dz_um: float, gain_db: float
) -> None:
    image, truth = screening_pair(field, dz_um, seed=0)
    function = plan(image, dz_um)
    restored, _ = through_engine(function, function.footprint, image)
    before, after = (psnr(each, truth, data_range=4095) for each in (image, restored))
    assert after - before > gain_db


def test_tiles_equal_the_whole(field: np.ndarray, through_engine: Engine) -> None:
    image, _ = screening_pair(field, 6.0, seed=0)
    function = plan(image, 6.0)
    assert function.footprint.exact
    whole, one = through_engine(function, function.footprint, image)
    tile_px = 2 * function.footprint.halo_px + 70
    tiled, many = through_engine(function, function.footprint, image, tile_px)
    assert one == 1
    assert many >= 12
    assert np.abs(whole - tiled).max() <= 1, "float32 sums may round to the next grey value"
    assert np.mean(whole != tiled) < 1e-3


def test_even_regions_keep_their_grey_value() -> None:
    function = plan_wiener(FocusChange.of_lens(SCREENING_OPTICS, 5.0), SignalModel(1e6, 0.01, 30))
    reach = function.footprint.reach_px
    tile = np.full((2, 1, 2 * reach + 9, 2 * reach + 5), 0.3, np.float32)
    middle = function(tile)[..., reach:-reach, reach:-reach]
    np.testing.assert_allclose(middle, 0.3, atol=1e-5)


def test_tiles_smaller_than_the_filter() -> None:
    function = plan_wiener(FocusChange.of_lens(SCREENING_OPTICS, 5.0), SignalModel(1e6, 0.01, 30))
    assert function(np.ones((1, 1, 8, 9), np.float32)).shape == (1, 1, 8, 9)


def test_filters_as_convolution_does() -> None:
    from scipy.ndimage import convolve

    function = WienerDeconvolution(np.random.default_rng(0).random((5, 5), dtype=np.float32))
    function = WienerDeconvolution(function.kernel + function.kernel[::-1, ::-1])
    tile = np.random.default_rng(1).random((20, 30), dtype=np.float32)
    expected = convolve(tile, function.kernel, mode="constant")
    np.testing.assert_allclose(function(tile[None, None])[0, 0], expected, rtol=1e-5)


def test_an_image_that_was_not_blurred_like_that_is_hardly_harmed(
    field: np.ndarray, through_engine: Engine
) -> None:
    image, truth = screening_pair(field, 1.0, seed=0)
    change = FocusChange.of_lens(SCREENING_OPTICS, 12.0)
    spectrum = ring_power(image)
    signal, misfit = fit_signal(spectrum, ring_transfer(change.blurred, spectrum.power.size))
    assert misfit > DOUBTFUL_MISFIT
    errors = []
    for known in (0.0, misfit):
        function = plan_wiener(change, signal, misfit=known)
        restored, _ = through_engine(function, function.footprint, image)
        errors.append(np.square(restored - truth).mean())
    assert errors[1] < errors[0] / 10


def test_more_noise_makes_it_shyer() -> None:
    change = FocusChange.of_lens(SCREENING_OPTICS, 5.0)
    energies = [
        np.sum(plan_wiener(change, SignalModel(1e6, 0.01, noise)).kernel ** 2)
        for noise in (1.0, 100.0, 1e4)
    ]
    assert energies[0] > energies[1] > energies[2]
