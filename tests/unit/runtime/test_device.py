"""Devices: what is there, what is not, and what auto does about it."""

import pytest
import torch

from focusfix.errors import DeviceError
from focusfix.runtime.device import Device, compare_with_cpu, list_devices, select_device


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a computer without graphics card of any one that runs the tests."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"Card {index}")


@pytest.mark.usefixtures("bare")
def test_auto_ends_at_the_cpu_and_says_so() -> None:
    device = select_device("auto")
    assert (device.name, device.kind) == ("cpu", "cpu")
    assert "No graphics card" in device.note


@pytest.mark.usefixtures("two_cards")
def test_auto_prefers_the_first_card() -> None:
    assert select_device("auto") == Device("cuda:0", "cuda", "Card 0")
    assert select_device("cuda") == select_device("cuda:0")
    assert select_device("cuda:1").note == "Card 1"
    assert [device.name for device in list_devices()] == ["cuda:0", "cuda:1", "cpu"]


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("wanted", ["cuda", "cuda:0", "mps"])
def test_a_missing_device_is_an_error_not_a_fallback(wanted: str) -> None:
    with pytest.raises(DeviceError, match=r"not available .* one of: cpu"):
        select_device(wanted)


@pytest.mark.usefixtures("two_cards")
def test_a_card_too_many_is_an_error() -> None:
    with pytest.raises(DeviceError, match="cuda:2 is not available"):
        select_device("cuda:2")


@pytest.mark.parametrize("wanted", ["gpu", "cuda:", "cuda:x", "", "cpu:0"])
def test_unknown_names_are_refused(wanted: str) -> None:
    with pytest.raises(DeviceError, match="no device called"):
        select_device(wanted)


@pytest.mark.parametrize("device", list_devices(), ids=lambda device: device.name)
def test_every_device_computes_what_the_cpu_does(device: Device) -> None:
    assert compare_with_cpu(device) < 1e-2


def test_the_comparison_finds_a_device_that_computes_wrongly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong(network: torch.nn.Module, _device: str) -> torch.nn.Module:
        network[0].weight.data += 0.1  # type: ignore[index, union-attr, operator]
        return network

    monkeypatch.setattr(torch.nn.Module, "to", wrong)
    assert compare_with_cpu(select_device("cpu")) > 1e-2
