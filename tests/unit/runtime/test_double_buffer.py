"""Tiles that come and go in turns; on the CPU, where streams do nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor

from focusfix.runtime import double_buffer
from focusfix.runtime.double_buffer import DoubleBuffer

CPU = torch.device("cpu")
SIDE = 8


@pytest.fixture(autouse=True)
def two_tiles_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(double_buffer, "PIXELS_AT_ONCE", 2 * SIDE**2)


def numbered_tiles(count: int, side: int = SIDE) -> np.ndarray:
    return np.arange(count * side**2, dtype=np.float32).reshape(count, 1, side, side)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8])
def test_every_tile_comes_back_in_its_place(count: int) -> None:
    tiles = numbered_tiles(count)
    np.testing.assert_array_equal(DoubleBuffer(lambda image: 2 * image, CPU)(tiles), 2 * tiles)


def test_tiles_are_computed_some_at_a_time() -> None:
    seen = []

    def note(image: Tensor) -> Tensor:
        seen.append(len(image))
        return image

    DoubleBuffer(note, CPU)(numbered_tiles(5))
    assert seen == [2, 2, 1]


def test_results_outlive_the_next_call() -> None:
    function = DoubleBuffer(lambda image: image + 1, CPU)
    first = function(numbered_tiles(2))
    kept = first.copy()
    function(numbered_tiles(4) + 7)
    np.testing.assert_array_equal(first, kept)


def test_shapes_and_channels_may_change() -> None:
    function = DoubleBuffer(lambda image: image.sum(dim=1, keepdim=True), CPU)
    for side, images in ((8, 1), (12, 3), (8, 2)):
        tiles = np.ones((3, images, side, side), dtype=np.float32)
        np.testing.assert_array_equal(function(tiles), np.full((3, 1, side, side), images))


def test_a_failure_leaves_nothing_behind() -> None:
    failing = iter([False, True, False, False, False])

    def fail_once(image: Tensor) -> Tensor:
        if next(failing):
            raise RuntimeError("out of memory")
        return image

    function = DoubleBuffer(fail_once, CPU)
    with pytest.raises(RuntimeError, match="out of memory"):
        function(numbered_tiles(6))
    tiles = numbered_tiles(6) + 100
    np.testing.assert_array_equal(function(tiles), tiles)


class RecordingBackend:
    """Streams that note what is asked of them, and in which order."""

    def __init__(self) -> None:
        self.log: list[tuple[str, ...]] = []
        self.current: list[str] = ["default"]
        names = iter(("upload", "computing", "download"))
        self.Stream = lambda: RecordingStream(self, next(names))
        self.Event = lambda: RecordingEvent(self)

    def current_stream(self, _device: torch.device) -> str:
        return "default"

    @contextmanager
    def stream(self, stream: "RecordingStream") -> Iterator[None]:
        self.current.append(stream.name)
        yield
        self.current.pop()


class RecordingStream:
    def __init__(self, backend: RecordingBackend, name: str) -> None:
        self.backend, self.name = backend, name

    def wait_stream(self, other: str) -> None:
        self.backend.log.append((self.name, "waits for", other))

    def wait_event(self, event: "RecordingEvent") -> None:
        self.backend.log.append((self.name, "waits for", event.name))


class RecordingEvent:
    def __init__(self, backend: RecordingBackend) -> None:
        self.backend, self.name = backend, ""

    def record(self) -> None:
        self.name = f"event of {self.backend.current[-1]}"

    def synchronize(self) -> None:
        self.backend.log.append(("host", "waits for", self.name))


def test_streams_wait_for_what_they_need_and_the_host_waits_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = RecordingBackend()
    monkeypatch.setattr(torch, "get_device_module", lambda _: backend)

    def compute(image: Tensor) -> Tensor:
        backend.log.append(("computes on", backend.current[-1]))
        return image

    DoubleBuffer(compute, CPU)(numbered_tiles(6))
    one_turn = [
        ("computing", "waits for", "event of upload"),
        ("computes on", "computing"),
        ("download", "waits for", "event of computing"),
    ]
    wait = ("host", "waits for", "event of download")
    assert backend.log == [
        ("computing", "waits for", "default"),
        *one_turn,
        *one_turn,
        wait,  # for the first lane, while the second one computes
        *one_turn,
        wait,
        wait,
    ]
