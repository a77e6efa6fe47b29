"""Filters that are made from radial gains."""

import numpy as np
import pytest
import torch

from focusfix.models.radial_filter import RadialFilter, fast_length, with_zero_frequency

SUPPORT_PX = 12


@pytest.mark.parametrize(
    ("size", "expected"), [(1, 8), (8, 8), (672, 672), (1312, 1344), (1320, 1344), (1664, 1680)]
)
def test_the_next_multiple_of_eight_without_large_factors_is_taken(
    size: int, expected: int
) -> None:
    assert fast_length(size) == expected


@pytest.mark.parametrize("at_zero", [0.0, 1.0])
def test_the_filter_is_the_faded_transform_of_its_gains_and_keeps_its_sum(at_zero: float) -> None:
    above = torch.rand(SUPPORT_PX, generator=torch.Generator().manual_seed(0))
    gains = with_zero_frequency(above, at_zero)
    frequencies = np.fft.fftfreq(2 * SUPPORT_PX) * 2 * SUPPORT_PX
    radius = np.hypot(frequencies[:, None], frequencies)
    transfer = np.interp(radius, np.arange(SUPPORT_PX + 1), gains.tolist())
    places = np.arange(1 - SUPPORT_PX, SUPPORT_PX)
    outside = np.hypot(places[:, None], places) / SUPPORT_PX
    fade = (1 + np.cos(np.pi * np.clip((outside - 0.6) / 0.4, 0, 1))) / 2
    cut = np.fft.fftshift(np.fft.ifft2(transfer).real)[1:, 1:] * fade
    wanted = cut + (at_zero - cut.sum()) * fade / fade.sum()
    kernel = RadialFilter(SUPPORT_PX).kernels(gains[None])[0]
    np.testing.assert_allclose(kernel, wanted, atol=1e-7)
    assert float(kernel.sum()) == pytest.approx(at_zero, abs=1e-5)


def test_prepared_images_are_convolved_with_each_filter() -> None:
    noise = torch.Generator().manual_seed(1)
    gains = with_zero_frequency(torch.rand(3, SUPPORT_PX, generator=noise), 1.0)
    padded = torch.rand(2, 1, 40 + 2 * SUPPORT_PX, 28 + 2 * SUPPORT_PX, generator=noise)
    filters = RadialFilter(SUPPORT_PX)
    fast = torch.cat(list(filters.prepare(padded).convolved(gains)), dim=1)
    slow = torch.nn.functional.conv2d(padded, filters.kernels(gains)[:, None])
    torch.testing.assert_close(fast, slow[..., 1:-1, 1:-1], atol=1e-5, rtol=0)


def test_learning_goes_on_after_images_were_restored_without_gradients() -> None:
    filters = RadialFilter(SUPPORT_PX)
    image = torch.rand(1, 1, 48, 48, generator=torch.Generator().manual_seed(2))
    gains = torch.ones(1, SUPPORT_PX + 1, requires_grad=True)
    with torch.inference_mode():
        next(filters.prepare(image).convolved(gains))
    next(filters.prepare(image).convolved(gains)).square().sum().backward()
    assert gains.grad is not None
    assert gains.grad.abs().min() > 0
