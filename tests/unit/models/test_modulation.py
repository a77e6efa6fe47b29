import pytest
import torch

from focusfix.models.modulation import DistanceCode, ModulatedConvolutions, distance_map, halve


def test_an_untrained_block_does_not_heed_the_distance() -> None:
    torch.manual_seed(0)
    code, block = DistanceCode(4, 10.0), ModulatedConvolutions(2, 3, 5, 4)
    features = torch.rand(2, 2, 8, 8)
    near, far = (block(features, code(torch.full((2, 1, 1, 1), dz))) for dz in (0.0, 7.0))
    assert near.shape == (2, 5, 8, 8)
    assert torch.equal(near, far)


def test_gain_and_offset_change_what_the_first_convolution_finds() -> None:
    torch.manual_seed(0)
    block = ModulatedConvolutions(1, 1, 1, 1)
    features, code = torch.rand(1, 1, 6, 6), torch.ones(1, 1, 1, 1)
    with torch.inference_mode():
        block.modulation.weight[:, 0, 0, 0] = torch.tensor([0.5, 0.25])
        found = torch.relu(1.5 * block.first(features) + 0.25)
        torch.testing.assert_close(block(features, code), torch.relu(block.second(found)))


def test_codes_tell_distances_and_their_signs_apart() -> None:
    torch.manual_seed(0)
    distances = torch.linspace(-10, 10, 21)[:, None, None, None]
    codes = DistanceCode(16, 10.0)(distances).detach().flatten(1)
    apart = torch.cdist(codes, codes) + torch.eye(21)
    assert float(apart.min()) > 1e-3


@pytest.mark.parametrize(
    ("dz_um", "expected"),
    [
        (2.0, [[2, 2], [2, 2], [2, 2]]),
        (torch.tensor([1.0, 2.0, 3.0]), [[1, 1], [2, 2], [3, 3]]),
        (torch.arange(6.0).view(3, 2), [[0, 1], [2, 3], [4, 5]]),
    ],
    ids=["one", "each image", "each plane"],
)
def test_distances_of_any_form(dz_um: float | torch.Tensor, expected: list[list[float]]) -> None:
    found = distance_map(dz_um, torch.rand(3, 2, 4, 4))
    assert found.shape == (3, 2, 1, 1)
    assert found.flatten(1).tolist() == expected


def test_a_surface_is_averaged_as_the_features_shrink() -> None:
    surface = distance_map(torch.arange(16.0).view(1, 1, 4, 4), torch.rand(1, 1, 4, 4))
    assert halve(surface).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert halve(surface[..., :1, :1]).shape == (1, 1, 1, 1)


def test_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\) do not fit images \(3, 1, 4, 4\)"):
        distance_map(torch.rand(2), torch.rand(3, 1, 4, 4))
