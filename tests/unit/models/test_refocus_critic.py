import pytest
import torch

from focusfix.models.refocus_critic import RefocusCritic


def test_one_opinion_for_each_image_of_any_size() -> None:
    torch.manual_seed(0)
    critic = RefocusCritic(base_width=2)
    for size in (32, 100):
        judged = critic(torch.rand(3, 1, size, size))
        assert judged.shape == (3,)
        assert 0 < float(judged.min().detach()) <= float(judged.max().detach()) < 1


def test_widths_are_those_reported_for_48_channels() -> None:
    """48-96-192-384-768-1536, and dense layers of 1536 and 1: about 44.8 million parameters."""
    with torch.device("meta"):
        critic = RefocusCritic(base_width=48)
    assert sum(parameter.numel() for parameter in critic.parameters()) == pytest.approx(
        44.8e6, rel=0.01
    )


@pytest.mark.parametrize("width", [0, 257, 2.0])
def test_refuses_widths(width: object) -> None:
    with pytest.raises(ValueError, match="base_width"):
        RefocusCritic(width)
