import math

import pytest
import torch
from torch import Tensor

from focusfix.models.blur_ladder import BlurLadder, rung_radii
from focusfix.models.blur_reading import FARTHEST_PX, BlurReading
from focusfix.models.latent_line import LatentLine, half_contrast_radius_px

TINY = {"widths": [4, 6], "rank": 2, "hidden": 6, "window_px": 12, "support_px": 24}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network() -> LatentLine:
    torch.manual_seed(0)
    return LatentLine(**TINY).eval()


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    sharper = noise(1, 1, 48, 64)
    return sharper, torch.nn.functional.avg_pool2d(sharper, 5, stride=1, padding=2)


def set_reading(network: LatentLine, radii: dict[int, float]) -> None:
    """Let the reading say what is wanted for each image of a batch, in order."""

    def read(code: Tensor) -> tuple[Tensor, Tensor]:
        cells = code[:, :1]
        values = [torch.full_like(cells[i], radii[i % len(radii)]) for i in range(len(cells))]
        return torch.stack(values), torch.ones_like(cells)

    network.reading.forward = read  # type: ignore[method-assign]


def test_alpha_one_and_zero_give_back_the_images(network, images) -> None:
    with torch.inference_mode():
        sharp = network.interpolate_images(*images, alpha=1.0)
        blurred = network.interpolate_images(*images, alpha=0.0)
    torch.testing.assert_close(sharp, images[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(blurred, images[1], rtol=0, atol=1e-5)


def test_alphas_of_a_batch_are_its_own(network, images) -> None:
    pairs = [torch.cat([image, image]) for image in images]
    with torch.inference_mode():
        both = network.interpolate_images(*pairs, alpha=torch.tensor([0.25, 1.0]))
        one = network.interpolate_images(*images, alpha=0.25)
    torch.testing.assert_close(both[:1], one, rtol=0, atol=1e-5)
    torch.testing.assert_close(both[1:], images[0], rtol=0, atol=1e-5)


def test_code_is_sharpness_and_weighed_content(network, images) -> None:
    set_reading(network, {0: 9.0})
    with torch.inference_mode():
        code = network.encode(images[0])
        content = network.content(images[0])
    assert code.shape == (1, 2, 48, 64)
    torch.testing.assert_close(code[:, :1], torch.full_like(code[:, :1], 0.75))
    torch.testing.assert_close(code[:, 1:], 0.5 * 0.75 * content)


def test_extrapolation_to_focus_is_content_weighed_by_sharpness(network, images) -> None:
    set_reading(network, {0: 9.0, 1: 27.0})  # sharpness 3/4 and 1/4: in focus at alpha 2/3
    with torch.inference_mode():
        restored = network.extrapolate_images(*images, alpha=2 / 3)
        contents = [network.content(image) for image in images]
    expected = 1.5 * 0.75 * contents[0] - 0.5 * 0.25 * contents[1]
    torch.testing.assert_close(restored, expected, rtol=0, atol=1e-5)


def test_best_alpha_ends_in_focus(network, images) -> None:
    set_reading(network, {0: 9.0, 1: 27.0})
    with torch.inference_mode():
        assert network.best_alpha(*images) == pytest.approx(2 / 3)


def test_best_alpha_leaves_images_alone_that_are_not_the_sharper_ones(network, images) -> None:
    set_reading(network, {0: 27.0, 1: 9.0})
    with torch.inference_mode():
        assert network.best_alpha(*images) == 1.0


def disc(radius: float, side: int = 41) -> Tensor:
    axis = torch.arange(side * 8) / 8 + 1 / 16 - side / 2
    inside = (torch.hypot(axis[:, None], axis[None, :]) <= radius).float()
    pixels = torch.nn.functional.avg_pool2d(inside[None, None], 8)[0, 0]
    return pixels / pixels.sum()


@pytest.mark.parametrize("radius", [3.0, 9.5, 17.0])
def test_radius_of_a_disc_is_its_radius(radius: float) -> None:
    assert float(half_contrast_radius_px(disc(radius))) == pytest.approx(radius, rel=0.03)


def test_a_point_has_no_radius() -> None:
    assert float(half_contrast_radius_px(torch.ones(1, 1))) == 0


def test_code_of_a_copy_that_was_blurred_on_purpose_is_known(network, images) -> None:
    set_reading(network, {0: 9.0})
    with torch.inference_mode():
        sharper, copy = network.encode_ends(*images, disc(12.0))
        restored = network.extrapolate_images(*images, alpha=0.4, psf=disc(12.0))
        content = network.content(images[0])
    torch.testing.assert_close(copy[:, 1:] / copy[:, :1], sharper[:, 1:] / sharper[:, :1])
    assert float(copy[:, :1].mean()) == pytest.approx(1 - 15 / 36, abs=0.01)
    torch.testing.assert_close(restored, content, rtol=0, atol=0.02)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_content_share_out_of_range(share: float) -> None:
    with pytest.raises(ValueError, match="content_share"):
        LatentLine(**TINY, content_share=share)


def test_ladder_leaves_alone_what_is_in_focus() -> None:
    image = noise(1, 1, 40, 40)
    assert torch.equal(BlurLadder(12)(image, torch.zeros_like(image)), image)


@pytest.mark.parametrize("radius", [2.0, 4.3])
def test_ladder_blurs_like_a_disc(radius: float) -> None:
    side = 96
    image = torch.zeros(1, 1, side, side)
    image[..., side // 2, side // 2] = 1
    with torch.no_grad():
        blurred = BlurLadder(40)(image, torch.full_like(image, radius))
    transfer = torch.fft.rfft2(blurred[0, 0]).abs()[0, 1:24]
    phase = 2 * math.pi * radius * torch.arange(1, 24) / side
    disc = (2 * torch.special.bessel_j1(phase) / phase).abs()
    torch.testing.assert_close(transfer, disc, rtol=0, atol=0.04)


def test_ladder_mixes_neighbouring_rungs() -> None:
    ladder, image = BlurLadder(24), noise(1, 1, 48, 48)
    low, high = (float(r) for r in rung_radii()[5:7])
    with torch.no_grad():
        ends = [ladder(image, torch.full_like(image, radius)) for radius in (low, high)]
        between = ladder(image, torch.full_like(image, (low + high) / 2))
    torch.testing.assert_close(between, (ends[0] + ends[1]) / 2, rtol=0, atol=1e-5)


def test_ladder_follows_a_radius_that_changes_from_place_to_place() -> None:
    ladder, image = BlurLadder(24), noise(1, 1, 48, 48)
    radius = torch.where(torch.arange(48) < 24, 1.0, 8.0).expand(1, 1, 48, 48)
    with torch.no_grad():
        mixed = ladder(image, radius)
        left, right = (ladder(image, torch.full_like(image, r)) for r in (1.0, 8.0))
    torch.testing.assert_close(mixed[..., :24], left[..., :24])
    torch.testing.assert_close(mixed[..., 24:], right[..., 24:])


def test_readings_that_are_sure_count_for_more() -> None:
    reading = BlurReading(4, 3)
    radius = torch.tensor([6.0, 30.0]).reshape(1, 1, 1, 2)
    spread = torch.tensor([1.0, 10.0]).reshape(1, 1, 1, 2)
    reading.read = lambda _: (radius, spread)  # type: ignore[method-assign]
    mean, mean_spread = reading(torch.zeros(1, 4, 1, 2))
    assert float(mean[0, 0, 0, 0]) == pytest.approx((6 + 30 / 100) / 1.01, abs=1e-3)
    assert float(mean_spread[0, 0, 0, 0]) == pytest.approx((1 + 0.1) / 1.01, abs=1e-3)


def test_spacing_is_undone_on_decoding(network, images) -> None:
    network.spacing.copy_(36 * (torch.linspace(0, 1, 13) ** 0.5))
    set_reading(network, {0: 9.0})
    with torch.inference_mode():
        code = network.encode(images[0])
        decoded, content = network.decode(code), network.content(images[0])
        expected = network.ladder(content, torch.full_like(content, 9.0))
    torch.testing.assert_close(code[:, :1], torch.full_like(code[:, :1], 0.5))
    torch.testing.assert_close(decoded, expected, rtol=0, atol=1e-4)


def test_calibration_is_piecewise_linear() -> None:
    reading = BlurReading(4, 3)
    knots = torch.linspace(0, FARTHEST_PX, 13)
    torch.testing.assert_close(reading.calibrated(knots[:-1] + 1), knots[:-1] + 1)
    reading.calibration.copy_(2 * knots)
    torch.testing.assert_close(reading.calibrated(torch.tensor([4.5])), torch.tensor([9.0]))
