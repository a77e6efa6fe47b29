"""Scales of whole images: shared by channels, refused or filled gaps."""

import numpy as np
import pytest

from focusfix.engine.source import ArraySource
from focusfix.engine.survey import survey_source
from focusfix.errors import InputError


def test_planes_of_one_channel_share_a_scale() -> None:
    planes = np.zeros((4, 10, 10, 1), np.uint16)
    planes[:, 5:] = np.array([100, 1000, 200, 1000])[:, None, None, None]
    survey = survey_source(ArraySource(planes), [0, 1, 0, 1])
    assert survey.scales[0] == survey.scales[2]
    assert survey.scales[1] == survey.scales[3]
    assert 1 / survey.scales[0].gain == pytest.approx(200)
    assert 1 / survey.scales[1].gain == pytest.approx(1000)


def test_constant_channels_are_listed() -> None:
    planes = np.zeros((2, 4, 4, 1), np.uint8)
    planes[1, 0] = 3
    assert survey_source(ArraySource(planes), [0, 1]).constant_channels == (0,)


def test_alpha_does_not_count() -> None:
    planes = np.full((1, 4, 4, 2), 255, np.uint8)
    planes[..., 0] = np.arange(4)
    scale = survey_source(ArraySource(planes), [0], copied_samples=(1,)).scales[0]
    assert 1 / scale.gain == pytest.approx(3, abs=0.1)


def test_gaps_are_refused_with_their_number_and_place() -> None:
    planes = np.ones((2, 6, 6, 1), np.float32)
    planes[1, 2, 3], planes[1, 4, 4] = np.nan, np.inf
    with pytest.raises(InputError, match=r"^2 pixels .* plane 1 at row 2, column 3"):
        survey_source(ArraySource(planes), [0, 0])


def test_gaps_are_filled_with_the_median_on_request() -> None:
    planes = np.arange(36, dtype=np.float32).reshape(1, 6, 6, 1)
    planes[0, 5, 5] = np.nan
    survey = survey_source(ArraySource(planes), [0], nan_policy="fill")
    assert survey.n_gaps == 1
    assert survey.scales[0].fill == 17.0


def test_a_channel_without_any_value_is_refused_even_then() -> None:
    planes = np.full((1, 3, 3, 1), np.nan)
    with pytest.raises(InputError, match="no finite pixel"):
        survey_source(ArraySource(planes), [0], nan_policy="fill")


@pytest.mark.parametrize("shape", [(3, 4), (1, 0, 4, 1)])
def test_arrays_that_are_no_stack_of_planes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        ArraySource(np.zeros(shape))


def test_one_scale_for_an_image_and_its_companion() -> None:
    dark, bright = np.zeros((2, 1, 10, 10, 1), np.uint16)
    dark[:, 5:], bright[:, 5:] = 100, 1000
    survey = survey_source(
        ArraySource(dark), [0], companions=[ArraySource(bright)], low=0, high=100
    )
    [scale] = survey.scales
    assert (scale.offset, 1 / scale.gain) == pytest.approx((0, 1000))


@pytest.mark.parametrize("dtype", ["u1", "f4", "u4"])
def test_companions_of_another_type_are_counted_too(dtype: str) -> None:
    image = np.arange(200, dtype=np.uint16).reshape(1, 10, 20, 1)
    other = (image // 2).astype(dtype)
    survey = survey_source(
        ArraySource(image), [0], companions=[ArraySource(other)], low=0, high=100
    )
    [scale] = survey.scales
    assert (scale.offset, 1 / scale.gain) == pytest.approx((0, 199))


def test_an_image_is_not_constant_if_its_companion_is_not() -> None:
    flat = np.full((1, 9, 9, 1), 7, np.uint8)
    other = flat.copy()
    other[0, 0, 0] = 9
    assert survey_source(ArraySource(flat), [0]).constant_channels == (0,)
    assert survey_source(ArraySource(flat), [0], companions=[ArraySource(other)]).scales[0].gain > 0
