from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from focusfix.classical.sharpening import UnsharpMask


def test_adds_what_a_gaussian_takes_away() -> None:
    tiles = np.random.default_rng(0).random((2, 1, 40, 50), dtype=np.float32)
    smooth = gaussian_filter(tiles, (0, 0, 1.5, 1.5))
    expected = tiles + 0.7 * (tiles - smooth)
    np.testing.assert_allclose(
        UnsharpMask(1.5, 0.7)(tiles)[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8], atol=1e-5
    )


def test_tiles_equal_the_whole(
    field: np.ndarray, through_engine: Callable[..., tuple[np.ndarray, int]]
) -> None:
    function = UnsharpMask()
    whole, _ = through_engine(function, function.footprint, 900 * field + 100)
    tiled, many = through_engine(function, function.footprint, 900 * field + 100, 64)
    assert many > 12
    np.testing.assert_array_equal(whole, tiled)


@pytest.mark.parametrize(("radius_px", "reach_px"), [(0.5, 2), (2.0, 8), (10.0, 40)])
def test_reach_is_exact(radius_px: float, reach_px: int) -> None:
    function = UnsharpMask(radius_px)
    assert function.footprint.reach_px == reach_px
    point = np.zeros((1, 1, 101, 101), np.float32)
    point[..., 50, 50] = 1
    touched = np.flatnonzero(function(point)[0, 0, 50])
    assert (touched[0], touched[-1]) == (50 - reach_px, 50 + reach_px)


@pytest.mark.parametrize("wrong", [(0.0, 1.0), (2.0, 0.0), (float("nan"), 1.0), (2.0, 1e9)])
def test_refuses_numbers_out_of_range(wrong: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        UnsharpMask(*wrong)
