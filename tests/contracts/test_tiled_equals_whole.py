"""Every registered network: tiles through the engine give what the whole image gives."""

from collections.abc import Callable

import numpy as np
import pytest

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import RestoreStats, restore
from focusfix.engine.tiles import TilePlan, plan_tiles
from focusfix.errors import OutOfMemoryError
from focusfix.models.base import Restorer
from focusfix.models.registry import list_entries
from focusfix.runtime.device import select_device
from focusfix.runtime.executor import NetworkFunction, Precision, build_tile_function

UNIT = IntensityScale(offset=0.0, gain=1.0)


@pytest.fixture(params=list_entries(), ids=lambda entry: entry.name)
def network(request: pytest.FixtureRequest, build_tiny: Callable[..., Restorer]) -> Restorer:
    """Build every network that can be tiled exactly."""
    built = build_tiny(request.param)
    if not built.footprint.exact:
        pytest.skip(f"{request.param.name} has no exact tiling")
    return built


def prepare(network: Restorer, precision: Precision = "fp32") -> NetworkFunction:
    return build_tile_function(
        network,
        device=select_device("cpu"),
        precision=precision,
        runtime="torch",
        margin_px=network.footprint.halo_px,
    )


def image_for(plan_halo: int) -> np.ndarray:
    """Make an image of more than two tiles along each axis, of sizes off every grid."""
    shape = (1, plan_halo // 2 + 91, plan_halo // 2 + 117, 1)
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def run(function: NetworkFunction, pixels: np.ndarray, plan: TilePlan) -> np.ndarray:
    return assemble_blocks(restore(ArraySource(pixels), function, plan, [UNIT]), plan.shape_yx)


def run_twice(network: Restorer, precision: Precision) -> tuple[np.ndarray, ...]:
    """Restore an image in tiles, and as a whole."""
    footprint = network.footprint
    function, pixels = prepare(network, precision), image_for(footprint.halo_px)
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


def test_tiled_equals_whole(network: Restorer) -> None:
    tiled, whole = run_twice(network, "fp32")
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_few_bits_scatter_without_seams(network: Restorer) -> None:
    """In bf16, what differs in the last bit of fp32 may round to another number of eight bits."""
    tiled, whole = run_twice(network, "bf16")
    difference = np.abs(tiled - whole)
    assert difference.max() < 2**-8
    assert difference.mean() < 2**-8 / 100


def test_memory_back_off_changes_nothing(network: Restorer) -> None:
    footprint = network.footprint
    function, pixels = prepare(network), image_for(footprint.halo_px)
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
