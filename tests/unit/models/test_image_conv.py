"""Images keep their digits where features have few."""

import numpy as np
import pytest
import torch

from focusfix.models.entries import ModelEntry
from focusfix.models.image_conv import ImageConv2d
from focusfix.models.registry import build_network, list_entries
from focusfix.runtime.device import select_device
from focusfix.runtime.executor import build_tile_function


def test_it_is_a_convolution_in_the_format_of_its_weights() -> None:
    torch.manual_seed(0)
    layer = ImageConv2d(4, 1, 3, padding=1)
    features = torch.randn(1, 4, 8, 8)
    plain = torch.nn.functional.conv2d(features, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(features), plain)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        image = layer(features)
    torch.testing.assert_close(image, plain)


@pytest.mark.parametrize("entry", list_entries(), ids=lambda entry: entry.name)
def test_every_network_makes_images_of_more_than_eight_digits(entry: ModelEntry) -> None:
    torch.manual_seed(0)
    network = build_network(entry.name, entry.tiny)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    stride = network.footprint.stride_px
    side = 4 * max(stride, 32)
    cpu = select_device("cpu")
    function = build_tile_function(network, device=cpu, precision="bf16", runtime="torch")
    image = function(np.random.default_rng(0).random((1, 1, side, side), dtype=np.float32))
    rounded = torch.from_numpy(image).bfloat16().float().numpy()
    assert (rounded == image).mean() < 0.1
