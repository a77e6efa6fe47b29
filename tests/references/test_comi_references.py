"""Parameter counts of the public code of COMI, for colour images (three channels).

Its "instance normalisation" has one gain and one offset for all channels: 23 layers, 46 parameters.
"""

import pytest
import torch
from torch import nn

from focusfix.models.comi import Comi
from focusfix.models.comi_critic import ComiCritic


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("norm", "parameters"), [("whole-sample", 11_378_225), ("per-channel", 11_388_675)]
)
def test_generators(norm: str, parameters: int) -> None:
    with torch.device("meta"):
        network = Comi(channels=3, norm=norm)
    assert count(network.deblurring) == count(network.blurring) == parameters


def test_critic() -> None:
    with torch.device("meta"):
        critic = ComiCritic(channels=3)
    assert count(critic) == 2_835_330
