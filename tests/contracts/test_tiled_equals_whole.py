"""Every registered network: tiles through the engine give what the whole image gives."""

from typing import Literal

import numpy as np
import pytest
import torch

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import RestoreStats, restore
from focusfix.engine.tiles import TilePlan, plan_tiles
from focusfix.errors import OutOfMemoryError
from focusfix.models.entries import ModelEntry
from focusfix.models.registry import build_network, list_entries
from focusfix.runtime.device import select_device
from focusfix.runtime.executor import NetworkFunction, build_tile_function

UNIT = IntensityScale(offset=0.0, gain=1.0)


@pytest.fixture(params=list_entries(), ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> ModelEntry:
    assert isinstance(request.param, ModelEntry)
    return request.param


def restorer(entry: ModelEntry, precision: Literal["fp32", "bf16"] = "fp32") -> NetworkFunction:
    """Build a network whose weights are random, those that start at zero included."""
    torch.manual_seed(0)
    network = build_network(entry.name, entry.tiny)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    halo = network.footprint.halo_px
    return build_tile_function(
        network,
        device=select_device("cpu"),
        precision=precision,
        runtime="torch",
        margin_px=halo,
    )


def image_for(plan_halo: int) -> np.ndarray:
    """Make an image of more than two tiles along each axis, of sizes off every grid."""
    shape = (1, plan_halo // 2 + 91, plan_halo // 2 + 117, 1)
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def run(function: NetworkFunction, pixels: np.ndarray, plan: TilePlan) -> np.ndarray:
    return assemble_blocks(restore(ArraySource(pixels), function, plan, [UNIT]), plan.shape_yx)


def run_twice(entry: ModelEntry, precision: Literal["fp32", "bf16"]) -> tuple[np.ndarray, ...]:
    """Restore an image in tiles, and as a whole."""
    footprint = build_network(entry.name, entry.tiny).footprint
    if not footprint.exact:
        pytest.skip(f"{entry.name} has no exact tiling")
    function, pixels = restorer(entry, precision), image_for(footprint.halo_px)
    shape = pixels.shape[1:3]
    whole = plan_tiles(shape, footprint, tile_px=4096)
    tiled = plan_tiles(
        shape, footprint, tile_px=2 * footprint.halo_px + max(shape) // 2 + footprint.stride_px
    )
    assert whole.n_tiles == 1
    assert tiled.exact
    assert tiled.n_tiles >= 4
    expected = run(function, pixels, whole)
    assert np.abs(expected - pixels[0]).max() > 1e-4, "the network does nothing: no test"
    return run(function, pixels, tiled), expected


def test_tiled_equals_whole(entry: ModelEntry) -> None:
    tiled, whole = run_twice(entry, "fp32")
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_few_bits_scatter_without_seams(entry: ModelEntry) -> None:
    """In bf16, what differs in the last bit of fp32 may round to another number of eight bits."""
    tiled, whole = run_twice(entry, "bf16")
    difference = np.abs(tiled - whole)
    assert difference.max() < 2**-8
    assert difference.mean() < 2**-8 / 100


def test_memory_back_off_changes_nothing(entry: ModelEntry) -> None:
    footprint = build_network(entry.name, entry.tiny).footprint
    if not footprint.exact:
        pytest.skip(f"{entry.name} has no exact tiling")
    function, pixels = restorer(entry), image_for(footprint.halo_px)
    plan = plan_tiles(pixels.shape[1:3], footprint, tile_px=4096)
    largest = plan.tile_shape[0] * plan.tile_shape[1] * 3 // 4

    def limited(tiles: np.ndarray) -> np.ndarray:
        if tiles.size > largest:
            raise OutOfMemoryError("Too big.", "Use less.")
        return function(tiles)

    stats = RestoreStats()
    blocks = restore(ArraySource(pixels), limited, plan, [UNIT], stats=stats)
    np.testing.assert_allclose(
        assemble_blocks(blocks, plan.shape_yx), run(function, pixels, plan), atol=1e-5
    )
    assert stats.backed_off
