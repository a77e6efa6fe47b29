r"""The CARE network: a small U-Net that predicts what to add to the image.

.. math:: y = x + U(x)

It is the network that most fluorescence labs know, with the defaults of its toolbox CSBDeep: two
halvings, 32 channels at full size, 5x5 convolutions with ReLU, no normalisation. Halving is by
maximum, doubling by repetition; the output is not bounded.

References
----------
Weigert et al., "Content-aware image restoration: pushing the limits of fluorescence microscopy",
Nature Methods 15, 2018.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer, check_image, check_integer, cut_margin
from focusfix.models.decoder_margins import decoder_margins
from focusfix.models.image_conv import FromImage, ToImage
from focusfix.models.reach import Span, farthest_reach, join

_MOST = {"depth": 6, "base_width": 512, "kernel_px": 15, "in_channels": 64, "out_channels": 64}


class CareUNet(Restorer):
    """Restore an image by adding what a U-Net predicts to it.

    Parameters
    ----------
    depth : int
        Halvings; 1 to 6.
    base_width : int
        Feature channels at full size, doubled at each halving; 1 to 512.
    kernel_px : int
        Side of the kernels, odd; 1 to 15.
    residual : bool
        Whether the image is added to the prediction.
    in_channels, out_channels : int
        Channels of the input and of the restored image, equal unless ``residual`` is off; 1 to 64.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range, or the image cannot be added to the prediction.
    """

    def __init__(
        self,
        *,
        depth: int = 2,
        base_width: int = 32,
        kernel_px: int = 5,
        residual: bool = True,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.hyperparameters = {
            "depth": depth,
            "base_width": base_width,
            "kernel_px": kernel_px,
            "residual": residual,
            "in_channels": in_channels,
            "out_channels": out_channels,
        }
        for name, most in _MOST.items():
            check_integer(name, self.hyperparameters[name], most)
        _check_form(kernel_px, residual, in_channels, out_channels)
        self.depth, self.radius_px = depth, kernel_px // 2
        self.residual, self.in_channels = residual, in_channels
        widths = [base_width * 2**level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(
            _double_convolution(
                before, after, after, kernel_px, first=nn.Conv2d if level else FromImage
            )
            for level, (before, after) in enumerate(pairwise([in_channels, *widths[:-1]]))
        )
        self.middle = _double_convolution(widths[-2], widths[-1], widths[-2], kernel_px)
        self.decoder = nn.ModuleList(
            _double_convolution(
                2 * widths[level], widths[level], widths[max(level - 1, 0)], kernel_px
            )
            for level in range(depth)
        )
        self.head = ToImage(base_width, out_channels, 1)

    @property
    def footprint(self) -> Footprint:
        r"""Reach and stride, traced back through the U-Net.

        Two kernels of radius r at each of n + 1 sizes on the way down and n on the way up, and
        the snapping to the grid of :math:`2^n` pixels: 43 pixels for the defaults.
        """
        stride = 2**self.depth
        return Footprint(reach_px=farthest_reach(self._input_span, stride), stride_px=stride)

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of images.

        Parameters
        ----------
        image : Tensor, shape (N, in_channels, Y, X)
            Intensities scaled to a nominal [0, 1]; Y and X are multiples of the stride.

        Returns
        -------
        Tensor, shape (N, out_channels, Y, X)

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit.
        """
        return self.restore_core(image, 0)

    def restore_core(self, image: Tensor, margin_px: int) -> Tensor:
        """Restore all but the margin, which the decoder leaves out early; see the base class."""
        check_image(image, channels=self.in_channels, stride_px=2**self.depth)
        features, skips = image, []
        for block in self.encoder:
            skips.append(block(features))
            features = F.max_pool2d(skips[-1], 2)
        margins = decoder_margins(margin_px, self.depth + 1, 2 * self.radius_px)
        features = cut_margin(self.middle(features), margins[-1].there - margins[-1].wanted)
        for level in range(self.depth - 1, -1, -1):
            there, seen_px, wanted = margins[level]
            doubled = F.interpolate(features, scale_factor=2.0, mode="nearest")
            larger = cut_margin(doubled, 2 * margins[level + 1].wanted - seen_px)
            skip = cut_margin(skips.pop(), there - seen_px)
            features = self.decoder[level](torch.cat([larger, skip], dim=1))
            features = cut_margin(features, seen_px - wanted)
        prediction: Tensor = self.head(features)
        return cut_margin(image, margin_px) + prediction if self.residual else prediction

    def _input_span(self, output: Span) -> Span:
        """Trace a stretch of the output back to the image."""
        needed, skips = output, []
        for _ in range(self.depth):
            skips.append(needed.before_convolution(2 * self.radius_px))
            needed = skips[-1].before_doubling()
        needed = needed.before_convolution(2 * self.radius_px)
        for skip in reversed(skips):
            handed_on = join(skip, needed.before_pooling())
            needed = handed_on.before_convolution(2 * self.radius_px)
        return needed


def _check_form(kernel_px: int, residual: object, in_channels: int, out_channels: int) -> None:
    """Refuse kernels without a middle, and a sum of images with different channels."""
    if kernel_px % 2 == 0:
        msg = f"kernel_px must be odd, got {kernel_px}"
        raise ValueError(msg)
    if not isinstance(residual, bool):
        msg = f"residual must be true or false, got {residual!r}"
        raise ValueError(msg)
    if residual and in_channels != out_channels:
        msg = f"residual needs as many out_channels as in_channels, got {out_channels}"
        raise ValueError(msg)


def _double_convolution(
    before: int, between: int, after: int, kernel_px: int, *, first: type[nn.Conv2d] = nn.Conv2d
) -> nn.Sequential:
    """Build two convolutions, each followed by ReLU."""
    layers: list[nn.Module] = []
    for kind, seen, made in ((first, before, between), (nn.Conv2d, between, after)):
        layers += [kind(seen, made, kernel_px, padding=kernel_px // 2), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
