r"""How alike two images look: structure, or features of a network that was trained to see.

The disentangled networks are trained with one of two such distances :math:`\gamma`: that of
:class:`VggDistance` where there are weights of VGG-16, :func:`structure_loss` where there are none.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WINDOW_RADIUS_PX = 5
_WINDOW_SIGMA_PX = 1.5
_C1, _C2 = 0.01**2, 0.03**2

_WIDTHS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256))
_TORCHVISION_LAYERS = (0, 2, 5, 7, 10, 12, 14)
_TORCHVISION_MEAN, _TORCHVISION_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_KERAS_MEAN = (103.939, 116.779, 123.68)  # blue, green, red; of 0 to 255


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    r"""Compare local means, contrasts and structure of images on a nominal [0, 1].

    .. math:: \mathrm{SSIM} = \Big\langle
              \frac{(2 \mu_x \mu_y + c_1)(2 \sigma_{xy} + c_2)}
                   {(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 + \sigma_y^2 + c_2)} \Big\rangle,
              \qquad c_1 = 0.01^2,\ c_2 = 0.03^2

    Means and variances are weighed with a Gaussian of 1.5 pixels, cut at 11 x 11; the average is
    over the windows that lie inside the image. Differentiable.

    Parameters
    ----------
    prediction, target : Tensor, shape (N, C, Y, X)
        Images; Y and X at least 11.

    Returns
    -------
    Tensor, shape (N,)
        1 for equal images.

    Raises
    ------
    ValueError
        If the shapes differ or the images are smaller than the window.

    References
    ----------
    Wang, Bovik et al., "Image quality assessment: from error visibility to structural
    similarity", IEEE TIP 2004.
    """
    side = 2 * _WINDOW_RADIUS_PX + 1
    if prediction.shape != target.shape or min(target.shape[-2:]) < side:
        msg = (
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} must have "
            f"equal shapes of at least {side} x {side} px"
        )
        raise ValueError(msg)
    products = [prediction, target, prediction.square(), target.square(), prediction * target]
    planes = [_window_mean(product.flatten(0, 1)) for product in products]
    mean_x, mean_y, square_x, square_y, product = planes
    mean_product = mean_x * mean_y
    mean_squares = mean_x.square() + mean_y.square()
    likeness = (2 * mean_product + _C1) * (2 * (product - mean_product) + _C2)
    likeness = likeness / ((mean_squares + _C1) * (square_x + square_y - mean_squares + _C2))
    similarity: Tensor = likeness.reshape(len(target), -1).mean(dim=1)
    return similarity


def structure_loss(prediction: Tensor, target: Tensor) -> Tensor:
    r"""Add the absolute error and what is missing of structural similarity.

    .. math:: \gamma(\hat y, y) = \langle |\hat y - y| \rangle + 1 - \mathrm{SSIM}(\hat y, y)

    Parameters
    ----------
    prediction, target : Tensor, shape (N, 1, Y, X)
        Images on a nominal [0, 1]; Y and X at least 11.

    Returns
    -------
    Tensor, shape ()
        Mean over the images.

    Raises
    ------
    ValueError
        If the shapes differ or the images are too small.
    """
    similarity = ssim(prediction, target).mean()
    return (prediction - target).abs().mean() + 1 - similarity


class VggDistance(nn.Module):
    r"""Compare features of VGG-16, and pixels.

    .. math:: \gamma(\hat y, y) = \langle |\hat y - y| \rangle
              + \sum_l \langle |\phi_l(\hat y) - \phi_l(y)| \rangle

    over the layers relu1_2, relu2_2 and relu3_3. Grey images stand for three equal colours.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Weights by name: of torchvision (``features.0.weight``, ...: red, green, blue, scaled by
        their standard deviations) or of Keras (``block1_conv1_w``, ...: blue, green, red, from 0
        to 255 less the mean). Other names are not used.

    Raises
    ------
    ValueError
        If a weight is missing or has another shape.

    Notes
    -----
    The weights are frozen, and no gradient goes to ``target``. Keras' weights want input that is 58
    times as large; their features are divided by that, which makes them those of torchvision's.

    Which layers, which distance and which weights are not stated in the thesis. Without the
    pixels, the mean grey level would be free.

    References
    ----------
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
    ICLR 2015; Johnson et al., "Perceptual losses for real-time style transfer", ECCV 2016.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        is_keras = any(name.startswith("block1_conv1") for name in tensors)
        names = _keras_names() if is_keras else _torchvision_names()
        self.blocks = nn.ModuleList()
        for widths in _WIDTHS:
            layers = [
                _frozen_convolution(tensors, next(names), shape) for shape in pairwise(widths)
            ]
            self.blocks.append(nn.ModuleList(layers))
        mean = torch.tensor(_KERAS_MEAN) / 255 if is_keras else torch.tensor(_TORCHVISION_MEAN)
        scale = torch.full((3,), 255.0) if is_keras else 1 / torch.tensor(_TORCHVISION_STD)
        self.unit = 255 * sum(_TORCHVISION_STD) / 3 if is_keras else 1.0
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("scale", scale[:, None, None])

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the features of images (N, 1, Y, X) at the three layers, finest first."""
        current = (image - self.mean) * self.scale
        found: list[Tensor] = []
        for convolutions in self.blocks:
            assert isinstance(convolutions, nn.ModuleList)
            current = F.max_pool2d(current, 2) if found else current
            for convolution in convolutions:
                current = F.relu(convolution(current))
            found.append(current / self.unit)
        return found

    def deep_error(self, prediction: Tensor, target: Tensor) -> Tensor:
        r"""Compare images by the squared error of the features relu3_3 alone.

        .. math:: L = \big\langle (\phi(\hat y) - \phi(y))^2 \big\rangle

        Parameters
        ----------
        prediction, target : Tensor, shape (N, 1, Y, X)
            Images on a nominal [0, 1]; Y and X at least 4.

        Returns
        -------
        Tensor, shape ()
            Mean over the images.

        Raises
        ------
        ValueError
            If the shapes differ.

        Notes
        -----
        The mean grey level is nearly free.
        """
        _check_shapes(prediction, target)
        with torch.no_grad():
            wanted = self.features(target)[-1]
        return (self.features(prediction)[-1] - wanted).square().mean()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare images.

        Parameters
        ----------
        prediction, target : Tensor, shape (N, 1, Y, X)
            Images on a nominal [0, 1]; Y and X at least 4.

        Returns
        -------
        Tensor, shape ()
            Mean over the images.

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        _check_shapes(prediction, target)
        with torch.no_grad():
            wanted = self.features(target)
        distances = [(prediction - target).abs().mean()]
        distances += [
            (a - b).abs().mean() for a, b in zip(self.features(prediction), wanted, strict=True)
        ]
        return torch.stack(distances).sum()


def _check_shapes(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape:
        msg = f"shapes {tuple(prediction.shape)} and {tuple(target.shape)} differ"
        raise ValueError(msg)


def _keras_names() -> Iterator[tuple[str, str]]:
    """Name weight and bias of each convolution, in order."""
    for block, widths in enumerate(_WIDTHS, 1):
        for layer in range(1, len(widths)):
            yield f"block{block}_conv{layer}_w", f"block{block}_conv{layer}_b"


def _torchvision_names() -> Iterator[tuple[str, str]]:
    for layer in _TORCHVISION_LAYERS:
        yield f"features.{layer}.weight", f"features.{layer}.bias"


def _frozen_convolution(
    tensors: Mapping[str, Tensor], names: tuple[str, str], widths: Sequence[int]
) -> nn.Conv2d:
    """Build a 3x3 convolution with weights that stay as they are."""
    before, after = widths
    convolution = nn.Conv2d(before, after, 3, padding=1).requires_grad_(requires_grad=False)
    for name, parameter in zip(names, (convolution.weight, convolution.bias), strict=True):
        assert parameter is not None
        if name not in tensors:
            msg = f"{name} of VGG-16 is missing"
            raise ValueError(msg)
        if tensors[name].shape != parameter.shape:
            found, wanted = tuple(tensors[name].shape), tuple(parameter.shape)
            msg = f"{name} has shape {found}, that of VGG-16 has {wanted}"
            raise ValueError(msg)
        parameter.copy_(tensors[name])
    return convolution


def _window_mean(images: Tensor) -> Tensor:
    """Weigh pixels (M, Y, X) around every one with a Gaussian, rows first."""
    offsets = torch.arange(-_WINDOW_RADIUS_PX, _WINDOW_RADIUS_PX + 1).to(images)
    window = (-(offsets / _WINDOW_SIGMA_PX).square() / 2).exp()
    window = window / window.sum()
    rows = F.conv2d(images[:, None], window[None, None, None, :])
    return F.conv2d(rows, window[None, None, :, None])[:, 0]
