import pytest
import torch
from torch import nn

from focusfix.models.care_unet import CareUNet


def test_the_image_is_added_to_the_prediction() -> None:
    torch.manual_seed(0)
    network = CareUNet(base_width=2)
    plain = CareUNet(base_width=2, residual=False)
    plain.load_state_dict(network.state_dict())
    image = torch.rand(2, 1, 8, 12)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), image + plain(image))


def test_other_channels_without_the_sum() -> None:
    network = CareUNet(base_width=2, in_channels=3, out_channels=2, residual=False)
    assert network(torch.rand(2, 3, 8, 4)).shape == (2, 2, 8, 4)


def test_output_is_not_bounded() -> None:
    network = CareUNet(base_width=2)
    with torch.inference_mode():
        network.head.bias.fill_(-5)
        network.head.weight.zero_()
        assert float(network(torch.zeros(1, 1, 4, 4)).max()) == -5


def test_every_weight_takes_part() -> None:
    torch.manual_seed(0)
    network = CareUNet(depth=3, base_width=2)
    network(torch.rand(2, 1, 16, 16)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    "wrong",
    [
        {"depth": 0},
        {"base_width": 0},
        {"kernel_px": 4},
        {"kernel_px": 17},
        {"residual": 1},
        {"out_channels": 2},
        {"in_channels": 0},
    ],
    ids=str,
)
def test_refuses_hyperparameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CareUNet(**wrong)


def test_refuses_sizes_off_the_grid() -> None:
    with pytest.raises(ValueError, match="multiples of 4 px"):
        CareUNet(base_width=1)(torch.rand(1, 1, 6, 8))


@pytest.mark.parametrize(("depth", "kernel_px", "reach_px"), [(2, 5, 43), (2, 3, 23), (1, 1, 1)])
def test_footprint(depth: int, kernel_px: int, reach_px: int) -> None:
    footprint = CareUNet(depth=depth, kernel_px=kernel_px, base_width=1).footprint
    assert (footprint.reach_px, footprint.stride_px) == (reach_px, 2**depth)
    assert footprint.exact


@pytest.mark.parametrize(("depth", "kernel_px"), [(1, 3), (2, 5), (3, 3)])
def test_reach_is_exact(depth: int, kernel_px: int) -> None:
    """The outermost pixel of the traced span has a gradient, and the next one has none."""
    network = CareUNet(depth=depth, kernel_px=kernel_px, base_width=1)
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.1, 0.5)
    network = network.double().requires_grad_(requires_grad=False)
    reach, stride = network.footprint.reach_px, network.footprint.stride_px
    middle = (reach // stride + 2) * stride
    # Max-pooling passes its gradient to the brightest pixel: let brightness grow outwards.
    ramp = (torch.arange(2 * middle + stride, dtype=torch.float64) - middle).abs() / middle
    image = ramp.expand(1, 1, stride, -1).clone().requires_grad_()
    restored = network(image)
    reaches = []
    for phase in range(stride):
        line = restored[..., middle + phase].sum()
        (gradient,) = torch.autograd.grad(line, image, retain_graph=True)
        seen = torch.nonzero(gradient.abs().sum(dim=(0, 1, 2))).flatten()
        reaches += [middle + phase - int(seen[0]), int(seen[-1]) - middle - phase]
    assert max(reaches) == reach
