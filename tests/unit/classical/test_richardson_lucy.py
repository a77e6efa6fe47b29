from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from focusfix.classical.lens import FocusChange
from focusfix.classical.richardson_lucy import RichardsonLucy
from focusfix.data.screening import SCREENING_OPTICS, screening_pair
from focusfix.metrics.fidelity import psnr
from focusfix.optics import image_plane

Engine = Callable[..., tuple[np.ndarray, int]]


def deconvolution(dz_um: float, **settings: float) -> RichardsonLucy:
    return RichardsonLucy(FocusChange.of_lens(SCREENING_OPTICS, dz_um), **settings)


@pytest.mark.parametrize(("dz_um", "gain_db"), [(4.0, 2.0), (8.0, 2.0), (16.0, 1.5)])
def test_brings_a_simulated_field_nearer_to_the_truth(
    field: np.ndarray, through_engine: Engine, dz_um: float, gain_db: float
) -> None:
    image, truth = screening_pair(field, dz_um, seed=0)
    function = deconvolution(dz_um, iterations=30)
    restored, _ = through_engine(function, function.footprint, image)
    before, after = (psnr(each, truth, data_range=4095) for each in (image, restored))
    assert after - before > gain_db


def test_total_variation_tames_noise(field: np.ndarray, through_engine: Engine) -> None:
    image, truth = screening_pair(field, 4.0, seed=0)
    plain = deconvolution(4.0, iterations=60, total_variation=0.0)
    scores = []
    for function in (plain, replace(plain, total_variation=0.01)):
        restored, _ = through_engine(function, function.footprint, image)
        scores.append(psnr(restored, truth, data_range=4095))
    assert scores[1] > scores[0] + 0.3


def test_first_iteration_by_hand() -> None:
    """Away from borders, the first estimate is the mean times the blurred ratio to it."""
    function = deconvolution(3.0, iterations=1, total_variation=0.0)
    image = np.full((80, 80), 0.2, np.float32)
    image[35:45, 35:45] = 0.9
    psf, focus = function.change.blurred, function.change.focused
    expected = image_plane(image_plane(image, psf), focus)
    restored = function(image[None, None])[0, 0]
    middle = (slice(30, 50), slice(30, 50))
    np.testing.assert_allclose(restored[middle], expected[middle], rtol=1e-4)


def test_blended_tiles_are_close_to_the_whole(field: np.ndarray, through_engine: Engine) -> None:
    image, _ = screening_pair(field, 4.0, seed=0)
    function = deconvolution(4.0, iterations=30)
    assert not function.footprint.exact
    whole, one = through_engine(function, function.footprint, image)
    tiled, many = through_engine(function, function.footprint, image, 160)
    assert (one, many >= 4) == (1, True)
    assert psnr(tiled, whole, data_range=4095) > 70


def test_an_even_image_stays_even_up_to_the_border() -> None:
    restored = deconvolution(4.0, iterations=20)(np.full((1, 1, 60, 50), 0.4, np.float32))
    focused_margin = 10
    inside = restored[..., focused_margin:-focused_margin, focused_margin:-focused_margin]
    np.testing.assert_allclose(inside, 0.4, rtol=0.02)


def test_no_light_gives_no_light() -> None:
    restored = deconvolution(4.0, iterations=3)(np.full((1, 1, 40, 50), -0.1, np.float32))
    assert np.isfinite(restored).all()
    np.testing.assert_allclose(restored, 0, atol=1e-5)


def test_brightness_only_scales_the_result(field: np.ndarray) -> None:
    function = deconvolution(5.0, iterations=10, total_variation=0.0)
    tile = np.maximum(field[None, None, :96, :96], 0.01)
    dim, bright = function(tile), function(8 * tile)
    np.testing.assert_allclose(bright, 8 * dim, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize(
    "wrong", [{"iterations": 0}, {"total_variation": -0.1}, {"total_variation": 0.25}], ids=str
)
def test_refuses_numbers_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        deconvolution(1.0, **wrong)
