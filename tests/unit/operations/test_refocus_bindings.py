import numpy as np
import pytest
import torch

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import restore
from focusfix.engine.tiles import plan_tiles
from focusfix.errors import ModelError
from focusfix.models.refocus import RefocusNet
from focusfix.models.refocus_multi import RefocusMultiNet
from focusfix.operations.bindings import (
    Execution,
    bind_distance,
    bind_planes,
    bind_surface,
    build_function,
    run_whole,
)
from focusfix.operations.refocus_bindings import SurfaceSource, nearest_levels
from focusfix.runtime.device import Device

CPU = Device("cpu", "cpu", "")
TINY = {"depth": 1, "base_width": 3, "code_width": 4, "range_um": 8.0}


def heeding(network):
    """Give the modulation, which starts at zero, weights."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "modulation" in name:
                parameter.normal_(std=0.5)
    return network.eval()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return heeding(RefocusNet(**TINY))


@pytest.fixture(scope="module")
def several():
    torch.manual_seed(0)
    return heeding(RefocusMultiNet(**TINY))


def test_a_surface_as_shares_of_the_range(network):
    image = np.random.default_rng(0).random((1, 16, 24), dtype=np.float32)
    level = np.full((1, 16, 24), 0.5, np.float32)
    surface = run_whole(bind_surface(network), np.concatenate([image, level]), CPU)
    np.testing.assert_allclose(
        surface, run_whole(bind_distance(network, 4.0), image, CPU), atol=1e-5
    )


def test_tiles_of_a_tilted_surface_equal_the_whole(network):
    """Through the engine, in grey values, the surface beside two planes of two samples."""
    random = np.random.default_rng(1)
    stored = random.uniform(0, 3000, (2, 48, 60, 2)).astype(np.float32)
    tilt = np.linspace(-8, 8, 60) * np.ones((48, 1))
    source, scales = ArraySource(stored), (IntensityScale(100.0, 1 / 2500),) * 2
    surface = ArraySource(tilt[None, :, :, None])
    binding = bind_surface(network)
    function = build_function(binding, Execution(CPU, "fp32", "torch"), images=2)
    plan = plan_tiles((48, 60), binding.footprint, tile_px=36)
    assert plan.n_tiles > 6
    distances = SurfaceSource(surface, source, scales, network.range_um)
    blocks = restore(source, function, plan, scales, companions=(distances,))
    found = assemble_blocks(blocks, plan.shape_yx)
    scaled = scales[1].apply(stored[1, :, :, 1])
    whole = run_whole(binding, np.stack([scaled, (tilt / 8).astype(np.float32)]), CPU)
    expected = whole / scales[1].gain + 100
    inside = (slice(12, -12),) * 2  # tiles see the image reflected beyond its border
    np.testing.assert_allclose(found[1, ..., 1][inside], expected[inside], rtol=0, atol=0.05)
    level = run_whole(bind_distance(network, 0.0), scaled[None], CPU)
    assert np.abs(level - whole).max() > 0.01


def test_planes_follow_an_image_that_only_carries_the_change(several):
    planes = np.random.default_rng(2).random((3, 16, 16), dtype=np.float32)
    bound = bind_planes(several, (1.0, -2.0))
    found = run_whole(bound, planes, CPU)
    with torch.inference_mode():
        expected = several.refocus(torch.from_numpy(planes[None, 1:]), torch.tensor([[1.0, -2.0]]))
    np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=1e-6)


def test_how_many_planes_a_network_takes(network, several):
    for bound, distances in ((network, (1.0, 2.0)), (several, (1.0,) * 4), (several, ())):
        with pytest.raises(ModelError, match="at most"):
            bind_planes(bound, distances)


@pytest.mark.parametrize(
    ("wanted_um", "most", "range_um", "levels"),
    [
        (2.5, 3, 10.0, [1, 2, 0]),
        (2.0, 1, 10.0, [1]),
        (3.0, 3, 1.5, [1, 2]),
        (-20.0, 3, 10.0, []),
        (9.0, 2, 10.0, [3, 2]),
    ],
)
def test_nearest_levels(wanted_um, most, range_um, levels):
    heights = [0.0, 2.0, 4.0, 6.0]
    assert nearest_levels(wanted_um, heights, most=most, range_um=range_um) == levels
