import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from focusfix.models.local_wiener import LocalWiener
from focusfix.models.radial_filter import with_zero_frequency
from focusfix.models.reach import Span

HOP_PX = 8


@pytest.fixture
def layer() -> LocalWiener:
    torch.manual_seed(0)
    made = LocalWiener(outputs=2, rank=3, hidden=6, window_px=3 * HOP_PX, support_px=10)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return made.requires_grad_(requires_grad=False)


def noise(*shape: int) -> Tensor:
    return torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(1))


def middle(image: Tensor, margin: int) -> Tensor:
    return image[..., margin:-margin, margin:-margin]


def test_a_new_layer_returns_the_image() -> None:
    made = LocalWiener(outputs=2, rank=3, hidden=6, window_px=24, support_px=10)
    image = noise(48, 64)
    filtered, code = made(image)
    assert code.shape == (1, 6, 6, 8)
    torch.testing.assert_close(filtered, image.expand(-1, 2, -1, -1), rtol=0, atol=1e-5)


def test_even_images_stay_as_they_are(layer: LocalWiener) -> None:
    image = torch.full((1, 1, 32, 32), 0.7)
    filtered, _ = layer(image)
    torch.testing.assert_close(filtered, image.expand(-1, 2, -1, -1), rtol=0, atol=1e-5)


def test_filters_have_the_gains_they_were_made_of(layer: LocalWiener) -> None:
    nodes = torch.linspace(0, 1, 10)
    gains = torch.exp(-(nodes**2) * 4)
    kernel = layer.radial.kernels(with_zero_frequency(gains, 1.0)[None])[0]
    assert kernel.shape == (19, 19)
    transfer = torch.fft.rfft2(kernel, (20, 20)).abs()[0]
    torch.testing.assert_close(transfer[1:], gains, rtol=0, atol=0.05)
    torch.testing.assert_close(float(transfer[0]), 1.0)


def test_even_coefficients_mean_one_convolution(layer: LocalWiener) -> None:
    image, coefficients = noise(64, 64), torch.randn(1, 6)
    filtered = layer._filter(image, coefficients[..., None, None].expand(-1, -1, 8, 8), 0, 0)
    kernels = layer.radial.kernels(layer.gains(coefficients)[0])[:, None]
    expected = F.conv2d(image, kernels, padding=9)
    torch.testing.assert_close(middle(filtered, 12), middle(expected, 12), rtol=0, atol=1e-4)


def test_white_noise_has_the_power_of_its_variance(layer: LocalWiener) -> None:
    powers = layer.measure(0.3 * noise(256, 256)).exp()
    full_size, half_size = powers[:, 24:36].mean(), powers[:, 36:48].mean()
    assert float(full_size) == pytest.approx(0.09, rel=0.1)
    assert float(half_size) == pytest.approx(0.09 / 4, rel=0.15)  # means of four pixels


def test_what_is_read_does_not_depend_on_contrast(layer: LocalWiener) -> None:
    image = noise(32, 32)
    dim, bright = (layer.read(layer.measure(scale * image + 0.5)) for scale in (1.0, 4.0))
    torch.testing.assert_close(dim, bright, rtol=0, atol=1e-3)


def test_the_middle_is_measured_as_in_the_whole(layer: LocalWiener) -> None:
    image = noise(13 * HOP_PX, 13 * HOP_PX)
    torch.testing.assert_close(layer.measure_middle(image), layer.measure(image)[..., 6:7, 6:7])


def test_neighbourhoods_see_what_their_span_says(layer: LocalWiener) -> None:
    image = noise(20 * HOP_PX, 20 * HOP_PX).requires_grad_()
    (gradient,) = torch.autograd.grad(layer.measure(image)[..., 10, 10].sum(), image)
    rows = torch.nonzero(gradient[0, 0].abs().sum(dim=1)).ravel()
    span = layer.code_span(Span(10, 10))
    assert span.last == int(rows[-1])
    assert (
        span.first == int(rows[0]) - 2
    )  # the taper is zero at the first pixel of half-size windows


def test_margins_are_context_only(layer: LocalWiener) -> None:
    image, margin = noise(14 * HOP_PX, 16 * HOP_PX), 5 * HOP_PX
    whole, whole_code = layer(image)
    core, code = layer(image, margin)
    torch.testing.assert_close(core, middle(whole, margin), rtol=0, atol=1e-4)
    torch.testing.assert_close(code, middle(whole_code, 5), rtol=0, atol=1e-4)
