"""Odd images are known as what they are, and microscope images are not."""

from dataclasses import replace

import numpy as np
import pytest
from skimage import data

from focusfix.data.screening import screening_pair
from focusfix.metrics.mismatch import measure_window


def draw_cells(side: int = 256) -> np.ndarray:
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    plane = np.zeros((side, side))
    for y, x, radius in zip(
        *random.uniform(0, side, (2, 25)), random.uniform(6, 11, 25), strict=True
    ):
        inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        plane[inside] = 0.6 + 0.4 * random.random()
    return plane * (0.9 + 0.1 * random.random(plane.shape))


def window(plane: np.ndarray) -> np.ndarray:
    return plane.reshape(*plane.shape[:2], -1)


@pytest.mark.parametrize("dz_um", [0, 8, 16, 24, 32])
def test_screening_fields_are_nothing_odd(dz_um: float) -> None:
    field = screening_pair(draw_cells(), dz_um, seed=int(dz_um)).out_of_focus
    figures = measure_window(window(field.astype(np.uint16)))
    assert figures is not None
    assert not figures.is_empty
    assert not figures.is_photograph
    assert not figures.lacks_dark_background
    assert figures.noise < 0.06
    assert figures.saturated_share < 0.001
    assert figures.levels > 100


@pytest.mark.parametrize("name", ["camera", "astronaut", "chelsea", "coffee"])
def test_photographs_are_known(name: str) -> None:
    figures = measure_window(window(getattr(data, name)()))
    assert figures is not None
    assert figures.is_photograph


@pytest.mark.parametrize("name", ["cell", "immunohistochemistry"])
def test_microscope_images_are_no_photographs(name: str) -> None:
    figures = measure_window(window(getattr(data, name)()))
    assert figures is not None
    assert not figures.is_photograph


def test_noise_alone_is_empty() -> None:
    figures = measure_window(window(np.random.default_rng(0).normal(100, 5, (200, 240))))
    assert figures is not None
    assert figures.is_empty


def test_noise_is_measured_over_the_range() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, (256, 256))
    figures = measure_window(window(draw_cells() + noise))
    assert figures is not None
    assert figures.noise == pytest.approx(0.2 / 1.6, rel=0.2)


def test_saturation_and_posterising_are_counted() -> None:
    plane = draw_cells()
    figures = measure_window(window(np.minimum(plane * 1000, 700).astype(np.uint16)))
    assert figures is not None
    assert figures.saturated_share == pytest.approx(np.mean(plane * 1000 >= 700), abs=0.002)
    posterised = measure_window(window(np.floor(plane * 8).astype(np.uint8)))
    assert posterised is not None
    assert posterised.levels <= 8


def test_a_grey_background_is_neither_fluorescence_nor_bright_field() -> None:
    grey = draw_cells() * 0.6 - 0.4 * np.roll(draw_cells(), 40, axis=1)
    figures = measure_window(window(grey))
    assert figures is not None
    assert figures.lacks_dark_background
    assert not replace(figures, background=0.2).lacks_dark_background


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((200, 200)), np.ones((64, 500)), np.full((200, 200), np.nan)],
    ids=["one value", "small", "gaps"],
)
def test_windows_that_say_too_little(pixels: np.ndarray) -> None:
    assert measure_window(window(pixels)) is None


def test_alpha_does_not_count() -> None:
    cells = (draw_cells() * 200).astype(np.uint8)
    with_alpha = np.stack([cells, np.full_like(cells, 255)], axis=-1)
    assert measure_window(with_alpha) == measure_window(cells[..., None])
