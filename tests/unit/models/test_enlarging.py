"""Interpolation between neighbourhoods, against torch's own."""

import pytest
import torch
from torch.nn import functional as F

from focusfix.models.enlarging import enlarge_bilinear


@pytest.mark.parametrize(("shape", "times"), [((2, 3, 5, 4), 8), ((1, 1, 1, 3), 32)])
def test_equals_interpolation_pixel_by_pixel(shape: tuple[int, ...], times: int) -> None:
    cells = torch.randn(shape, generator=torch.Generator().manual_seed(1))

    expected = F.interpolate(cells, scale_factor=times, mode="bilinear", align_corners=False)

    torch.testing.assert_close(enlarge_bilinear(cells, times), expected)


def test_outer_ring_serves_as_neighbours_only() -> None:
    cells = torch.randn((1, 2, 6, 7), generator=torch.Generator().manual_seed(2))

    inner = enlarge_bilinear(cells, 4, ring=2)

    assert inner.shape == (1, 2, 8, 12)
    torch.testing.assert_close(inner, enlarge_bilinear(cells, 4)[..., 8:-8, 8:-8])


def test_half_precision_around_it_does_not_reach_it() -> None:
    cells = torch.tensor([[[[1.0, 1.001]]]])

    with torch.autocast("cpu", dtype=torch.bfloat16):
        enlarged = enlarge_bilinear(cells, 2)

    torch.testing.assert_close(enlarged[0, 0, 0], torch.tensor([1.0, 1.00025, 1.00075, 1.001]))
