"""The memory of networks whose needs are known."""

import pytest
import torch
from torch import Tensor, nn

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.runtime.memory import BASE_BYTES, bytes_per_pixel, is_short, largest_tile_px


class Widening(Restorer):
    """Holds the image, `width` feature maps, and as many again, before it sums them up."""

    def __init__(self, width: int, stride_px: int = 1) -> None:
        super().__init__()
        self.hyperparameters = {}
        self.width, self.stride_px = width, stride_px
        self.enter = nn.Conv2d(1, width, 1)

    @property
    def footprint(self) -> Footprint:
        return Footprint(0, self.stride_px)

    def forward(self, image: Tensor) -> Tensor:
        assert image.shape[-1] % self.stride_px == 0
        features = torch.relu(self.enter(image))
        return features.sum(dim=1, keepdim=True)


@pytest.mark.parametrize("stride_px", [1, 48])
def test_counts_what_exists_at_a_time(stride_px: int) -> None:
    found = bytes_per_pixel(Widening(8, stride_px))

    assert found == pytest.approx(4 * 2 * 8, abs=4)  # convolved and rectified, the image maybe


def test_what_is_gone_does_not_count() -> None:
    chain = nn.Sequential(*(Widening(4) for _ in range(9)))

    class Chain(Widening):
        def forward(self, image: Tensor) -> Tensor:
            result: Tensor = chain(image)
            return result

    assert bytes_per_pixel(Chain(1)) == pytest.approx(bytes_per_pixel(Widening(4)), rel=0.2)


def test_budget_becomes_a_side() -> None:
    assert largest_tile_px(100.0, BASE_BYTES + 100 * 640**2, "openvino") == 640
    assert largest_tile_px(100.0, BASE_BYTES + 180 * 640**2, "torch") == 640
    assert largest_tile_px(100.0, BASE_BYTES - 1) == 0


@pytest.mark.parametrize(("room", "short"), [(800, True), (1000, True), (1200, False)])
def test_memory_is_short_where_the_wanted_tile_hardly_fits(room: int, short: bool) -> None:
    assert is_short(room, 1000) is short
