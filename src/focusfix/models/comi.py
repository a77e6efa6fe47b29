r"""COMI: two generators, one of which deblurs what the other one blurs.

Each one looks at the image on [-1, 1] and says what to add to it,

.. math:: G(x) = x + \tfrac12 \tanh\big(g(2 x - 1)\big)

in units of the nominal range: two strided convolutions, residual blocks at a quarter of the size
and two doublings. Every normalisation takes its mean and variance from all of the image that the
network sees, so that each output pixel depends on all of it: tiles are not exactly what the whole
image gives, and neighbouring ones are blended.

References
----------
Jiang, COMI (public code jiangdat/COMI): layers, widths and paddings of the generators.
Ulyanov et al., "Instance normalization: the missing ingredient for fast stylization",
arXiv:1607.08022, 2016.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import check_choice, check_image, check_integer
from focusfix.models.reach import Span, farthest_reach
from focusfix.models.two_way_model import TwoWayModel

_MOST = {"channels": 8, "base_width": 256, "blocks": 32}
_NORMS = ("per-channel", "whole-sample")
_STRIDE_PX = 4
_EPSILON = 1e-6
_OUTER_KERNEL_PX = 7


class WholeSampleNorm(nn.Module):
    """Normalise each sample over its pixels and channels together.

    One gain and one offset for all channels, which is what the published code does where it says
    instance normalisation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise features (N, K, Y, X)."""
        return F.group_norm(features, 1, eps=_EPSILON) * self.gain + self.offset


class PaddedHalving(nn.Module):
    """Convolve with a 3x3 kernel and stride 2, on a border of zeros below and to the right.

    That is where the published code has it; torch's own padding would be above and to the left.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, 3, stride=2)

    def forward(self, features: Tensor) -> Tensor:
        """Halve features (N, K, Y, X)."""
        halved: Tensor = self.convolution(F.pad(features, (0, 1, 0, 1)))
        return halved


class ResidualBlock(nn.Module):
    """Two convolutions, whose result is added to what they see.

    Parameters
    ----------
    width : int
        Feature channels.
    norm : {"per-channel", "whole-sample"}
        Kind of normalisation.
    """

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            _make_norm(width, norm),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            _make_norm(width, norm),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Refine features (N, K, Y, X)."""
        refined: Tensor = features + self.layers(features)
        return refined


class ComiGenerator(nn.Module):
    """Turn images of one kind into images of the other kind.

    Parameters
    ----------
    channels, base_width, blocks, norm
        As for :class:`Comi`.
    """

    stays_eager = True

    def __init__(self, channels: int, base_width: int, blocks: int, norm: str) -> None:
        super().__init__()
        widths = [base_width, 2 * base_width, 4 * base_width]
        layers: list[nn.Module] = [_outer_convolution(channels, base_width)]
        layers += [_make_norm(base_width, norm), nn.ReLU()]
        for before, after in pairwise(widths):
            layers += [PaddedHalving(before, after), _make_norm(after, norm), nn.ReLU()]
        layers += [ResidualBlock(widths[-1], norm) for _ in range(blocks)]
        for before, after in pairwise(widths[::-1]):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1)]
            layers += [_make_norm(after, norm), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = _outer_convolution(base_width, channels)
        with torch.no_grad():
            for parameter in self.head.parameters():
                parameter.zero_()

    def forward(self, image: Tensor) -> Tensor:
        """Change images (N, C, Y, X); changes are within half of the nominal range."""
        change: Tensor = torch.tanh(self.head(self.features(2 * image - 1)))
        return image + change / 2


class Comi(TwoWayModel):
    """Deblur with one generator, blur with the other.

    Parameters
    ----------
    channels : int
        Of the images; 1 to 8.
    base_width : int
        Feature channels at full size, doubled at each of two halvings; 1 to 256.
    blocks : int
        Residual blocks of each generator; 1 to 32.
    norm : {"per-channel", "whole-sample"}
        "per-channel" is instance normalisation; "whole-sample" is what the published code does.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range.

    Notes
    -----
    The last layer starts at zero: an untrained network returns its input.

    The published code adds 0.001 to the standard deviation in its normalisation; here the square of
    that is added to the variance, whose root has a finite slope everywhere.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        base_width: int = 64,
        blocks: int = 9,
        norm: str = "per-channel",
    ) -> None:
        super().__init__()
        self.hyperparameters = {
            "channels": channels,
            "base_width": base_width,
            "blocks": blocks,
            "norm": norm,
        }
        for name, most in _MOST.items():
            check_integer(name, self.hyperparameters[name], most)
        check_choice("norm", norm, _NORMS)
        self.channels, self.blocks = channels, blocks
        self.deblurring = ComiGenerator(channels, base_width, blocks, norm)
        self.blurring = ComiGenerator(channels, base_width, blocks, norm)

    @property
    def footprint(self) -> Footprint:
        """Stride, and reach apart from the normalisation, whose statistics are of all pixels."""
        reach = farthest_reach(self._input_span, _STRIDE_PX)
        return Footprint(reach_px=reach, stride_px=_STRIDE_PX, exact=False)

    def forward(self, image: Tensor) -> Tensor:
        """Deblur images.

        Parameters
        ----------
        image : Tensor, shape (N, C, Y, X)
            Scaled to a nominal [0, 1]; Y and X are multiples of 4.

        Returns
        -------
        Tensor, shape (N, C, Y, X)
            Not clipped.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit the network.
        """
        check_image(image, channels=self.channels, stride_px=_STRIDE_PX)
        deblurred: Tensor = self.deblurring(image)
        return deblurred

    def blur_image(self, image: Tensor) -> Tensor:
        """Blur images the way the out-of-focus images of training are.

        Parameters
        ----------
        image : Tensor, shape (N, C, Y, X)
            As for :meth:`forward`.

        Returns
        -------
        Tensor, shape (N, C, Y, X)
            Not clipped.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit the network.
        """
        check_image(image, channels=self.channels, stride_px=_STRIDE_PX)
        blurred: Tensor = self.blurring(image)
        return blurred

    def _input_span(self, output: Span) -> Span:
        """Trace a stretch of the output back to the image."""
        needed = output.before_convolution(_OUTER_KERNEL_PX // 2)
        for _ in range(2):
            needed = needed.before_convolution(1).before_doubling()
        needed = needed.before_convolution(2 * self.blocks)
        for _ in range(2):
            needed = Span(2 * needed.first, 2 * needed.last + 2)
        return needed.before_convolution(_OUTER_KERNEL_PX // 2)


def _outer_convolution(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, _OUTER_KERNEL_PX, padding=_OUTER_KERNEL_PX // 2)


def _make_norm(width: int, norm: str) -> nn.Module:
    """Make a normalisation; one group for each channel is instance normalisation."""
    if norm == "whole-sample":
        return WholeSampleNorm()
    return nn.GroupNorm(width, width, eps=_EPSILON)
