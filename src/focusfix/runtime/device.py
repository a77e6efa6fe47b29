"""Choose the device that computes, and check that it computes what the CPU does."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from focusfix.errors import DeviceError

DeviceKind = Literal["cpu", "cuda", "mps"]
_PROBE_SIZE_PX = 64


@dataclass(frozen=True)
class Device:
    """One device.

    Parameters
    ----------
    name : str
        As torch names it: ``cpu``, ``cuda:0``, ``mps``.
    kind : {"cpu", "cuda", "mps"}
        Family of the device.
    note : str
        What the user should know of the choice, such as the model of the graphics card.
    """

    name: str
    kind: DeviceKind
    note: str


def select_device(wanted: str = "auto") -> Device:
    """Turn the user's wish into a device that is there.

    Parameters
    ----------
    wanted : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``. Only ``auto`` may end at the CPU for
        want of something faster.

    Returns
    -------
    Device
        The device; ``note`` says why where ``auto`` chose it.

    Raises
    ------
    DeviceError
        If the device is unknown or missing.
    """
    kind, _, index = wanted.partition(":")
    if wanted == "auto":
        return _best_device()
    if wanted == "cpu":
        return Device("cpu", "cpu", "")
    if wanted == "mps":
        if torch.backends.mps.is_available():
            return Device("mps", "mps", "")
        raise _missing("mps")
    if kind == "cuda" and (index.isdigit() or wanted == "cuda"):
        return _cuda_device(int(index or 0))
    raise DeviceError(
        f"There is no device called {wanted!r}.", "Use auto, cpu, cuda, cuda:N or mps."
    )


def list_devices() -> tuple[Device, ...]:
    """List the devices of this computer, fastest first.

    Returns
    -------
    tuple of Device
        The CPU comes last.
    """
    found = [_cuda_device(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append(Device("mps", "mps", ""))
    return (*found, Device("cpu", "cpu", ""))


def compare_with_cpu(device: Device) -> float:
    """Run one small network on a device and on the CPU, both in single precision.

    Parameters
    ----------
    device : Device
        Device to check.

    Returns
    -------
    float
        Largest absolute difference of outputs whose standard deviation is one.
    """
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 2, stride=2),
    )
    image = torch.rand((1, 1, _PROBE_SIZE_PX, _PROBE_SIZE_PX), generator=generator)
    with torch.inference_mode():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
        expected = network(image)
        result = network.to(device.name)(image.to(device.name)).cpu()
    return float((result - expected).abs().max() / expected.std())


def _best_device() -> Device:
    best = list_devices()[0]
    if best.kind == "cpu":
        return Device("cpu", "cpu", "No graphics card that torch can use was found.")
    return best


def _cuda_device(index: int) -> Device:
    count = torch.cuda.device_count()
    if index >= count:
        raise _missing(f"cuda:{index}")
    return Device(f"cuda:{index}", "cuda", torch.cuda.get_device_name(index))


def _missing(name: str) -> DeviceError:
    there = ", ".join(device.name for device in list_devices())
    return DeviceError(
        f"The device {name} is not available to torch {torch.__version__}.",
        f"Use --device auto, or one of: {there}.",
    )
