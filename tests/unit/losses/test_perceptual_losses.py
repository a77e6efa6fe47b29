import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from focusfix.losses.perceptual import VggDistance, ssim, structure_loss

WIDTHS = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256)]
TORCHVISION = [f"features.{layer}" for layer in (0, 2, 5, 7, 10, 12, 14)]
KERAS = ["block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2"]
KERAS += [f"block3_conv{layer}" for layer in (1, 2, 3)]
UNIT = 255 * (0.229 + 0.224 + 0.225) / 3


def images(seed: int, size: tuple[int, int] = (24, 31)) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, 1, 6, 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, size, mode="bilinear")


def torchvision_weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, (before, after) in zip(TORCHVISION, WIDTHS, strict=True):
        spread = (2 / (9 * before)) ** 0.5
        tensors[f"{name}.weight"] = spread * torch.randn(after, before, 3, 3, generator=generator)
        tensors[f"{name}.bias"] = 0.1 * torch.randn(after, generator=generator)
    return tensors


def keras_weights() -> dict[str, Tensor]:
    """The same network for input in blue, green, red from 0 to 255, less its mean."""
    tensors = {}
    for ours, theirs in zip(KERAS, TORCHVISION, strict=True):
        tensors[f"{ours}_w"] = torchvision_weights()[f"{theirs}.weight"]
        tensors[f"{ours}_b"] = UNIT * torchvision_weights()[f"{theirs}.bias"]
    scale = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    shift = torch.tensor([123.68, 116.779, 103.939]) / 255 - torch.tensor([0.485, 0.456, 0.406])
    first = tensors["block1_conv1_w"] / scale
    tensors["block1_conv1_b"] += UNIT * (first * shift[:, None, None]).sum(dim=(1, 2, 3))
    tensors["block1_conv1_w"] = (UNIT / 255 * first).flip(1)
    return tensors


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.3])
def test_ssim_is_that_of_scikit_image(noise: float) -> None:
    target = images(1)
    prediction = target + noise * torch.randn(target.shape, generator=torch.manual_seed(2))
    expected = [
        structural_similarity(
            a.double().numpy(),
            b.double().numpy(),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(prediction[:, 0], target[:, 0], strict=True)
    ]
    np.testing.assert_allclose(ssim(prediction.double(), target.double()), expected, atol=1e-9)
    np.testing.assert_allclose(ssim(prediction, target), expected, atol=2e-4)


def test_ssim_averages_over_channels() -> None:
    first, second, target = images(1), images(2), images(3)
    both = ssim(torch.cat([first, second], 1), torch.cat([target, target], 1))
    torch.testing.assert_close(both, (ssim(first, target) + ssim(second, target)) / 2)


def test_structure_loss_adds_the_two_parts() -> None:
    prediction, target = images(1), images(2)
    expected = (prediction - target).abs().mean() + 1 - ssim(prediction, target).mean()
    torch.testing.assert_close(structure_loss(prediction, target), expected)
    assert float(structure_loss(target, target)) == pytest.approx(0, abs=1e-5)


def test_gradients_of_structure_are_finite_on_even_images() -> None:
    prediction = torch.full((1, 1, 16, 16), 0.5, requires_grad=True)
    structure_loss(prediction, torch.zeros(1, 1, 16, 16)).backward()
    assert bool(prediction.grad.isfinite().all())


def test_ssim_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(ValueError, match="at least 11 x 11 px"):
        ssim(torch.rand(1, 1, 10, 20), torch.rand(1, 1, 10, 20))
    with pytest.raises(ValueError, match="equal shapes"):
        ssim(torch.rand(1, 1, 16, 20), torch.rand(2, 1, 16, 20))


def test_vgg_compares_pixels_and_three_layers() -> None:
    distance = VggDistance(torchvision_weights())
    prediction, target = images(1), images(2)
    features = [distance.features(image) for image in (prediction, target)]
    assert [tuple(part.shape[1:]) for part in features[0]] == [
        (64, 24, 31),
        (128, 12, 15),
        (256, 6, 7),
    ]
    expected = (prediction - target).abs().mean() + sum(
        (a - b).abs().mean() for a, b in zip(*features, strict=True)
    )
    torch.testing.assert_close(distance(prediction, target), expected)
    assert float(distance(target, target)) == 0


def test_first_layers_of_vgg_by_hand() -> None:
    """Grey stands for red, green and blue, scaled by the statistics of ImageNet."""
    weights, target = torchvision_weights(), images(2)
    mean, spread = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    colours = (target.repeat(1, 3, 1, 1) - mean[:, None, None]) / spread[:, None, None]
    current = colours
    for name in TORCHVISION[:2]:
        tensors = (weights[f"{name}.weight"], weights[f"{name}.bias"])
        current = torch.nn.functional.conv2d(current, *tensors, padding=1).relu()
    torch.testing.assert_close(VggDistance(weights).features(target)[0], current)


def test_conventions_of_torchvision_and_keras_agree() -> None:
    image = images(1, (64, 64))
    pairs = zip(
        VggDistance(torchvision_weights()).features(image),
        VggDistance(keras_weights()).features(image),
        strict=True,
    )
    for ours, theirs in pairs:
        inner = (..., slice(5, -5), slice(5, -5))  # zeros beyond the border differ in meaning
        torch.testing.assert_close(ours[inner], theirs[inner], rtol=1e-3, atol=1e-3)


def test_gradient_goes_to_the_prediction_only() -> None:
    distance = VggDistance(torchvision_weights())
    prediction, target = images(1).requires_grad_(), images(2).requires_grad_()
    distance(prediction, target).backward()
    assert float(prediction.grad.abs().sum()) > 0
    assert not any(parameter.requires_grad for parameter in distance.parameters())


def test_refuses_other_weights() -> None:
    weights = torchvision_weights()
    del weights["features.7.bias"]
    with pytest.raises(ValueError, match=r"features\.7\.bias of VGG-16 is missing"):
        VggDistance(weights)
    weights["features.7.bias"] = torch.zeros(3)
    with pytest.raises(ValueError, match=r"has shape \(3,\), that of VGG-16 has \(128,\)"):
        VggDistance(weights)
    with pytest.raises(ValueError, match="differ"):
        VggDistance(torchvision_weights())(images(1), images(1)[:1])


def test_deep_error_is_of_the_last_layer_alone() -> None:
    distance = VggDistance(torchvision_weights())
    prediction, target = images(1).requires_grad_(), images(2)
    a, b = (distance.features(image)[-1] for image in (prediction, target))
    error = distance.deep_error(prediction, target)
    torch.testing.assert_close(error, (a - b).square().mean())
    error.backward()
    assert float(prediction.grad.abs().sum()) > 0
    with pytest.raises(ValueError, match="differ"):
        distance.deep_error(images(1), images(1)[:1])
