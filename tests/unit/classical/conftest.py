"""Simulated fields for classical restoration, and the way they go through the engine."""

from collections.abc import Callable

import numpy as np
import pytest

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import restore
from focusfix.engine.tiles import plan_tiles
from focusfix.footprint import Footprint

OFFSET = 100.0
SCALE = IntensityScale(offset=OFFSET, gain=1 / 900)


@pytest.fixture
def field() -> np.ndarray:
    """Discs of many sizes and brightnesses, as cells are."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:224, :256]
    image = np.zeros((224, 256), np.float32)
    for _ in range(40):
        y, x, radius = generator.uniform([0, 0, 3], [224, 256, 14])
        image[np.hypot(rows - y, columns - x) < radius] += generator.uniform(0.3, 1)
    return image


@pytest.fixture
def through_engine() -> Callable[..., tuple[np.ndarray, int]]:
    """Restore 16-bit grey values through the engine; returns them and the number of tiles."""

    def run(
        function: Callable[[np.ndarray], np.ndarray],
        footprint: Footprint,
        image: np.ndarray,
        tile_px: int = 4096,
    ) -> tuple[np.ndarray, int]:
        source = ArraySource(np.rint(image).astype(np.uint16)[None, ..., None])
        plan = plan_tiles(image.shape, footprint, tile_px=tile_px)
        result = assemble_blocks(restore(source, function, plan, [SCALE]), source.shape_yx)
        assert result.dtype == np.uint16
        return result[0, ..., 0].astype(np.float64), plan.n_tiles

    return run
