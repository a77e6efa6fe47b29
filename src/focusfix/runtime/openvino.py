"""OpenVINO on the CPU: a compiled network, used only where it agrees with torch.

The network is handed over through OpenVINO's own PyTorch front end rather than its converter,
because the converter reports usage over the internet unless the user has opted out.
"""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from platformdirs import user_cache_path

from focusfix.errors import DeviceError
from focusfix.footprint import Footprint
from focusfix.models.base import Restorer

Tiles = npt.NDArray[np.float32]
TileCall = Callable[[Tiles], Tiles]

ROUNDING = 3.0e-4
"""Largest accepted difference from torch in fp32, relative to the spread of its output."""

MOST_TIMES = 2.0
"""With fewer bits, the difference from fp32 may be this many times that of torch, too."""

_TYPE_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_TRACED_PX, _CHECKED_PX = 64, 128


def is_installed() -> bool:
    """Tell, without importing it, whether there is a package ``openvino``."""
    return find_spec("openvino") is not None


def compile_network(network: Restorer, *, precision: str, images: int = 1) -> TileCall:
    """Compile a network for the CPU.

    Parameters
    ----------
    network : Restorer
        In evaluation mode, on the CPU.
    precision : {"fp32", "bf16", "fp16"}
        Number format of its convolutions.
    images : int
        Channels of its tiles, C_in.

    Returns
    -------
    callable
        Maps (N, C_in, Y, X) float32 to (N, C_out, Y, X) float32; compiles once for each shape.

    Raises
    ------
    DeviceError
        If OpenVINO is not installed, or the network cannot be converted or gains nothing by it.
    """
    if not is_installed():
        raise DeviceError(
            "The runtime openvino is not installed.",
            "Install it with: pip install 'focusfix[openvino]', or use --runtime torch.",
        )
    if not network.is_compilable:
        raise DeviceError(
            "The network has parts that OpenVINO is slower at, or cannot do.",
            "Use --runtime torch.",
        )
    import openvino

    model = _convert(network, images)
    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": _TYPE_HINTS[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "CACHE_DIR": str(user_cache_path("focusfix") / "openvino"),
    }
    compiled: dict[tuple[int, ...], Any] = {}

    def compute(tiles: Tiles) -> Tiles:
        if tiles.shape not in compiled:
            compiled.clear()
            model.reshape(list(tiles.shape))
            compiled[tiles.shape] = core.compile_model(model, "CPU", settings)
        return np.array(compiled[tiles.shape](tiles)[0], dtype=np.float32)

    return compute


def relative_difference(
    compute: TileCall, expected: TileCall, *, footprint: Footprint, images: int = 1
) -> float:
    """Compare two executions of a network on one random tile.

    Parameters
    ----------
    compute, expected : callable
        Map tiles to tiles.
    footprint : Footprint
        Of the network: what the tile's sides must be multiples of, and its largest margin.
    images : int
        Channels of the tile.

    Returns
    -------
    float
        Largest absolute difference over the standard deviation of ``expected``'s output.
    """
    side = _side(_CHECKED_PX, footprint)
    tile = np.random.default_rng(0).random((1, images, side, side), dtype=np.float32)
    wanted = expected(tile)
    return float(np.abs(compute(tile) - wanted).max() / max(float(wanted.std()), 1.0e-12))


def _convert(network: Restorer, images: int) -> Any:
    """Hand a network over; DeviceError if OpenVINO does not know what it computes."""
    import openvino
    from openvino import frontend

    failures = (
        frontend.GeneralFailure,
        frontend.NotImplementedFailure,
        frontend.OpConversionFailure,
        frontend.OpValidationFailure,
        RuntimeError,
    )
    try:
        return _hand_over(network, images)
    except failures as error:
        raise DeviceError(
            f"OpenVINO {openvino.__version__} cannot convert this network.",
            "Use --runtime torch, or another version of OpenVINO.",
        ) from error


def _hand_over(network: Restorer, images: int) -> Any:
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    side = _side(_TRACED_PX, network.footprint)
    example = torch.zeros((1, images, side, side))
    front_end = FrontEndManager().load_by_framework("pytorch")
    with warnings.catch_warnings(), torch.inference_mode():
        # Tracing freezes checks of the tile's size; the comparison with torch uses another size.
        warnings.simplefilter("ignore")
        decoder = TorchScriptPythonDecoder(network, example_input=example)
        return front_end.convert(front_end.load(decoder))


def _side(core_px: int, footprint: Footprint) -> int:
    stride = footprint.stride_px
    return -(-core_px // stride) * stride + 2 * footprint.halo_px
