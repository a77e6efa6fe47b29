"""OpenVINO itself, where it is installed."""

import numpy as np
import pytest
import torch

from focusfix.models.registry import build_network, list_entries
from focusfix.runtime import openvino
from focusfix.runtime.device import select_device
from focusfix.runtime.executor import build_tile_function

if not openvino.is_installed():
    pytest.skip("the optional package openvino is not installed", allow_module_level=True)


@pytest.mark.parametrize("entry", list_entries(), ids=lambda entry: entry.name)
def test_every_network_gives_what_torch_gives(entry) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    network = build_network(entry.name, entry.tiny)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    stride = network.footprint.stride_px
    tiles = np.random.default_rng(0).random((2, 1, 6 * stride, 9 * stride), dtype=np.float32)
    eager = build_tile_function(network, device=select_device("cpu"), runtime="torch")
    function = build_tile_function(network, device=select_device("cpu"), runtime="openvino")
    assert function.runtime == "openvino"
    for part in (tiles, tiles[:1], tiles):
        np.testing.assert_allclose(function(part), eager(part), atol=1e-4)
