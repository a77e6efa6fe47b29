"""Bind a model and its parameters: one network-like thing for each operation, ready to run.

Everything here takes and returns networks; which options and files the parameters come from is
the business of the command line. Each family of models has its bindings in a module of its own.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from focusfix.config import Ability, CheckpointHeader
from focusfix.errors import ModelError
from focusfix.models.registry import list_entries
from focusfix.operations.code_bindings import bind_blur, bind_focus, read_blur_code
from focusfix.operations.line_bindings import (
    bind_extrapolation,
    bind_interpolation,
    estimate_alpha,
)
from focusfix.operations.refocus_bindings import bind_distance, bind_planes, bind_surface
from focusfix.operations.windows import fit_to_stride, run_whole

if TYPE_CHECKING:
    from focusfix.models.base import Restorer
    from focusfix.runtime.device import Device
    from focusfix.runtime.executor import NetworkFunction

__all__ = [
    "Execution",
    "bind_blur",
    "bind_distance",
    "bind_extrapolation",
    "bind_focus",
    "bind_interpolation",
    "bind_planes",
    "bind_surface",
    "build_function",
    "check_ability",
    "estimate_alpha",
    "fit_to_stride",
    "read_blur_code",
    "run_whole",
]


@dataclass(frozen=True)
class Execution:
    """Where and how networks run.

    Parameters
    ----------
    device : Device
        Where to run.
    precision, runtime
        As in `focusfix.runtime.executor.build_tile_function`.
    """

    device: "Device"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    runtime: Literal["auto", "torch", "openvino"] = "auto"


def check_ability(header: CheckpointHeader, ability: Ability, name: str) -> None:
    """Refuse a model that was not trained for an operation.

    Parameters
    ----------
    header : CheckpointHeader
        Of the weights.
    ability : {"deblur", "synthesize-blur", "interpolate"}
        What is wanted.
    name : str
        What to call the weights in the message.

    Raises
    ------
    ModelError
        If the model cannot do it; the message names the networks that can.
    """
    if ability in header.abilities:
        return
    able = [entry.name for entry in list_entries() if ability in entry.abilities]
    raise ModelError(
        f"{name} was trained to {', '.join(header.abilities)}, not to {ability}.",
        f"Choose weights of a network that can: {', '.join(able)}. "
        "focusfix models list shows the weights there are.",
    )


def build_function(
    binding: "Restorer", execution: Execution, *, images: int = 1
) -> "NetworkFunction":
    """Make a network or a binding ready to restore tiles.

    Parameters
    ----------
    binding : Restorer
        Put in evaluation mode and moved.
    execution : Execution
        Where and how it runs.
    images : int
        Images that it takes at once.

    Returns
    -------
    NetworkFunction
        Maps (N, ``images``, Y, X) float32, nominal range [0, 1], to (N, 1, Y, X); the margin of
        exact networks, which is thrown away, comes back as zeros.

    Raises
    ------
    DeviceError
        If the runtime cannot be had.
    """
    from focusfix.runtime.executor import build_tile_function

    footprint = binding.footprint
    return build_tile_function(
        binding,
        device=execution.device,
        precision=execution.precision,
        runtime=execution.runtime,
        margin_px=footprint.halo_px if footprint.exact else 0,
        images=images,
    )


def make_room(
    binding: "Restorer", function: "NetworkFunction", most_bytes: int, images: int
) -> int:
    """Find the largest tile that there is memory for, and have memory handled as it needs.

    Parameters
    ----------
    binding : Restorer
        With all its parameters, in evaluation mode, on the CPU.
    function : NetworkFunction
        What it became.
    most_bytes : int
        What the process may take.
    images : int
        Images that it takes at once.

    Returns
    -------
    int
        Side of the tile; pixels. Where torch has hardly room for the tile that pays, large blocks
        go back to the system from now on.
    """
    from focusfix.allocator import return_large_blocks
    from focusfix.engine.tile_sizes import auto_tile_px
    from focusfix.runtime.memory import bytes_per_pixel, is_short, largest_tile_px

    needed = bytes_per_pixel(binding, images=images)
    room_px = largest_tile_px(needed, most_bytes, function.runtime)
    if function.runtime == "torch" and is_short(room_px, auto_tile_px(binding.footprint)):
        return_large_blocks()
    return room_px
