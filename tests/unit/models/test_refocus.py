import pytest
import torch

from focusfix.models.refocus import RefocusNet

TINY = {"depth": 2, "base_width": 4, "code_width": 4}


def heed_distance(network: torch.nn.Module) -> None:
    """Give the modulation, which starts at zero, weights."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "modulation" in name:
                parameter.normal_(std=0.3)


def build(**changes: object) -> RefocusNet:
    torch.manual_seed(0)
    network = RefocusNet(**{**TINY, **changes})
    heed_distance(network)
    return network.eval()


def test_convolutions_are_those_reported() -> None:
    """Two channels in, widths 25-48 to 576-768 down and 576-384 to 72-48 up, 48 to 1: 18.5 M."""
    network = RefocusNet()
    down = [(block.first.out_channels, block.second.out_channels) for block in network.encoder[1:]]
    up = [(block.first.out_channels, block.second.out_channels) for block in network.decoder]
    assert down == [(72, 96), (144, 192), (288, 384), (576, 768)]
    assert up[::-1] == [(576, 384), (288, 192), (144, 96), (72, 48)]
    distance = {"modulation", "code"}
    convolved = sum(
        parameter.numel()
        for name, parameter in network.named_parameters()
        if not distance & set(name.split("."))
    )
    assert convolved == pytest.approx(18.5e6, rel=0.005)


def test_the_distance_matters() -> None:
    network = build()
    image = torch.rand(1, 1, 16, 16)
    with torch.inference_mode():
        found = [network.refocus(image, dz_um) for dz_um in (-3.0, 0.0, 3.0)]
        assert torch.equal(network(image), found[1])
    assert float((found[0] - found[1]).abs().max()) > 1e-3
    assert float((found[2] - found[0]).abs().max()) > 1e-3


def test_a_level_surface_is_a_distance() -> None:
    network = build()
    image = torch.rand(2, 1, 16, 24)
    distances = torch.tensor([2.0, -4.0])
    surface = distances[:, None, None, None].expand(2, 1, 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(
            network.refocus(image, surface), network.refocus(image, distances)
        )


def test_a_step_of_the_surface_acts_on_its_side() -> None:
    network = build()
    image = torch.rand(1, 1, 16, 256)
    surface = torch.where(torch.arange(256) < 128, 5.0, -5.0).expand(1, 1, 16, 256)
    with torch.inference_mode():
        found = network.refocus(image, surface)
        left, right = network.refocus(image, 5.0), network.refocus(image, -5.0)
    torch.testing.assert_close(found[..., :64], left[..., :64])
    torch.testing.assert_close(found[..., 192:], right[..., 192:])


def test_every_weight_takes_part() -> None:
    network = build()
    network.refocus(torch.rand(2, 1, 16, 16), torch.tensor([1.0, -2.0])).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(("depth", "reach_px"), [(1, 11), (2, 27), (4, 123)])
def test_footprint(depth: int, reach_px: int) -> None:
    footprint = RefocusNet(depth=depth, base_width=1, code_width=1).footprint
    assert (footprint.reach_px, footprint.stride_px) == (reach_px, 2**depth)
    assert footprint.exact


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_reach_is_exact(depth: int) -> None:
    """The outermost pixel of the traced span has a gradient, and the next one has none."""
    network = RefocusNet(depth=depth, base_width=1, code_width=1)
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 0.5)
    network = network.double().requires_grad_(requires_grad=False)
    reach, stride = network.footprint.reach_px, network.footprint.stride_px
    middle = (reach // stride + 2) * stride
    # Max-pooling passes its gradient to the brightest pixel: let brightness grow outwards.
    ramp = (torch.arange(2 * middle + stride, dtype=torch.float64) - middle).abs() / middle
    image = ramp.expand(1, 1, stride, -1).clone().requires_grad_()
    restored = network.refocus(image, 2.0)
    reaches = []
    for phase in range(stride):
        line = restored[..., middle + phase].sum()
        (gradient,) = torch.autograd.grad(line, image, retain_graph=True)
        seen = torch.nonzero(gradient.abs().sum(dim=(0, 1, 2))).flatten()
        reaches += [middle + phase - int(seen[0]), int(seen[-1]) - middle - phase]
    assert max(reaches) == reach


@pytest.mark.parametrize(
    "wrong",
    [{"depth": 0}, {"base_width": 0}, {"code_width": 0}, {"range_um": 0}, {"range_um": "1"}],
    ids=str,
)
def test_refuses_hyperparameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RefocusNet(**wrong)


def test_refuses_several_planes() -> None:
    with pytest.raises(ValueError, match=r"expected shape \(N, 1, Y, X\)"):
        build().refocus(torch.rand(1, 2, 8, 8), 1.0)
