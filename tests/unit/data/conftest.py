"""Small focal stacks of known sharpness."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter


@pytest.fixture(scope="session")
def draw_stack() -> Callable[..., np.ndarray]:
    return _draw_stack


def _draw_stack(levels: int = 5, focal: int = 2, side: int = 48, seed: int = 0) -> np.ndarray:
    """Blur random dots by 1.5 pixels for each level from focus: (Z, Y, X), uint16."""
    rng = np.random.default_rng(seed)
    dots = (rng.random((side, side)) > 0.96) * 40000.0
    planes = [gaussian_filter(dots, 0.7 + 1.5 * abs(level - focal)) for level in range(levels)]
    return (np.stack(planes) + 100 + rng.normal(0, 2, (levels, side, side))).astype(np.uint16)
