"""Training data that need no files, and settings of very short runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from focusfix.data.samples import CropGroup, CropPair, CropTriplet, FactorPairs
from focusfix.runtime.device import Device
from focusfix.training.settings import DataPlace, RunSettings


class DrawnSamples:
    """Blurred dots, each sample from its number alone; levels are -2 to 2, 3 um apart."""

    levels = np.arange(-2, 3)
    step_um = 3.0

    def __init__(self, seed: int, crop_px: int = 32) -> None:
        self.seed = seed
        self.crop_px = crop_px

    def draw_levels(self, rng: np.random.Generator, levels: Any) -> np.ndarray:
        """Draw one field at some levels; shape (K, Y, X)."""
        dots = (rng.random((self.crop_px, self.crop_px)) > 0.95).astype(np.float32)
        planes = [gaussian_filter(dots, 0.8 + 0.6 * abs(level)) * 4 for level in levels]
        return np.stack(planes).astype(np.float32)

    def pair(self, index: int) -> CropPair:
        rng = np.random.default_rng([self.seed, index])
        return CropPair(*self.draw_levels(rng, (2, 0)))

    def triplet(self, index: int, *, pattern: str) -> CropTriplet:
        assert pattern in ("auto", "dyadic", "full")
        rng = np.random.default_rng([self.seed, 1, index])
        return CropTriplet(*self.draw_levels(rng, (0, 1, 2)), alpha=0.5)

    def group(self, index: int, *, size: int) -> CropGroup:
        rng = np.random.default_rng([self.seed, 2, index])
        levels = rng.choice(self.levels, size, replace=False).astype(np.float32)
        in_focus, *images = self.draw_levels(rng, (0, *levels))
        return CropGroup(np.stack(images), in_focus, levels, levels * np.float32(self.step_um))

    def factor_pairs(self, index: int) -> FactorPairs:
        rng = np.random.default_rng([self.seed, 3, index])
        levels = rng.choice(self.levels, 2, replace=False).astype(np.float32)
        in_focus, image, other_level = self.draw_levels(rng, (0, *levels))
        (other,) = self.draw_levels(rng, levels[:1])
        dz_um = levels * np.float32(self.step_um)
        return FactorPairs(image, other_level, other, in_focus, levels, dz_um)


class DrawnData:
    """What a run needs of its data."""

    modality = "fluorescence"
    crops_per_epoch = 8
    card: dict[str, Any] = {"trained_on": "drawn dots"}  # noqa: RUF012 - never changed
    has_truth = True
    split_table = [  # noqa: RUF012 - never changed
        {"field": "a", "split": "train"},
        {"field": "b", "split": "validation"},
    ]

    def __init__(self, *, validated: bool = True) -> None:
        self.train = DrawnSamples(1)
        self.validation = DrawnSamples(2) if validated else None

    def count_triplets(self, pattern: str) -> dict[str, int]:  # noqa: ARG002 - always alike
        return {"train": 7, "validation": 7, "test": 0}

    def count_groups(self, size: int) -> dict[str, int]:  # noqa: ARG002 - always alike
        return {"train": 3, "validation": 3, "test": 0}

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
