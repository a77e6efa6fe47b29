import pytest
import torch
from torch.nn import functional as F

from focusfix.models.rdn import DenseBlock, ResidualDenseNetwork

TINY = {"blocks": 2, "layers": 3, "growth": 2, "width": 4}


def test_any_size_and_other_channels() -> None:
    network = ResidualDenseNetwork(**TINY, in_channels=3, out_channels=2)
    assert network(torch.rand(2, 3, 7, 1)).shape == (2, 2, 7, 1)


def test_a_block_grows_by_what_each_layer_adds() -> None:
    block = DenseBlock(width=4, growth=2, layers=3)
    assert [convolution.in_channels for convolution in block.convolutions] == [4, 6, 8]
    assert block.merge.in_channels == 10


def test_a_block_by_hand() -> None:
    torch.manual_seed(0)
    block = DenseBlock(width=2, growth=1, layers=2)
    features = torch.rand(1, 2, 5, 6)
    with torch.inference_mode():
        first = F.relu(block.convolutions[0](features))
        second = F.relu(block.convolutions[1](torch.cat([features, first], 1)))
        expected = features + block.merge(torch.cat([features, first, second], 1))
        torch.testing.assert_close(block(features), expected)


def test_shallow_features_bypass_the_blocks() -> None:
    network = ResidualDenseNetwork(**TINY)
    with torch.inference_mode():
        for parameter in network.merge.parameters():
            parameter.zero_()
        image = torch.rand(1, 1, 8, 8)
        torch.testing.assert_close(network(image), network.head(network.shallow(image)))


def test_every_weight_takes_part() -> None:
    network = ResidualDenseNetwork(**TINY)
    network(torch.rand(2, 1, 16, 16)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("blocks", "layers", "reach_px"), [(1, 1, 5), (2, 3, 10), (20, 6, 124), (16, 8, 132)]
)
def test_footprint(blocks: int, layers: int, reach_px: int) -> None:
    footprint = ResidualDenseNetwork(blocks=blocks, layers=layers, growth=1, width=1).footprint
    assert (footprint.reach_px, footprint.stride_px, footprint.exact) == (reach_px, 1, True)


@pytest.mark.parametrize(
    "wrong", [{"blocks": 0}, {"layers": 33}, {"growth": True}, {"width": 2.0}, {"in_channels": 0}]
)
def test_refuses_hyperparameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ResidualDenseNetwork(**wrong)


def test_refuses_other_channels() -> None:
    with pytest.raises(ValueError, match=r"expected shape \(N, 1, Y, X\)"):
        ResidualDenseNetwork(**TINY)(torch.rand(1, 2, 8, 8))
