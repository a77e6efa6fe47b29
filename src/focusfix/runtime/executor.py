"""Wrap a network as a function from numpy tiles to numpy tiles."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from focusfix.errors import DeviceError, OutOfMemoryError
from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.runtime import openvino
from focusfix.runtime.device import Device
from focusfix.runtime.double_buffer import DoubleBuffer

Tiles = npt.NDArray[np.float32]
Precision = Literal["fp32", "bf16", "fp16"]
_TORCH_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_MEMORY_WORDS = (
    "out of memory",
    "t allocate memory",
    "not enough memory",
    "cannot allocate",
    "bad_alloc",
)
_FAST_BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})


@dataclass(frozen=True)
class NetworkFunction:
    """A network that is ready to run; call it with tiles.

    Parameters
    ----------
    runtime : {"torch", "openvino"}
        Library that executes the network.
    precision : {"fp32", "bf16", "fp16"}
        Number format of its convolutions.
    device : Device
        Where it runs.
    note : str
        Why the runtime was chosen, where the user should know.
    compute : callable
        Maps tiles to tiles; raises the errors of its library.
    """

    runtime: Literal["torch", "openvino"]
    precision: Precision
    device: Device
    note: str
    compute: Callable[[Tiles], Tiles] = field(repr=False)

    def __call__(self, tiles: Tiles) -> Tiles:
        """Run the network.

        Parameters
        ----------
        tiles : ndarray of float32, shape (N, C_in, Y, X)
            Nominal range [0, 1].

        Returns
        -------
        ndarray of float32, shape (N, C_out, Y, X)
            The network's output.

        Raises
        ------
        OutOfMemoryError
            If memory does not suffice for tiles of this shape.
        """
        with _memory_errors(tiles.shape):
            return self.compute(tiles)


def build_tile_function(
    network: Restorer,
    *,
    device: Device,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    runtime: Literal["auto", "torch", "openvino"] = "auto",
    margin_px: int = 0,
    images: int = 1,
) -> NetworkFunction:
    """Prepare a network for restoring tiles.

    Parameters
    ----------
    network : Restorer
        It is put in evaluation mode and moved.
    device : Device
        Where to run.
    precision : {"auto", "fp32", "bf16", "fp16"}
        Number format of convolutions; sums with the input stay in fp32. ``auto`` is bf16 on CPUs
        that compute it in hardware, and fp32 elsewhere, which NVIDIA cards multiply as TF32
        unless torch is set otherwise.
    runtime : {"auto", "torch", "openvino"}
        ``auto`` takes OpenVINO on the CPU where it is installed, agrees with torch, and no part
        of the network is better off without.
    margin_px : int
        Border of the tiles that the caller throws away; pixels, a multiple of the stride. It
        comes back as zeros, which saves networks that can leave it out a part of their work.
    images : int
        Channels of the tiles: images of one field that the network takes at once.

    Returns
    -------
    NetworkFunction
        Callable with numpy tiles.

    Raises
    ------
    DeviceError
        If OpenVINO is asked for and missing, differs from torch, or cannot use the device.
    """
    chosen = choose_precision(device) if precision == "auto" else precision
    network = _CoreRestorer(network, margin_px) if margin_px else network
    eager = NetworkFunction("torch", chosen, device, "", _torch_function(network, device, chosen))
    if runtime == "torch" or (runtime == "auto" and not _may_use_openvino(network, device)):
        return eager
    if device.kind != "cpu":
        raise DeviceError(
            f"The runtime openvino runs on the CPU, not on {device.name}.",
            "Use --device cpu, or --runtime torch.",
        )
    try:
        return _checked_openvino(network, eager, images)
    except DeviceError as error:
        if runtime == "openvino":
            raise
        return replace(eager, note=f"{error.cause} torch is used.")


class _CoreRestorer(Restorer):
    """A network that leaves the margin of its tiles out."""

    def __init__(self, network: Restorer, margin_px: int) -> None:
        super().__init__()
        self.network = network
        self.margin_px = margin_px
        self.hyperparameters = network.hyperparameters

    @property
    def footprint(self) -> Footprint:
        return self.network.footprint

    def forward(self, image: Tensor) -> Tensor:
        core = self.network.restore_core(image, self.margin_px)
        return F.pad(core, (self.margin_px,) * 4)


def choose_precision(device: Device) -> Precision:
    """Choose the number format that costs no speed or accuracy to speak of.

    Parameters
    ----------
    device : Device
        Where the network runs.

    Returns
    -------
    {"fp32", "bf16"}
        bf16 on CPUs with instructions for it, which are several times faster; else fp32.
    """
    if device.kind == "cpu" and _FAST_BF16_FLAGS & _cpu_flags():
        return "bf16"
    return "fp32"


def _may_use_openvino(network: Restorer, device: Device) -> bool:
    return device.kind == "cpu" and openvino.is_installed() and network.is_compilable


def _checked_openvino(network: Restorer, eager: NetworkFunction, images: int) -> NetworkFunction:
    """Compile a network; on one tile it has to come about as close to fp32 as torch does."""
    compute = openvino.compile_network(network, precision=eager.precision, images=images)
    exact, tolerance = eager, openvino.ROUNDING
    compare = partial(openvino.relative_difference, footprint=network.footprint, images=images)
    if eager.precision != "fp32":
        exact = build_tile_function(network, device=eager.device, precision="fp32", runtime="torch")
        tolerance += openvino.MOST_TIMES * compare(eager, exact)
    difference = compare(compute, exact)
    if not difference <= tolerance:
        raise DeviceError(
            f"OpenVINO differs from torch in fp32 by {difference:.2g} of the output's spread, "
            f"where {tolerance:.2g} would do.",
            "Use --runtime torch.",
        )
    return replace(eager, runtime="openvino", compute=compute)


def _torch_function(
    network: Restorer, device: Device, precision: Precision
) -> Callable[[Tiles], Tiles]:
    """Run eagerly; channels last, which convolutions are fastest in on every device."""
    network.eval().to(device=device.name, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def compute(image: Tensor) -> Tensor:
        with torch.inference_mode(), _autocast(device, precision):
            restored: Tensor = network(image.contiguous(memory_format=torch.channels_last))
            return restored.float().contiguous()

    def compute_here(tiles: Tiles) -> Tiles:
        image = torch.from_numpy(np.ascontiguousarray(tiles)).to(device.name)
        result: Tiles = compute(image).cpu().numpy()
        return result

    if device.kind == "cuda":
        return DoubleBuffer(compute, torch.device(device.name))
    return compute_here


def _autocast(device: Device, precision: Precision) -> AbstractContextManager[Any]:
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.kind, dtype=_TORCH_TYPES[precision])


@contextmanager
def _memory_errors(shape: tuple[int, ...]) -> Iterator[None]:
    """Turn every library's way of saying that memory ran out into one error."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not _names_memory(error):
            raise
    else:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise OutOfMemoryError(
        f"Memory does not suffice for tiles of shape {shape}.",
        "Use a smaller --tile-size or --batch-size.",
    )


def _names_memory(error: RuntimeError) -> bool:
    message = str(error).lower()
    return any(words in message for words in _MEMORY_WORDS)


def _cpu_flags() -> frozenset[str]:
    """Read the instruction sets of the CPU where the system lists them (Linux)."""
    listing = Path("/proc/cpuinfo")
    if not listing.exists():
        return frozenset()
    for line in listing.read_text(encoding="utf-8").splitlines():
        if line.startswith("flags"):
            return frozenset(line.split())
    return frozenset()
