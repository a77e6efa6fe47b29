from itertools import permutations

import pytest
import torch

from focusfix.models.refocus_multi import RefocusMultiNet, SharedState

TINY = {"depth": 2, "base_width": 4, "code_width": 4}


def build(**changes: object) -> RefocusMultiNet:
    torch.manual_seed(0)
    network = RefocusMultiNet(**{**TINY, **changes})
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "modulation" in name:
                parameter.normal_(std=0.3)
    return network.eval()


@pytest.mark.parametrize("planes", [1, 2, 3])
def test_order_of_the_planes_does_not_matter(planes: int) -> None:
    network = build()
    image, dz_um = torch.rand(2, planes, 16, 16), torch.randn(2, planes)
    with torch.inference_mode():
        expected = network.refocus(image, dz_um)
        assert expected.shape == (2, 1, 16, 16)
        for order in permutations(range(planes)):
            found = network.refocus(image[:, order], dz_um[:, order])
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_which_plane_has_which_distance_matters() -> None:
    network = build()
    image = torch.rand(1, 2, 16, 16)
    with torch.inference_mode():
        one = network.refocus(image, torch.tensor([[1.0, -6.0]]))
        other = network.refocus(image, torch.tensor([[-6.0, 1.0]]))
    assert float((one - other).abs().max()) > 1e-3


def test_a_recorded_plane_counts_most_for_itself() -> None:
    """Without the network's change, the plane at distance zero is nearly what comes out."""
    network = build()
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.zero_()
        image = torch.rand(1, 2, 8, 8)
        found = network.refocus(image, torch.tensor([[0.0, 10.0]]))
    expected = (image[:, :1] * 20 + image[:, 1:] / 1.05) / (20 + 1 / 1.05)
    torch.testing.assert_close(found, expected)


def test_a_surface_for_every_plane() -> None:
    network = build()
    image = torch.rand(1, 2, 16, 16)
    distances = torch.tensor([[2.0, -4.0]])
    surface = distances[:, :, None, None].expand(1, 2, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(
            network.refocus(image, surface), network.refocus(image, distances)
        )


def test_one_round_of_the_state_by_hand() -> None:
    torch.manual_seed(0)
    unit = SharedState(2, rounds=1)
    features = torch.rand(1, 2, 2, 3, 3)
    with torch.inference_mode():
        proposals = []
        for seen in features[0]:
            stacked = torch.cat([torch.zeros(1, 2, 3, 3), seen[None] / (1 + seen[None])], 1)
            keep = unit.gates(stacked).sigmoid()[:, :2]
            proposals.append((1 - keep) * unit.candidate(stacked).tanh())
        torch.testing.assert_close(unit(features), (proposals[0] + proposals[1]) / 2)


def test_every_weight_takes_part() -> None:
    network = build()
    network.refocus(torch.rand(2, 3, 16, 16), torch.randn(2, 3)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(("depth", "reach_px"), [(2, 27), (4, 123)])
def test_footprint(depth: int, reach_px: int) -> None:
    footprint = RefocusMultiNet(depth=depth, base_width=1, code_width=1).footprint
    assert (footprint.reach_px, footprint.stride_px) == (reach_px, 2**depth)


def test_tiles_of_three_planes_equal_the_whole() -> None:
    network = build().double()
    halo, stride = network.footprint.halo_px, network.footprint.stride_px
    image = torch.rand(1, 3, 16, 2 * halo + 12 * stride, dtype=torch.float64)
    dz_um = torch.tensor([[1.0, 4.0, -5.0]])
    with torch.inference_mode():
        whole = network.refocus(image, dz_um)
        window = network.refocus(image[..., stride : 2 * halo + 9 * stride], dz_um)
    torch.testing.assert_close(
        window[..., halo:-halo], whole[..., halo + stride : halo + 9 * stride]
    )


def test_refuses_too_many_planes() -> None:
    with pytest.raises(ValueError, match="at most 3 planes are fused, got 4"):
        build().refocus(torch.rand(1, 4, 8, 8), 0.0)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"range_um": -1.0}, {"depth": 7}], ids=str)
def test_refuses_hyperparameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RefocusMultiNet(**wrong)
