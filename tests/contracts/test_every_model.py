"""What must hold for every network of the registry, checked on its smallest form."""

import inspect
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from focusfix.config import CheckpointHeader
from focusfix.io.checkpoint import library_versions, load_checkpoint, save_checkpoint
from focusfix.losses import multi_scale_loss
from focusfix.models.base import Restorer
from focusfix.models.entries import ModelEntry
from focusfix.models.registry import build_network, list_entries

pytestmark = pytest.mark.parametrize("entry", list_entries(), ids=lambda entry: entry.name)


def build(entry: ModelEntry, seed: int = 0) -> Restorer:
    torch.manual_seed(seed)
    return build_network(entry.name, entry.tiny)


def channels(network: Restorer) -> int:
    return int(network.hyperparameters.get("in_channels", 1))


def batch(network: Restorer, cells_y: int = 2, cells_x: int = 3) -> Tensor:
    stride = network.footprint.stride_px
    generator = torch.Generator().manual_seed(1)
    size = (cells_y * max(stride, 8), cells_x * max(stride, 8))
    return torch.rand(2, channels(network), *size, generator=generator)


def losses(network: Restorer, image: Tensor, target: Tensor) -> Tensor:
    return multi_scale_loss(network.training_outputs(image), target)


def test_rebuilds_from_its_own_hyperparameters(entry: ModelEntry) -> None:
    network = build(entry)
    stored = json.loads(json.dumps(network.hyperparameters))
    assert stored == network.hyperparameters, "only JSON values survive in a checkpoint"
    assert set(stored) == set(inspect.signature(type(network)).parameters)
    again = build_network(entry.name, stored)
    assert {k: v.shape for k, v in again.state_dict().items()} == {
        k: v.shape for k, v in network.state_dict().items()
    }


def test_constructor_takes_keywords_with_defaults_only(entry: ModelEntry) -> None:
    for parameter in inspect.signature(type(build(entry))).parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty


def test_same_seed_gives_same_weights(entry: ModelEntry) -> None:
    first, second = build(entry, 3).state_dict(), build(entry, 3).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = build(entry, 4).state_dict()
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_output_has_the_size_of_the_input(entry: ModelEntry) -> None:
    network = build(entry).eval()
    image = batch(network)
    with torch.inference_mode():
        restored = network(image)
    assert restored.shape[0] == image.shape[0]
    assert restored.shape[2:] == image.shape[2:]
    assert restored.dtype == torch.float32


def test_an_image_does_not_depend_on_its_batch(entry: ModelEntry) -> None:
    network = build(entry).eval()
    image = batch(network)
    with torch.inference_mode():
        torch.testing.assert_close(network(image)[1:], network(image[1:]), rtol=0, atol=1e-5)


def test_one_training_step_lowers_the_loss(entry: ModelEntry) -> None:
    network = build(entry).train()
    image = batch(network)
    target = torch.nn.functional.avg_pool2d(image, 3, stride=1, padding=1)[:, :1]
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-2)
    before = losses(network, image, target)
    before.backward()
    optimiser.step()
    with torch.no_grad():
        assert losses(network, image, target) < before


def test_checkpoint_round_trip(entry: ModelEntry, tmp_path: Path) -> None:
    network = build(entry)
    network(batch(network))  # moves the running statistics of normalising layers
    header = CheckpointHeader(
        model=entry.name,
        hyperparameters=network.hyperparameters,
        abilities=tuple(sorted(entry.abilities)),
        modality="any",
        trained_on="nothing",
        licence="CC0-1.0",
        seed=0,
        steps=1,
        versions=library_versions(),
        scores={"gain_db": 0.5},
        summary="untrained",
    )
    path, again = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_checkpoint(path, network, header)
    loaded, loaded_header = load_checkpoint(path)
    assert loaded_header == header
    assert not loaded.training
    image = batch(network)
    with torch.inference_mode():
        assert torch.equal(network.eval()(image), loaded(image))
    save_checkpoint(again, loaded, loaded_header)
    assert path.read_bytes() == again.read_bytes()


def randomise(network: Restorer) -> Restorer:
    """Make every path count: positive weights neither cancel nor die in a ReLU."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(0.1, 0.5)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.Sigmoid):  # flat where positive weights lead to
                setattr(module, name, torch.nn.Identity())
    return network.double().eval().requires_grad_(requires_grad=False)


ROUNDING = 1e-12
"""Gradients below this share of the largest are rounding errors of Fourier transforms."""


def probe(network: Restorer, axis: int) -> list[tuple[int, int]]:
    """Return, per phase, how far before and after itself an output line sees, along one axis."""
    footprint = network.footprint
    stride = footprint.stride_px
    middle = (footprint.halo_px // stride + 2) * stride
    shape = [1, channels(network), 2 * stride, 2 * stride]
    shape[axis] = 2 * middle + stride
    seen = torch.zeros(stride, shape[axis], dtype=torch.bool)
    for _ in range(3):  # a max-pooling passes a gradient to one pixel of four: try several images
        image = torch.rand(shape, dtype=torch.float64).requires_grad_()
        restored = network(image)
        for phase in range(stride):
            line = restored.select(axis, middle + phase).sum()
            (gradient,) = torch.autograd.grad(line, image, retain_graph=True)
            others = tuple(dim for dim in range(4) if dim != axis)
            strongest = gradient.abs().amax(dim=others)
            seen[phase] |= strongest > ROUNDING * strongest.max()
    reaches = []
    for phase in range(stride):
        columns = torch.nonzero(seen[phase]).flatten()
        reaches.append((middle + phase - int(columns[0]), int(columns[-1]) - middle - phase))
    return reaches


@pytest.mark.parametrize("axis", [2, 3], ids=["y", "x"])
def test_footprint_by_gradient_probe(entry: ModelEntry, axis: int) -> None:
    network = randomise(build(entry))
    footprint = network.footprint
    if not footprint.exact:
        pytest.skip("the network says that it cannot be tiled exactly")
    farthest = max(max(before, after) for before, after in probe(network, axis))
    assert farthest <= footprint.reach_px, "an output pixel sees farther than the footprint says"
    assert farthest >= footprint.reach_px - 2 * footprint.stride_px, "the reach is far too large"


def test_aligned_window_with_halo_equals_the_whole(entry: ModelEntry) -> None:
    network = randomise(build(entry))
    footprint = network.footprint
    if not footprint.exact:
        pytest.skip("the network says that it cannot be tiled exactly")
    halo, stride = footprint.halo_px, footprint.stride_px
    start, stop = halo + stride, halo + 3 * stride
    image = torch.rand(1, channels(network), 2 * stride, stop + halo + stride, dtype=torch.float64)
    with torch.inference_mode():
        whole = network(image)[..., start:stop]
        window = network(image[..., start - halo : stop + halo])[..., halo:-halo]
    torch.testing.assert_close(window, whole, rtol=1e-9, atol=0)


def test_core_is_what_the_whole_gives(entry: ModelEntry) -> None:
    network = randomise(build(entry))
    footprint = network.footprint
    if not footprint.exact:
        pytest.skip("the network says that it cannot be tiled exactly")
    halo, stride = footprint.halo_px, footprint.stride_px
    side = 2 * halo + stride
    image = torch.rand(1, channels(network), side, side + stride, dtype=torch.float64)
    with torch.inference_mode():
        core, whole = network.restore_core(image, halo), network(image)
    assert core.shape[-2:] == (stride, 2 * stride)
    torch.testing.assert_close(core, whole[..., halo:-halo, halo:-halo], rtol=1e-9, atol=0)
