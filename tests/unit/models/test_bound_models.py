"""Bindings: footprints by gradient probe, and what is left out of tiles."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from focusfix.models.base import Restorer
from focusfix.models.bound_codes import SwappedBlur
from focusfix.models.bound_line import (
    ChosenImage,
    PairExtrapolation,
    PairInterpolation,
    WithBlurredCopy,
    blur_image,
)
from focusfix.models.linear_autoencoder import LinearAutoencoder
from focusfix.models.manifold import ManifoldAutoencoder

ROUNDING = 1e-12


def gaussian(side: int) -> Tensor:
    axis = torch.arange(side, dtype=torch.float64) - side // 2
    profile = torch.exp(-(axis**2) / side)
    kernel = profile[:, None] * profile
    return kernel / kernel.sum()


def positive(network: Restorer, most: float = 0.5) -> Restorer:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(most / 5, most)
    return network.double().eval().requires_grad_(requires_grad=False)


def line() -> Restorer:
    torch.manual_seed(0)
    return positive(LinearAutoencoder(widths=(3, 4)))


def swapped() -> Restorer:
    torch.manual_seed(0)
    network = positive(ManifoldAutoencoder(widths=(3, 4)), most=0.1)
    return SwappedBlur(network, torch.rand(1, 4, 1, 1, dtype=torch.float64))


BINDINGS: dict[str, tuple[int, Callable[[], Restorer]]] = {
    "extrapolated pair": (2, lambda: PairExtrapolation(line(), alpha=0.5)),
    "interpolated pair": (2, lambda: PairInterpolation(line(), alpha=0.5)),
    "extrapolated copy": (
        1,
        lambda: WithBlurredCopy(PairExtrapolation(line(), alpha=0.5), gaussian(7)),
    ),
    "interpolated copy": (
        1,
        lambda: WithBlurredCopy(PairInterpolation(line(), alpha=0.3), gaussian(5)),
    ),
    "blurred copy": (1, lambda: WithBlurredCopy(ChosenImage(1), gaussian(9))),
    "chosen image": (2, lambda: ChosenImage(1)),
    "swapped blur": (1, swapped),
}


@pytest.fixture(params=list(BINDINGS))
def binding(request) -> tuple[int, Restorer]:
    images, make = BINDINGS[request.param]
    return images, make().eval()


def reach(network: Restorer, images: int) -> int:
    """Probe how far output pixels see, over all phases and several images."""
    footprint = network.footprint
    stride = footprint.stride_px
    middle = (footprint.halo_px // stride + 2) * stride
    farthest = 0
    for _ in range(3):
        image = torch.rand(1, images, 2 * middle + stride, 2 * stride, dtype=torch.float64)
        image.requires_grad_()
        restored = network(image)
        for phase in range(stride):
            line_sum = restored[:, :, middle + phase].sum()
            (gradient,) = torch.autograd.grad(line_sum, image, retain_graph=True)
            strongest = gradient.abs().amax(dim=(0, 1, 3))
            seen = torch.nonzero(strongest > ROUNDING * strongest.max()).flatten()
            farthest = max(farthest, middle + phase - int(seen[0]), int(seen[-1]) - middle - phase)
    return farthest


def test_footprint_by_gradient_probe(binding) -> None:
    images, network = binding
    footprint = network.footprint
    farthest = reach(network, images)
    assert farthest <= footprint.reach_px
    assert farthest >= footprint.reach_px - 2 * footprint.stride_px


def test_aligned_windows_equal_the_whole(binding) -> None:
    images, network = binding
    halo, stride = network.footprint.halo_px, network.footprint.stride_px
    start, stop = halo + stride, halo + 3 * stride
    image = torch.rand(1, images, 3 * stride, stop + halo + stride, dtype=torch.float64)
    with torch.inference_mode():
        whole = network(image)[..., start:stop]
        window = network(image[..., start - halo : stop + halo])[..., halo : halo + stop - start]
    torch.testing.assert_close(window, whole, rtol=1e-9, atol=1e-12)


def test_core_is_what_the_whole_gives(binding) -> None:
    images, network = binding
    halo, stride = network.footprint.halo_px, network.footprint.stride_px
    side = 2 * halo + 2 * stride
    image = torch.rand(1, images, side, side, dtype=torch.float64)
    with torch.inference_mode():
        core, whole = network.restore_core(image, halo), network(image)
    torch.testing.assert_close(core, whole[..., halo : side - halo, halo : side - halo])


def test_blurring_is_convolution() -> None:
    image = torch.zeros(1, 1, 21, 23, dtype=torch.float64)
    image[0, 0, 10, 12] = 1
    kernel = torch.rand(5, 5, dtype=torch.float64)
    blurred = blur_image(image, kernel[None, None])
    torch.testing.assert_close(blurred[0, 0, 8:13, 10:15], kernel)
    assert float(blurred.sum()) == pytest.approx(float(kernel.sum()))


def test_an_even_plane_stays_even_to_its_edges() -> None:
    plane = torch.full((2, 1, 9, 40), 0.7, dtype=torch.float64)
    torch.testing.assert_close(blur_image(plane, gaussian(13)[None, None]), plane)


def test_blur_is_computed_in_full_precision() -> None:
    image = torch.rand(1, 1, 32, 32)
    kernel = gaussian(5).float()[None, None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = blur_image(image, kernel)
    torch.testing.assert_close(mixed, blur_image(image, kernel))


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.1, float("nan")])
def test_extrapolation_needs_an_alpha_above_zero(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must be in"):
        PairExtrapolation(LinearAutoencoder(widths=(3,)), alpha=alpha)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_interpolation_stays_between_the_ends(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must be in"):
        PairInterpolation(LinearAutoencoder(widths=(3,)), alpha=alpha)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (3,)])
def test_kernels_have_a_middle(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="odd side"):
        WithBlurredCopy(ChosenImage(0), torch.ones(shape))
