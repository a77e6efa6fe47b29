"""OpenVINO itself, where it is installed."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from focusfix.errors import DeviceError
from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.models.entries import ModelEntry
from focusfix.models.registry import build_network, get_entry, list_entries
from focusfix.runtime import openvino
from focusfix.runtime.device import select_device
from focusfix.runtime.executor import build_tile_function

if not openvino.is_installed():
    pytest.skip("the optional package openvino is not installed", allow_module_level=True)


def compilable_entries() -> list[ModelEntry]:
    alone = (e for e in list_entries() if e.family != "refocuser")
    return [entry for entry in alone if build_network(entry.name, entry.tiny).is_compilable]


@pytest.mark.parametrize("entry", compilable_entries(), ids=lambda entry: entry.name)
def test_every_network_gives_what_torch_gives(
    entry: ModelEntry, build_tiny: Callable[..., Restorer]
) -> None:
    network = build_tiny(entry)
    stride = network.footprint.stride_px
    tiles = np.random.default_rng(0).random((2, 1, 6 * stride, 9 * stride), dtype=np.float32)
    build = partial(build_tile_function, network, device=select_device("cpu"), precision="fp32")
    eager, function = build(runtime="torch"), build(runtime="openvino")
    assert function.runtime == "openvino"
    for part in (tiles, tiles[:1], tiles):
        np.testing.assert_allclose(function(part), eager(part), atol=1e-4)


@pytest.mark.parametrize("entry", compilable_entries(), ids=lambda entry: entry.name)
def test_images_keep_more_than_eight_digits(
    entry: ModelEntry, build_tiny: Callable[..., Restorer]
) -> None:
    """Networks may compute in bf16, but not round the image to it; the margin is left out."""
    network = build_tiny(entry)
    margin_px = network.footprint.halo_px
    side = 6 * network.footprint.stride_px + 2 * margin_px
    function = build_tile_function(
        network,
        device=select_device("cpu"),
        precision="bf16",
        runtime="openvino",
        margin_px=margin_px,
    )
    image = function(np.random.default_rng(0).random((1, 1, side, side), dtype=np.float32))
    core = image[..., margin_px : side - margin_px, margin_px : side - margin_px]
    rounded = torch.from_numpy(core).bfloat16().float().numpy()
    assert (rounded == core).mean() < 0.1


def test_what_compiles_is_kept_in_the_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(openvino, "user_cache_path", lambda _: tmp_path)
    network = build_network("care-unet", get_entry("care-unet").tiny).eval()
    compute = openvino.compile_network(network, precision="fp32")
    compute(np.zeros((1, 1, 32, 32), np.float32))
    assert list((tmp_path / "openvino").iterdir())


@pytest.mark.parametrize("name", ["wiener-unet", "latent-line", "comi"])
def test_networks_that_are_better_off_run_in_torch(name) -> None:
    network = build_network(name, get_entry(name).tiny)
    assert not network.is_compilable
    assert build_tile_function(network, device=select_device("cpu")).runtime == "torch"
    with pytest.raises(DeviceError, match="slower at, or cannot do"):
        build_tile_function(network, device=select_device("cpu"), runtime="openvino")


def test_what_cannot_be_converted_is_said() -> None:
    class Odd(Restorer):
        footprint = Footprint(0, 1)

        def forward(self, image: Tensor) -> Tensor:
            return image + torch.fft.fftshift(image)

    with pytest.raises(DeviceError, match="cannot convert"):
        openvino.compile_network(Odd(), precision="fp32")
    assert build_tile_function(Odd(), device=select_device("cpu")).runtime == "torch"
