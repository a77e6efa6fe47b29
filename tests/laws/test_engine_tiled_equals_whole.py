"""Tiles of an exact footprint give what one tile over the whole image gives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import restore
from focusfix.engine.tiles import TilePlan, plan_tiles
from focusfix.footprint import Footprint

UNIT = IntensityScale(offset=0.0, gain=1.0)


def strided_network(stride: int, images: int = 1) -> tuple[nn.Module, Footprint]:
    """Halve and double the size as often as the stride says, with 3 x 3 convolutions."""
    depth = stride.bit_length() - 1
    layers: list[nn.Module] = [nn.Conv2d(images, 4, 3, padding=1), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    for _ in range(depth):
        layers += [nn.ConvTranspose2d(4, 4, 2, stride=2), nn.ReLU()]
    layers.append(nn.Conv2d(4, 1, 3, padding=1))
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            average_with(layer)
    reach = 2 + sum(2**level for level in range(depth)) + 2 * (stride - 1)
    return nn.Sequential(*layers).eval(), Footprint(reach, stride)


def average_with(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Make weights random, but positive and of sum one: no signal is lost on the way."""
    inputs = (0,) if isinstance(layer, nn.ConvTranspose2d) else (1, 2, 3)
    with torch.no_grad():
        layer.weight.uniform_(0, 1).div_(layer.weight.sum(dim=inputs, keepdim=True))


def run(
    network: nn.Module,
    planes: np.ndarray,
    plan: TilePlan,
    batch_size: int,
    *companions: np.ndarray,
) -> np.ndarray:
    def function(tiles: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(tiles)))

    others = [ArraySource(companion) for companion in companions]
    blocks = restore(
        ArraySource(planes), function, plan, [UNIT], companions=others, batch_size=batch_size
    )
    return assemble_blocks(blocks, plan.shape_yx)


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


@settings(deadline=None, max_examples=6)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    extra=st.integers(0, 60),
    samples=st.integers(1, 3),
)
def test_tiled_equals_whole_with_a_companion(
    height: int, width: int, extra: int, samples: int
) -> None:
    torch.manual_seed(1)
    network, footprint = strided_network(8, images=2)
    random = np.random.default_rng(height * width)
    first, second = random.random((2, 1, height, width, samples), dtype=np.float32)
    whole = plan_tiles((height, width), footprint, tile_px=1024)
    tiled = plan_tiles((height, width), footprint, tile_px=2 * footprint.halo_px + 8 + extra)
    assert tiled.exact
    expected = run(network, first, whole, 1, second)
    np.testing.assert_allclose(run(network, first, tiled, 2, second), expected, atol=1e-5)


def test_a_halo_off_the_footprint_shows() -> None:
    torch.manual_seed(0)
    network, footprint = strided_network(16)
    pixels = np.random.default_rng(0).random((1, 160, 160, 1), dtype=np.float32)
    whole = run(network, pixels, plan_tiles((160, 160), footprint, tile_px=1024), 1)
    hasty = plan_tiles((160, 160), footprint, tile_px=80, halo_px=0, ramp_px=0)
    assert not hasty.exact
    assert np.abs(run(network, pixels, hasty, 1) - whole).max() > 1e-3


def test_the_companion_counts() -> None:
    torch.manual_seed(1)
    network, footprint = strided_network(8, images=2)
    first = np.random.default_rng(0).random((1, 90, 90, 1), dtype=np.float32)
    second = 1 - first
    plan = plan_tiles((90, 90), footprint)
    beside_itself = run(network, first, plan, 1, first)
    change = run(network, first, plan, 1, second) - beside_itself
    assert change.std() > 0.3 * beside_itself.std()
