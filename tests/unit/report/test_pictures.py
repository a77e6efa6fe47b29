import base64

import numpy as np
import pytest
from imagecodecs import png_decode

from focusfix.report.pictures import (
    Box,
    Scale,
    choose_zoom,
    data_uri,
    fit_difference,
    fit_scale,
    paint_difference,
    paint_map,
    paint_plane,
    shrink,
)


def test_scale_ignores_single_pixels():
    plane = np.linspace(100, 300, 10_000).reshape(100, 100)
    plane[0, 0], plane[0, 1] = 60_000, -5
    low, high = fit_scale(plane)
    assert (low, high) == (pytest.approx(100, abs=1), pytest.approx(300, abs=1))


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_scale_of_one_grey_value(value):
    low, high = fit_scale(np.full((5, 5), value))
    assert low < value < high


def test_grey_values_become_black_and_white():
    plane = np.array([[0.0, 10.0, 15.0, 20.0, 99.0]])[..., None]
    assert paint_plane(plane, Scale(10, 20)).tolist() == [[0, 0, 128, 255, 255]]
    colours = np.repeat(plane, 3, axis=-1)
    assert paint_plane(colours, Scale(10, 20)).shape == (1, 5, 3)


def test_zoom_finds_planted_detail():
    random = np.random.default_rng(0)
    plane = np.add.outer(np.arange(300.0), np.arange(400.0)) + random.normal(0, 0.1, (300, 400))
    plane[200:230, 300:330] += random.normal(0, 50, (30, 30))
    box = choose_zoom(plane)
    assert (box.height, box.width) == (75, 75)
    assert box.top <= 200
    assert box.top + box.height >= 230
    assert box.left <= 300
    assert box.left + box.width >= 330
    assert box.cut(plane).shape == (75, 75)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (48, 48), (60, 2000)])
def test_zoom_lies_within_any_plane(shape):
    box = choose_zoom(np.random.default_rng(1).normal(size=shape))
    assert 0 <= box.top <= shape[0] - box.height
    assert 0 <= box.left <= shape[1] - box.width
    assert box.height == box.width <= min(shape)


def test_differences_have_the_colour_of_their_sign():
    pixels = paint_difference(np.array([[-9.0, 0.0, 4.0, 8.0]]), 8.0)[0].astype(int)
    assert pixels[0, 2] > 200 > pixels[0, 0]
    assert pixels[1].max() < 30
    assert pixels[3, 0] > 200 > pixels[3, 2]
    assert np.allclose(pixels[2], (pixels[1] + pixels[3]) / 2, atol=1)


def test_limit_of_differences_is_never_zero():
    assert fit_difference(np.zeros((4, 4))) == 1.0
    assert fit_difference(np.array([-3.0, 1.0, 3.0])) == pytest.approx(3.0, abs=0.05)


def test_maps_grow_brighter():
    pixels = paint_map(np.array([[0.0, 1.0, 2.0, 4.0, np.nan]]), 4.0)[0].astype(int).sum(axis=-1)
    assert pixels[0] < pixels[1] < pixels[2] < pixels[3]
    assert pixels[4] == pixels[0]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((100, 60), (100, 60)), ((1000, 641), (500, 320)), ((3, 5000, 3), (1, 625, 3))],
)
def test_large_planes_are_averaged(shape, expected):
    plane = np.random.default_rng(0).uniform(size=shape)
    small = shrink(plane)
    assert small.shape == expected
    if expected[0] > 1:
        assert small.mean() == pytest.approx(plane.mean(), abs=0.01)


def test_block_means_are_exact():
    plane = np.arange(16.0).reshape(4, 4)
    assert shrink(plane, 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_data_uri_is_the_picture():
    pixels = np.random.default_rng(0).integers(0, 255, (9, 7, 3)).astype(np.uint8)
    head, _, text = data_uri(pixels[:, ::-1]).partition(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(png_decode(base64.b64decode(text)), pixels[:, ::-1])


def test_box_cuts_rows_and_columns():
    assert Box(1, 2, 3, 4).cut(np.zeros((10, 10, 3))).shape == (3, 4, 3)
