import pytest
import torch
from torch import nn
from torch.nn import functional as F

from focusfix.models.deepdeblur import DeepDeblur


def test_predictions_of_all_levels_finest_first() -> None:
    network = DeepDeblur(blocks=1, width=2)
    image = torch.rand(1, 1, 24, 32)
    with torch.inference_mode():
        outputs = network.training_outputs(image)
        assert torch.equal(network(image), outputs[0])
    assert [tuple(output.shape[2:]) for output in outputs] == [(24, 32), (12, 16), (6, 8)]


def test_channels() -> None:
    network = DeepDeblur(scales=2, blocks=1, width=2, in_channels=3, out_channels=2)
    assert [chain[0].in_channels for chain in network.chains] == [5, 3]
    assert network(torch.rand(2, 3, 8, 12)).shape == (2, 2, 8, 12)


def test_mid_grey_is_taken_off_and_put_back() -> None:
    """Chains without bias turn a mid-grey image into a mid-grey image."""
    network = DeepDeblur(scales=3, blocks=1, width=2)
    with torch.inference_mode():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.bias.zero_()
        for output in network.training_outputs(torch.full((1, 1, 8, 8), 0.5)):
            assert torch.equal(output, torch.full_like(output, 0.5))


def test_two_levels_by_hand() -> None:
    torch.manual_seed(0)
    network = DeepDeblur(scales=2, blocks=1, width=2)
    image = torch.rand(1, 1, 8, 8)
    with torch.inference_mode():
        coarse = network.chains[1](F.avg_pool2d(image, 2) - 0.5)
        larger = F.pixel_shuffle(network.enlarge[0][0](coarse), 2)
        fine = network.chains[0](torch.cat([image - 0.5, larger], 1))
        torch.testing.assert_close(network(image), fine + 0.5)


def test_every_weight_takes_part_in_the_finest_prediction() -> None:
    network = DeepDeblur(blocks=1, width=2)
    network(torch.rand(2, 1, 16, 16)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("size", [(10, 12), (0, 4), (4, 2)])
def test_refuses_sizes_off_the_grid(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 4 px"):
        DeepDeblur(blocks=1, width=1)(torch.rand(1, 1, *size))


@pytest.mark.parametrize(
    "wrong",
    [{"scales": 6}, {"blocks": 0}, {"width": 0}, {"in_channels": "1"}, {"out_channels": 65}],
    ids=str,
)
def test_refuses_hyperparameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DeepDeblur(**wrong)


@pytest.mark.parametrize(("scales", "reach_px"), [(1, 80), (2, 245), (3, 575)])
def test_footprint_of_the_published_chains(scales: int, reach_px: int) -> None:
    footprint = DeepDeblur(scales=scales, width=1).footprint
    assert (footprint.reach_px, footprint.exact) == (reach_px, True)
    assert footprint.stride_px == 2 ** (scales - 1)


@pytest.mark.parametrize(("scales", "blocks"), [(1, 2), (2, 1), (3, 1)])
def test_reach_is_exact(scales: int, blocks: int) -> None:
    """The outermost pixel of the traced span has a gradient, and the next one has none."""
    network = DeepDeblur(scales=scales, blocks=blocks, width=1)
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.1, 0.5)
    network = network.double().requires_grad_(requires_grad=False)
    reach, stride = network.footprint.reach_px, network.footprint.stride_px
    middle = (reach // stride + 2) * stride
    image = torch.rand(1, 1, stride, 2 * middle + stride, dtype=torch.float64) + 1
    image.requires_grad_()
    restored = network(image)
    reaches = []
    for phase in range(stride):
        line = restored[..., middle + phase].sum()
        (gradient,) = torch.autograd.grad(line, image, retain_graph=True)
        seen = torch.nonzero(gradient.sum(dim=(0, 1, 2))).flatten()
        reaches += [middle + phase - int(seen[0]), int(seen[-1]) - middle - phase]
    assert max(reaches) == reach
