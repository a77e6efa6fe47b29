"""How much memory a network works in, and the tiles that a budget leaves room for."""

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from focusfix.models.base import Restorer

Runtime = Literal["torch", "openvino"]

BASE_BYTES = 500_000_000
"""For the program, its libraries, weights, and tiles on their way from and to files."""

TAKEN = {"torch": 1.8, "openvino": 1.0}
"""What a process takes for each byte that tensors need: freed memory of other sizes is kept.

Measured by `benchmarks/bench_tile_memory.py`.
"""

_PLENTY = 9 / 8
_LEAST_SIDE_PX, _LEAST_STRIDES = 64, 4


def bytes_per_pixel(network: Restorer, *, images: int = 1) -> float:
    """Measure the working memory of a network for each pixel of a tile.

    Parameters
    ----------
    network : Restorer
        In evaluation mode, on the CPU. It is run once, on a small empty tile.
    images : int
        Channels of its tiles.

    Returns
    -------
    float
        Largest sum of all tensors that exist at a time, over the pixels of the tile; bytes. What
        single operations need within themselves is not in it.
    """
    stride = network.footprint.stride_px
    side = max(math.ceil(_LEAST_SIDE_PX / stride), _LEAST_STRIDES) * stride
    image = torch.zeros((1, images, side, side))
    with torch.inference_mode(), _LiveBytes() as live:
        network(image)
    return float(live.peak / side**2)


def largest_tile_px(bytes_each: float, most_bytes: int, runtime: Runtime = "torch") -> int:
    """Choose the side of the largest square tile that a process has memory for.

    Parameters
    ----------
    bytes_each : float
        Working memory for each pixel; bytes.
    most_bytes : int
        What the whole process may take; bytes.
    runtime : {"torch", "openvino"}
        What the network runs in.

    Returns
    -------
    int
        Pixels; 0 if there is none.
    """
    return math.isqrt(max(int((most_bytes - BASE_BYTES) / (bytes_each * TAKEN[runtime])), 0))


def is_short(room_px: int, wanted_px: int) -> bool:
    """Tell whether tiles as large as they should be take almost all the memory, or more.

    Parameters
    ----------
    room_px, wanted_px : int
        Sides of the largest tile that there is memory for, and of the one that pays; pixels.
    """
    return room_px < _PLENTY * wanted_px


class _LiveBytes(TorchFunctionMode):
    """Add up the memory of tensors while they exist."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._sizes: dict[int, int] = {}
        self._users: dict[int, int] = {}

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for each in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(each, Tensor):
                self._note(each)
        return result

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        self._sizes[place] = size
        self._users[place] = self._users.get(place, 0) + 1
        self.peak = max(self.peak, sum(self._sizes.values()))
        weakref.finalize(tensor, self._forget, place)

    def _forget(self, place: int) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            del self._users[place], self._sizes[place]
