"""Networks as functions of numpy tiles."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from focusfix.errors import DeviceError, OutOfMemoryError
from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.runtime import executor, openvino
from focusfix.runtime.device import Device
from focusfix.runtime.executor import build_tile_function, choose_precision

CPU = Device("cpu", "cpu", "")
TILES = np.random.default_rng(0).random((2, 1, 32, 48), dtype=np.float32)


class Small(Restorer):
    """Two convolutions around what must behave differently in training and evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.hyperparameters = {}
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.dropout = nn.Dropout(0.5)
        self.last = nn.Conv2d(4, 1, 3, padding=1)

    @property
    def footprint(self) -> Footprint:
        return Footprint(2, 1)

    def forward(self, image: Tensor) -> Tensor:
        return image + self.last(self.dropout(torch.relu(self.first(image))))  # type: ignore[no-any-return]


class Failing(Small):
    """Stops with an error that is told it at the start."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, _image: Tensor) -> Tensor:
        raise self.error


@pytest.fixture
def network() -> Small:
    torch.manual_seed(0)
    return Small().train()


def test_evaluation_mode_without_gradients(network: Small) -> None:
    function = build_tile_function(network, device=CPU, precision="fp32", runtime="torch")
    first, second = function(TILES), function(TILES)
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert first.shape == TILES.shape
    assert first.flags.c_contiguous
    assert not network.training
    with torch.no_grad():
        expected = network(torch.from_numpy(TILES)).numpy()
    np.testing.assert_allclose(first, expected, atol=1e-6)


def test_tiles_need_not_be_contiguous(network: Small) -> None:
    function = build_tile_function(network, device=CPU, runtime="torch")
    turned = TILES.swapaxes(2, 3)
    np.testing.assert_allclose(function(turned), function(turned.copy()), atol=1e-6)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_is_close_and_keeps_the_input_exact(network: Small, precision: Any) -> None:
    reference = build_tile_function(network, device=CPU, precision="fp32", runtime="torch")
    function = build_tile_function(network, device=CPU, precision=precision, runtime="torch")
    assert function.precision == precision
    difference = np.abs(function(TILES) - reference(TILES)).max()
    assert 0 < difference < 0.02


@pytest.mark.parametrize(
    ("flags", "precision"),
    [({"avx2"}, "fp32"), ({"avx512f"}, "fp32"), ({"amx_bf16"}, "bf16"), ({"avx512_bf16"}, "bf16")],
)
def test_bf16_only_where_the_cpu_has_instructions_for_it(
    flags: set[str], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_cpu_flags", lambda: frozenset(flags))
    assert choose_precision(CPU) == precision
    assert choose_precision(Device("cuda:0", "cuda", "")) == "fp32"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
    ],
)
def test_every_way_of_running_out_of_memory_is_one_error(error: BaseException) -> None:
    function = build_tile_function(Failing(error), device=CPU, runtime="torch")
    with pytest.raises(OutOfMemoryError, match=r"\(2, 1, 32, 48\)"):
        function(TILES)


def test_a_real_allocation_failure_is_recognised() -> None:
    class Greedy(Small):
        def forward(self, image: Tensor) -> Tensor:
            return image + torch.empty(1 << 60)

    function = build_tile_function(Greedy(), device=CPU, runtime="torch")
    with pytest.raises(OutOfMemoryError):
        function(TILES)


def test_other_errors_stay_what_they_are() -> None:
    function = build_tile_function(Failing(RuntimeError("shape")), device=CPU, runtime="torch")
    with pytest.raises(RuntimeError, match="shape"):
        function(TILES)


def test_auto_without_openvino_is_torch(network: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    function = build_tile_function(network, device=CPU)
    assert (function.runtime, function.note) == ("torch", "")


def test_explicit_openvino_that_is_missing_names_the_command(
    network: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    with pytest.raises(DeviceError, match=r"pip install 'focusfix\[openvino\]'"):
        build_tile_function(network, device=CPU, runtime="openvino")


def test_openvino_runs_on_the_cpu_only(network: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "_torch_function", lambda *_: None)
    with pytest.raises(DeviceError, match="not on cuda:0"):
        build_tile_function(network, device=Device("cuda:0", "cuda", ""), runtime="openvino")


@pytest.mark.parametrize("wrong", [0.5, np.nan])
def test_openvino_that_disagrees_is_not_used(
    network: Small, wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: True)
    monkeypatch.setattr(openvino, "compile_network", lambda *_, **__: lambda tiles: tiles + wrong)
    function = build_tile_function(network, device=CPU)
    assert function.runtime == "torch"
    assert "differs from torch" in function.note
    with pytest.raises(DeviceError, match="differs from torch"):
        build_tile_function(network, device=CPU, runtime="openvino")


def test_openvino_that_agrees_is_used(network: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    eager = build_tile_function(network, device=CPU, runtime="torch", precision="fp32")
    monkeypatch.setattr(openvino, "is_installed", lambda: True)
    monkeypatch.setattr(openvino, "compile_network", lambda *_, **__: eager.compute)
    assert build_tile_function(network, device=CPU).runtime == "openvino"


def test_a_margin_that_is_thrown_away_is_not_computed(network: Small) -> None:
    whole = build_tile_function(network, device=CPU, runtime="torch")(TILES)
    part = build_tile_function(network, device=CPU, runtime="torch", margin_px=4)(TILES)
    assert part.shape == TILES.shape
    np.testing.assert_allclose(part[..., 4:-4, 4:-4], whole[..., 4:-4, 4:-4], atol=1e-6)
    assert not part[..., :4, :].any()
