import numpy as np
import pytest

from focusfix.metrics.modality import background_level, guess_modality


def draw_blobs(*, background: float, structures: float, samples: int = 1) -> np.ndarray:
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96]
    plane = np.full((96, 96), float(background))
    for y, x in random.uniform(0, 96, (8, 2)):
        plane[(rows - y) ** 2 + (columns - x) ** 2 < 60] = structures
    plane += random.normal(0, 2, plane.shape)
    return np.repeat(plane[..., None], samples, axis=2)


@pytest.mark.parametrize("samples", [1, 3])
def test_dark_background_is_fluorescence(samples):
    window = draw_blobs(background=10, structures=200, samples=samples)
    assert guess_modality(window.clip(0).astype(np.uint8)) == "fluorescence"


@pytest.mark.parametrize("samples", [1, 3])
def test_bright_background_is_brightfield(samples):
    window = draw_blobs(background=220, structures=60, samples=samples)
    assert guess_modality(window.astype(np.uint16)) == "brightfield"


def test_alpha_does_not_count():
    window = draw_blobs(background=10, structures=200, samples=4)
    window[..., 3] = 255
    assert guess_modality(window) == "fluorescence"


def test_pixels_that_are_no_numbers_do_not_count():
    window = draw_blobs(background=220, structures=60)
    window[:10] = np.nan
    window[10:12] = np.inf
    assert guess_modality(window) == "brightfield"


def test_level_of_planted_background():
    pixels = np.concatenate([np.full(600, 30.0), np.full(200, 10.0), np.full(200, 110.0)])
    assert background_level(pixels) == pytest.approx(0.2)


@pytest.mark.parametrize("pixels", [np.zeros(9), np.full(4, np.nan)])
def test_level_without_contrast_is_zero(pixels):
    assert background_level(pixels) == 0.0
