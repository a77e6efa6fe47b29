"""The networks that tell made images from recorded ones, for the training of COMI."""

from torch import Tensor, nn

from focusfix.models.base import check_integer

_WIDEST = 256
_LEAK = 0.2
_EPSILON, _MOMENTUM = 1e-3, 0.01
_HIDDEN_WIDTHS = 16

LEAST_CROP_PX = 32
"""Crops below it leave batch normalisation a single value per channel."""


class ComiCritic(nn.Module):
    """Judge patches of images: near 1 for recorded ones, near 0 for made ones.

    Four 4x4 convolutions that halve and two that do not, with batch normalisation after all but
    the first and the last, and leaky ReLU; at every place, two dense layers follow on the one
    value that is left.

    Parameters
    ----------
    channels : int
        Of the images; 1 to 8.
    base_width : int
        Channels of the first layer, 64 in the published code; 1 to 256.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    def __init__(self, channels: int = 1, base_width: int = 64) -> None:
        super().__init__()
        check_integer("channels", channels, 8)
        check_integer("base_width", base_width, _WIDEST)
        w, hidden = base_width, _HIDDEN_WIDTHS * base_width
        self.layers = nn.Sequential(
            nn.Conv2d(channels, w, 4, stride=2, padding=1),
            nn.LeakyReLU(_LEAK),
            *_halve(w, w),
            *_halve(w, 2 * w),
            *_halve(2 * w, 4 * w),
            *_patch_convolution(4 * w, 8 * w),
            *_normalise(8 * w),
            *_patch_convolution(8 * w, 1),
            nn.Conv2d(1, hidden, 1),
            nn.Tanh(),
            nn.Conv2d(hidden, 1, 1),
            nn.Sigmoid(),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Judge images (N, C, Y, X); returns (N, 1, Y / 16, X / 16) between 0 and 1."""
        judged: Tensor = self.layers(2 * image - 1)
        return judged


class ComiCritics(nn.Module):
    """Two critics: one knows recorded images in focus, the other one those out of focus.

    Parameters
    ----------
    channels, base_width : int
        As for :class:`ComiCritic`.
    """

    def __init__(self, channels: int = 1, base_width: int = 64) -> None:
        super().__init__()
        self.sharp = ComiCritic(channels, base_width)
        self.blurry = ComiCritic(channels, base_width)

    def forward(self, sharp: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """Judge images that claim to be in focus, and such that claim to be out of it."""
        return self.sharp(sharp), self.blurry(blurry)


def _halve(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 4, stride=2, padding=1), *_normalise(after)


def _normalise(width: int) -> tuple[nn.Module, ...]:
    return nn.BatchNorm2d(width, eps=_EPSILON, momentum=_MOMENTUM), nn.LeakyReLU(_LEAK)


def _patch_convolution(before: int, after: int) -> tuple[nn.Module, ...]:
    """Convolve with a 4x4 kernel and keep the size: three zeros, two of them at the far end."""
    return nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(before, after, 4)
