"""Images keep their digits where networks compute with few."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from focusfix.models.base import Restorer
from focusfix.models.entries import ModelEntry
from focusfix.models.image_conv import FromImage, ToImage
from focusfix.models.registry import list_entries
from focusfix.runtime.device import select_device
from focusfix.runtime.executor import build_tile_function


def test_they_are_convolutions_in_the_format_of_their_weights() -> None:
    torch.manual_seed(0)
    first, last = FromImage(4, 1, 3, padding=1), ToImage(4, 1, 3, padding=1)
    image = torch.randn(1, 4, 8, 8)
    for layer in (first, last):
        plain = torch.nn.functional.conv2d(image, layer.weight, layer.bias, padding=1)
        torch.testing.assert_close(layer(image), plain)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made = layer(image)
        expected = plain.bfloat16() if layer is first else plain
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("entry", list_entries(), ids=lambda entry: entry.name)
def test_every_network_makes_images_of_more_than_eight_digits(
    entry: ModelEntry, build_tiny: Callable[..., Restorer]
) -> None:
    network = build_tiny(entry)
    stride = network.footprint.stride_px
    side = 4 * max(stride, 32)
    cpu = select_device("cpu")
    function = build_tile_function(network, device=cpu, precision="bf16", runtime="torch")
    image = function(np.random.default_rng(0).random((1, 1, side, side), dtype=np.float32))
    rounded = torch.from_numpy(image).bfloat16().float().numpy()
    assert (rounded == image).mean() < 0.1
