"""Training data that need no files, and settings of very short runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from focusfix.data.sampling import CropPair
from focusfix.runtime.device import Device
from focusfix.training.settings import DataPlace, RunSettings


class DrawnPairs:
    """Blurred dots, each pair from its number alone."""

    def __init__(self, seed: int, crop_px: int = 32) -> None:
        self.seed = seed
        self.crop_px = crop_px

    def pair(self, index: int) -> CropPair:
        rng = np.random.default_rng([self.seed, index])
        dots = (rng.random((self.crop_px, self.crop_px)) > 0.95).astype(np.float32)
        sharp, blurred = gaussian_filter(dots, 0.8) * 4, gaussian_filter(dots, 2.0) * 4
        return CropPair(blurred.astype(np.float32), sharp.astype(np.float32))


class DrawnData:
    """What a run needs of its data."""

    modality = "fluorescence"
    crops_per_epoch = 8
    card: dict[str, Any] = {"trained_on": "drawn dots"}  # noqa: RUF012 - never changed
    split_table = [  # noqa: RUF012 - never changed
        {"field": "a", "split": "train"},
        {"field": "b", "split": "validation"},
    ]

    def __init__(self, *, validated: bool = True) -> None:
        self.train = DrawnPairs(1)
        self.validation = DrawnPairs(2) if validated else None

    def close(self) -> None:
        pass

    def describe(self) -> dict[str, Any]:
        return {"layout": "drawn", "notes": []}


@pytest.fixture
def drawn_data() -> type[DrawnData]:
    return DrawnData


@pytest.fixture
def cpu() -> Device:
    return Device("cpu", "cpu", "")


@pytest.fixture
def make_settings() -> Callable[..., RunSettings]:
    return _make_settings


def _make_settings(**changes: Any) -> RunSettings:
    return RunSettings(
        **{
            "data": DataPlace(path="drawn"),
            "model": "multilevel-unet",
            "hyperparameters": {"levels": 2, "base_width": 2},
            "loss": "l1",
            "steps": 6,
            "batch_size": 2,
            "crop_size": 32,
            "validate_every": 2,
            "validation_crops": 3,
            **changes,
        }
    )
