from typing import Any

import pytest
from pydantic import ValidationError

from focusfix.config import CheckpointHeader, IntensityConvention

COMPLETE: dict[str, Any] = {
    "model": "multilevel-unet",
    "hyperparameters": {"levels": 1},
    "abilities": ["deblur"],
    "modality": "fluorescence",
    "pixel_size_um": [0.1, 0.65],
    "trained_on": "simulation",
    "licence": "CC0-1.0",
    "seed": 0,
    "steps": 10,
    "versions": {"focusfix": "0.1.0"},
    "summary": "a test",
}


def test_survives_json() -> None:
    header = CheckpointHeader.model_validate(COMPLETE)
    assert CheckpointHeader.model_validate_json(header.model_dump_json()) == header
    assert header.pixel_size_um == (0.1, 0.65)
    assert header.intensity == IntensityConvention(low_percentile=0.1, high_percentile=99.9)


def test_is_frozen() -> None:
    header = CheckpointHeader.model_validate(COMPLETE)
    with pytest.raises(ValidationError, match="frozen"):
        header.seed = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "Extra inputs"),
        ({"format_version": 2}, "format_version must be 1"),
        ({"model": ""}, "at least 1 character"),
        ({"abilities": []}, "at least 1 item"),
        ({"abilities": ["fly"]}, "deblur"),
        ({"modality": "xray"}, "brightfield"),
        ({"pixel_size_um": [0.65, 0.1]}, "low <= high"),
        ({"numerical_aperture": [-1, 0.1]}, "low <= high"),
        ({"blur_radius_px": [0, float("inf")]}, "finite number"),
        ({"intensity": {"low_percentile": 99, "high_percentile": 1}}, "must be below"),
        ({"intensity": {"low_percentile": -1}}, "greater than or equal to 0"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"steps": 1.5}, "integer"),
        ({"versions": {"torch": "2"}}, "must name the focusfix"),
        ({"scores": {"psnr_db": float("nan")}}, "finite number"),
    ],
)
def test_refuses(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CheckpointHeader.model_validate(COMPLETE | change)


@pytest.mark.parametrize("name", ["model", "modality", "licence", "seed", "versions", "summary"])
def test_nothing_that_a_user_needs_may_be_left_out(name: str) -> None:
    with pytest.raises(ValidationError, match="Field required"):
        CheckpointHeader.model_validate({k: v for k, v in COMPLETE.items() if k != name})
