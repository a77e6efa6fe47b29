"""Parameter counts published by Wang and Han (Table 1), and those that follow from equation 3.

Two entries of the table cannot be met: N = 2 (1,986,116) is 440,000 below any network that fits
the others, and N = 3 with concatenation repeats the residual count. They are left out.
"""

import pytest

from focusfix.models.multilevel_unet import MultiLevelUNet

# levels, fusion, image_link, parameters; 2 channels in, 2 channels out
PUBLISHED = [
    (1, "residual", "not-finest", 1_942_962),
    (3, "residual", "not-finest", 2_543_478),
    (4, "residual", "not-finest", 2_569_512),
    (4, "concat", "not-finest", 2_942_760),
]
EVERY_LEVEL_LINKED = [
    (2, "residual", "all", 2_426_116),
    (3, "residual", "all", 2_543_766),
    (4, "residual", "all", 2_569_800),
    (2, "concat", "all", 2_716_420),
    (3, "concat", "all", 2_903_190),
    (4, "concat", "all", 2_943_048),
]
OF_EACH_LEVEL = [1_942_962, 482_866, 117_362, 25_746]


def count(network: object) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("levels", "fusion", "image_link", "parameters"), PUBLISHED + EVERY_LEVEL_LINKED
)
def test_multilevel_unet(levels: int, fusion: str, image_link: str, parameters: int) -> None:
    network = MultiLevelUNet(
        levels=levels, fusion=fusion, image_link=image_link, in_channels=2, out_channels=2
    )
    assert count(network) == parameters


def test_each_level() -> None:
    network = MultiLevelUNet(in_channels=2, out_channels=2)
    linked = 2 * 16 * 9  # weights that read the upsampled prediction
    extra = [linked, linked, linked, 0]
    counts = [count(sub) - more for sub, more in zip(network.subnetworks, extra, strict=True)]
    assert counts == OF_EACH_LEVEL
