"""Tiles of an exact footprint give what one tile over the whole image gives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import restore
from focusfix.engine.tiles import TilePlan, plan_tiles
from focusfix.footprint import Footprint

UNIT = IntensityScale(offset=0.0, gain=1.0)


def strided_network(stride: int) -> tuple[nn.Module, Footprint]:
    """Halve and double the size as often as the stride says, with 3 x 3 convolutions."""
    depth = stride.bit_length() - 1
    layers: list[nn.Module] = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    for _ in range(depth):
        layers += [nn.ConvTranspose2d(4, 4, 2, stride=2), nn.ReLU()]
    layers.append(nn.Conv2d(4, 1, 3, padding=1))
    reach = 2 + sum(2**level for level in range(depth)) + 2 * (stride - 1)
    return nn.Sequential(*layers).eval(), Footprint(reach, stride)


def run(network: nn.Module, planes: np.ndarray, plan: TilePlan, batch_size: int) -> np.ndarray:
    def function(tiles: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(tiles)))

    bands = restore(ArraySource(planes), function, plan, [UNIT], batch_size=batch_size)
    return np.concatenate(list(bands))


@pytest.mark.parametrize("stride", [4, 16])
@settings(deadline=None, max_examples=10)
@given(
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    extra=st.integers(0, 60),
    batch_size=st.integers(1, 3),
)
def test_tiled_equals_whole(
    stride: int, height: int, width: int, extra: int, batch_size: int
) -> None:
    torch.manual_seed(stride)
    network, footprint = strided_network(stride)
    pixels = np.random.default_rng(height * width).random((1, height, width, 1), dtype=np.float32)
    whole = plan_tiles((height, width), footprint, tile_px=1024)
    tiled = plan_tiles((height, width), footprint, tile_px=2 * footprint.halo_px + stride + extra)
    assert whole.n_tiles == 1
    assert tiled.exact
    expected = run(network, pixels, whole, 1)
    np.testing.assert_allclose(run(network, pixels, tiled, batch_size), expected, atol=1e-5)


def test_a_halo_off_the_footprint_shows() -> None:
    torch.manual_seed(0)
    network, footprint = strided_network(16)
    pixels = np.random.default_rng(0).random((1, 160, 160, 1), dtype=np.float32)
    whole = run(network, pixels, plan_tiles((160, 160), footprint, tile_px=1024), 1)
    hasty = plan_tiles((160, 160), footprint, tile_px=80, halo_px=0, ramp_px=0)
    assert not hasty.exact
    assert np.abs(run(network, pixels, hasty, 1) - whole).max() > 1e-3
