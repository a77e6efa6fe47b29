import inspect
import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import restore
from focusfix.engine.tiles import plan_tiles
from focusfix.latent.line import extrapolate_latents, interpolate_latents
from focusfix.losses import Triplet, baseline_loss, direct_loss, indirect_loss
from focusfix.models.linear_autoencoder import LinearAutoencoder

TINY = [2, 3, 4, 5, 6]


def build(seed: int = 0, widths: list[int] = TINY) -> LinearAutoencoder:
    torch.manual_seed(seed)
    return LinearAutoencoder(widths=widths)


def randomise(network: LinearAutoencoder) -> LinearAutoencoder:
    """Make every path count: positive weights do not cancel."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(0.1, 0.5)
    return network.double().eval().requires_grad_(requires_grad=False)


def reconstruct(network: LinearAutoencoder, image: Tensor) -> Tensor:
    """Leave out the sigmoid, which is flat where positive weights lead to."""
    return network.decoder[:-1](network.encode(image))


def test_rebuilds_from_its_own_hyperparameters() -> None:
    stored = json.loads(json.dumps(build().hyperparameters))
    assert stored == {"widths": TINY}
    assert set(stored) == set(inspect.signature(LinearAutoencoder).parameters)
    again = LinearAutoencoder(**stored)
    again.load_state_dict(build().state_dict(), strict=True)


def test_widths_are_copied_not_changed() -> None:
    widths = list(TINY)
    first, second = build(widths=widths), build(widths=widths)
    assert widths == TINY
    first.hyperparameters["widths"].reverse()
    assert widths == TINY
    assert str(first) == str(second)


def test_same_seed_gives_same_weights() -> None:
    first, second, other = (build(seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_code_and_image_have_the_sizes_promised() -> None:
    network = build().eval()
    image = torch.rand(2, 1, 64, 96)
    with torch.inference_mode():
        code = network.encode(image)
        assert code.shape == (2, 6, 2, 3)
        assert torch.equal(network(image), network.decode(code))
        restored = network.decode(100 * code)
    assert restored.shape == image.shape
    assert 0 <= float(restored.min()) <= float(restored.max()) <= 1


def test_code_is_what_the_last_activation_gives() -> None:
    network = build().eval()
    inputs = []
    network.encoder[-1][-1].register_forward_hook(lambda _m, args, _o: inputs.append(args[0]))
    with torch.inference_mode():
        code = network.encode(torch.rand(4, 1, 32, 64))
    assert bool((code < 0).any())
    torch.testing.assert_close(code, inputs[0].clamp_min(0) + 0.01 * inputs[0].clamp_max(0))


def test_an_image_does_not_depend_on_its_batch() -> None:
    network = build().eval()
    image = torch.rand(3, 1, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(image)[1:], network(image[1:]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(33, 32), (16, 32), (0, 32)])
def test_refuses_sizes_off_the_grid(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 32 px"):
        build()(torch.rand(1, 1, *size))


def test_refuses_other_channels() -> None:
    with pytest.raises(ValueError, match=r"expected shape \(N, 1, Y, X\)"):
        build()(torch.rand(1, 2, 32, 32))
    with pytest.raises(ValueError, match=r"expected shape \(N, 6, Y, X\)"):
        build().decode(torch.rand(1, 5, 2, 2))


@pytest.mark.parametrize("widths", [[], [1] * 9, [0], [4, -1], [4, 5000], [2.0], [True]], ids=str)
def test_refuses_widths(widths: list[int]) -> None:
    with pytest.raises(ValueError, match="widths must"):
        LinearAutoencoder(widths=widths)


@pytest.mark.parametrize(
    ("levels", "reach_px", "stride_px", "halo_px"), [(1, 3, 2, 4), (3, 15, 8, 16), (5, 63, 32, 64)]
)
def test_footprint(levels: int, reach_px: int, stride_px: int, halo_px: int) -> None:
    footprint = build(widths=[2] * levels).footprint
    assert (footprint.reach_px, footprint.stride_px) == (reach_px, stride_px)
    assert footprint.halo_px == halo_px
    assert footprint.exact


@pytest.mark.parametrize("axis", [2, 3], ids=["y", "x"])
@pytest.mark.parametrize("levels", [1, 3, 5])
def test_reach_is_exact(levels: int, axis: int) -> None:
    """The outermost pixel of the traced span has a gradient, and the next one has none."""
    network = randomise(build(widths=[2] * levels))
    reach, stride = network.footprint.reach_px, network.footprint.stride_px
    middle = 4 * stride
    shape = [1, 1, 2 * stride, 2 * stride]
    shape[axis] = 2 * middle + stride
    image = torch.rand(shape, dtype=torch.float64).requires_grad_()
    restored = reconstruct(network, image)
    reaches = []
    for phase in range(stride):
        line = restored.select(axis, middle + phase).sum()
        (gradient,) = torch.autograd.grad(line, image, retain_graph=True)
        seen = torch.nonzero(gradient.sum(dim=[dim for dim in range(4) if dim != axis])).flatten()
        reaches += [middle + phase - int(seen[0]), int(seen[-1]) - middle - phase]
    assert max(reaches) == reach


def tile_by_hand(network: LinearAutoencoder, image: Tensor, halo: int) -> Tensor:
    """Return columns 128 to 191 of the reconstruction, from a window around them."""
    return reconstruct(network, image[..., 128 - halo : 192 + halo])[..., halo : halo + 64]


def test_phase_of_the_halo_decides() -> None:
    network = randomise(build())
    image = torch.rand(1, 1, 64, 320, dtype=torch.float64)
    with torch.inference_mode():
        whole = reconstruct(network, image)[..., 128:192]
        spread = float(whole.std())
        right = (tile_by_hand(network, image, 64) - whole).abs().max()
        wider = (tile_by_hand(network, image, 80) - whole).abs().max()
        narrower = (tile_by_hand(network, image, 32) - whole).abs().max()
    assert float(right) < 1e-12 * float(whole.abs().max())
    assert min(float(wider), float(narrower)) > 0.01 * spread


def test_tiling_is_exact_in_evaluation_mode_only() -> None:
    network = randomise(build()).train()
    image = torch.rand(1, 1, 64, 320, dtype=torch.float64)
    with torch.inference_mode():
        whole = reconstruct(network, image)[..., 128:192]
        assert not torch.allclose(tile_by_hand(network, image, 64), whole, rtol=1e-3)


def as_tile_function(move: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
    def function(tiles: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return move(torch.from_numpy(tiles)).numpy()

    return function


@pytest.mark.parametrize("moved", [False, True], ids=["reconstruction", "extrapolation"])
def test_tiles_through_the_engine_equal_the_whole_image(*, moved: bool) -> None:
    """Moving along the line reaches no farther than reconstructing."""
    network = build().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)

    def deblur(image: Tensor) -> Tensor:
        code, blurrier = network.encode(image), network.encode(image.square())
        return network.decode(extrapolate_latents(code, blurrier, alpha=0.25) if moved else code)

    pixels = np.random.default_rng(0).random((1, 227, 301, 1), dtype=np.float32)
    scale = IntensityScale(offset=0.0, gain=1.0)
    results = []
    for tile_px in (1024, 224):
        plan = plan_tiles((227, 301), network.footprint, tile_px=tile_px)
        blocks = restore(ArraySource(pixels), as_tile_function(deblur), plan, [scale])
        results.append((plan.n_tiles, assemble_blocks(blocks, plan.shape_yx)))
    assert results[0][0] == 1
    assert results[1][0] >= 4
    assert results[0][1].std() > 1e-3, "the network does nothing: no test"
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=0, atol=1e-6)


def triplet_loss(network: LinearAutoencoder, true: Triplet, objective: str) -> Tensor:
    codes = Triplet(*network.encode(torch.cat(true)).chunk(3))
    interpolated = interpolate_latents(codes.sharper, codes.blurrier, alpha=0.5)
    made = Triplet(
        *network.decode(torch.cat([codes.sharper, interpolated, codes.blurrier])).chunk(3)
    )
    if objective == "baseline":
        return baseline_loss((made.sharper, made.blurrier), (true.sharper, true.blurrier))
    if objective == "indirect":
        return indirect_loss(made, true)
    return direct_loss(made, true, codes, interpolated, scale_free=objective == "scale-free")


@pytest.mark.parametrize("objective", ["baseline", "indirect", "direct", "scale-free"])
def test_one_step_of_each_objective_lowers_it(objective: str) -> None:
    network = build().train()
    sharper = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    between = torch.nn.functional.avg_pool2d(sharper, 3, stride=1, padding=1)
    blurrier = torch.nn.functional.avg_pool2d(sharper, 5, stride=1, padding=2)
    true = Triplet(sharper, between, blurrier)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-2)
    before = triplet_loss(network, true, objective)
    before.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    optimiser.step()
    with torch.no_grad():
        assert triplet_loss(network, true, objective) < before
