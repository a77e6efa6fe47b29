"""Parameter counts of the networks that defocus papers compare with.

Those of the two settings of the residual dense network are published to two decimals of a million,
for super-resolution; without the upsampler and with two channels they are as below. That of
DeepDeblur is the one of the public code for RGB images. That of CARE follows layer by layer from
the toolbox's defaults: 25 weights per pair of channels and one bias per channel.
"""

import pytest
from torch import nn

from focusfix.models.care_unet import CareUNet
from focusfix.models.deepdeblur import DeepDeblur
from focusfix.models.rdn import ResidualDenseNetwork

CARE_CHANNELS = [(1, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 64)]
CARE_CHANNELS += [(128, 64), (64, 32), (64, 32), (32, 32)]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("blocks", "layers", "growth", "parameters", "millions"),
    [(20, 6, 32, 5_467_650, "5.47"), (16, 8, 64, 21_974_530, "21.97")],
)
def test_residual_dense_network(
    blocks: int, layers: int, growth: int, parameters: int, millions: str
) -> None:
    network = ResidualDenseNetwork(
        blocks=blocks, layers=layers, growth=growth, in_channels=2, out_channels=2
    )
    assert count(network) == parameters
    assert f"{parameters / 1e6:.2f}" == millions


def test_deepdeblur() -> None:
    assert count(DeepDeblur(in_channels=3, out_channels=3)) == 11_721_321


def test_care() -> None:
    head = 32 + 1
    assert count(CareUNet()) == sum(25 * a * b + b for a, b in CARE_CHANNELS) + head == 922_977
