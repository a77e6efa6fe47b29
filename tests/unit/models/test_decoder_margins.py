"""What the decoder of a U-Net leaves out, and that nothing else changes."""

import pytest
import torch

from focusfix.models.care_unet import CareUNet
from focusfix.models.decoder_margins import Margins, decoder_margins
from focusfix.models.multilevel_unet import MultiLevelUNet
from focusfix.models.refocus import RefocusNet


def test_margins_are_traced_from_the_result_to_the_bottom() -> None:
    assert decoder_margins(112, 5, 2) == [
        Margins(112, 2, 0),
        Margins(56, 3, 1),
        Margins(28, 4, 2),
        Margins(14, 4, 2),
        Margins(7, 2, 2),
    ]


def test_no_margin_leaves_nothing_out() -> None:
    assert decoder_margins(0, 3, 2) == [Margins(0, 0, 0)] * 3


NETWORKS = {
    "one level": lambda: MultiLevelUNet(levels=1, base_width=4),
    "added features": lambda: MultiLevelUNet(levels=3, base_width=4, fusion="residual"),
    "stacked features": lambda: MultiLevelUNet(levels=2, base_width=4, fusion="concat"),
    "care": lambda: CareUNet(base_width=4, kernel_px=5),
    "care, not residual": lambda: CareUNet(base_width=4, depth=3, residual=False),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("margin_px", [0, 16, 48])
def test_the_core_is_cut_from_what_the_whole_gives(name: str, margin_px: int) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]().double().eval()
    image = torch.rand(2, 1, 112, 128, dtype=torch.float64)
    with torch.inference_mode():
        core, whole = network.restore_core(image, margin_px), network(image)
    expected = whole[..., margin_px : 112 - margin_px, margin_px : 128 - margin_px]
    torch.testing.assert_close(core, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("is_surface", [False, True])
@pytest.mark.parametrize("margin_px", [0, 8, 16, 40])
def test_the_core_of_a_refocused_image_is_that_of_the_whole(
    margin_px: int, *, is_surface: bool
) -> None:
    torch.manual_seed(0)
    network = RefocusNet(depth=3, base_width=4, code_width=8).double().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    image = torch.rand(2, 1, 96, 104, dtype=torch.float64)
    distance = torch.rand(2, 1, 96, 104, dtype=torch.float64) if is_surface else 3.0
    with torch.inference_mode():
        core = network.refocus_core(image, distance, margin_px)
        whole = network.refocus(image, distance)
    expected = whole[..., margin_px : 96 - margin_px, margin_px : 104 - margin_px]
    torch.testing.assert_close(core, expected, rtol=1e-9, atol=1e-12)
