"""Copy tiles to a graphics card and results back while it computes other tiles.

Copies that do not wait need host memory that is pinned. Two lanes take turns: while the tiles of
one are computed, those of the other come and go on streams of their own.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Tiles = npt.NDArray[np.float32]

PIXELS_AT_ONCE = 1 << 21
"""What one lane holds, in whole tiles: enough to fill a card."""


class DoubleBuffer:
    """A network on a device as a function from numpy tiles to numpy tiles.

    Parameters
    ----------
    compute : callable
        Maps tensors (N, C_in, Y, X) on the device to tensors (N, C_out, Y, X) there, in float32.
    device : torch.device
        On the CPU streams do nothing, and everything happens in order.
    """

    def __init__(self, compute: Callable[[Tensor], Tensor], device: torch.device) -> None:
        self._backend = torch.get_device_module(device)
        streams = [_make_stream(self._backend, device) for _ in range(3)]
        streams[1].wait_stream(self._backend.current_stream(device))  # that brought the weights
        self._lanes = [_Lane(compute, device, *streams) for _ in range(2)]

    def __call__(self, tiles: Tiles) -> Tiles:
        """Run the network, some tiles at a time.

        Parameters
        ----------
        tiles : ndarray of float32, shape (N, C_in, Y, X)
            N at least 1.

        Returns
        -------
        ndarray of float32, shape (N, C_out, Y, X)
        """
        at_once = max(PIXELS_AT_ONCE // (tiles.shape[-2] * tiles.shape[-1]), 1)
        done: list[Tiles] = []
        try:
            for turn, first in enumerate(range(0, len(tiles), at_once)):
                lane = self._lanes[turn % 2]
                done += lane.collect()
                lane.submit(tiles[first : first + at_once])
            for ahead in range(2):
                done += self._lanes[(turn + 1 + ahead) % 2].collect()
        finally:
            for lane in self._lanes:
                lane.collect()
        return done[0] if len(done) == 1 else np.concatenate(done)


class _Lane:
    """Host memory for tiles and results, and what is on its way between them."""

    def __init__(
        self,
        compute: Callable[[Tensor], Tensor],
        device: torch.device,
        upload: Any,
        computing: Any,
        download: Any,
    ) -> None:
        self._compute, self._device = compute, device
        self._backend = torch.get_device_module(device)
        self._upload, self._computing, self._download = upload, computing, download
        self._incoming = self._outgoing = torch.empty(0)
        self._on_device: tuple[Tensor, ...] = ()
        self._returned: Any = None

    def submit(self, tiles: Tiles) -> None:
        """Begin to compute tiles; the lane must be empty."""
        backend = self._backend
        self._incoming = self._pinned(self._incoming, tiles.shape)
        self._incoming.numpy()[...] = tiles
        with backend.stream(self._upload):
            image = self._incoming.to(self._device, non_blocking=True)
            sent = backend.Event()
            sent.record()
        with backend.stream(self._computing):
            self._computing.wait_event(sent)
            # Kept until the result is back: only then may other streams have their memory.
            self._on_device = (image,)
            restored = self._compute(image)
            self._on_device = (image, restored)
            computed = backend.Event()
            computed.record()
        self._outgoing = self._pinned(self._outgoing, tuple(restored.shape))
        with backend.stream(self._download):
            self._download.wait_event(computed)
            self._outgoing.copy_(restored, non_blocking=True)
            self._returned = backend.Event()
            self._returned.record()

    def collect(self) -> list[Tiles]:
        """Wait for what was submitted, and empty the lane; nothing where it was empty."""
        returned, self._returned = self._returned, None
        if returned is None:
            if self._on_device:  # stopped on the way
                self._backend.synchronize()
            self._on_device = ()
            return []
        returned.synchronize()
        self._on_device = ()
        return [self._outgoing.numpy().copy()]

    def _pinned(self, memory: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return host memory of a shape: what there is, where that fits."""
        if memory.shape == shape:
            return memory
        return torch.empty(shape, pin_memory=self._device.type == "cuda")


def _make_stream(backend: ModuleType, device: torch.device) -> Any:
    return backend.Stream() if device.type == "cpu" else backend.Stream(device)
