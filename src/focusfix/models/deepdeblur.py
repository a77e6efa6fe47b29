r"""DeepDeblur: chains of residual blocks at three sizes of the image, coarse to fine.

Level 1 works at full size, level n at :math:`1/2^{n-1}` of it. No level changes its size inside;
each sees its image and the enlarged prediction of the coarser level:

.. math:: y_n = C_n\big([x_n,\ \uparrow y_{n+1}]\big), \qquad y_N = C_N(x_N)

The enlarging is learned: a 5x5 convolution to four times the channels, which a pixel shuffle lays
out in space. Images enter less mid-grey, 0.5, and get it back in the end. There is no shortcut
from image to image.

The published code makes its pyramid with a Gaussian; here it is 2x2 means, which are also what the
loss compares the coarser predictions with.

References
----------
Nah, Kim and Lee, "Deep multi-scale convolutional neural network for dynamic scene deblurring",
CVPR 2017.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer, check_image, check_integer
from focusfix.models.image_conv import FromImage, ToImage
from focusfix.models.reach import Span, farthest_reach, join

_MOST = {"scales": 5, "blocks": 64, "width": 1024, "in_channels": 64, "out_channels": 64}
_KERNEL_PX = 5
_RADIUS_PX = _KERNEL_PX // 2
_MID_GREY = 0.5


class DeepDeblur(Restorer):
    """Restore an image by one chain of residual blocks per level of an image pyramid.

    Parameters
    ----------
    scales : int
        Number of sizes; 1 to 5.
    blocks : int
        Residual blocks at each size; 1 to 64.
    width : int
        Feature channels; 1 to 1024.
    in_channels, out_channels : int
        Channels of the input and of the restored image; 1 to 64.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range.

    Notes
    -----
    For RGB images the defaults have the published 11,721,321 parameters.
    """

    def __init__(
        self,
        *,
        scales: int = 3,
        blocks: int = 19,
        width: int = 64,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.hyperparameters = {
            "scales": scales,
            "blocks": blocks,
            "width": width,
            "in_channels": in_channels,
            "out_channels": out_channels,
        }
        for name, most in _MOST.items():
            check_integer(name, self.hyperparameters[name], most)
        self.scales, self.blocks, self.in_channels = scales, blocks, in_channels
        self.chains = nn.ModuleList(
            _chain(
                in_channels + (out_channels if level < scales else 0), width, out_channels, blocks
            )
            for level in range(1, scales + 1)
        )
        self.enlarge = nn.ModuleList(
            nn.Sequential(_convolution(out_channels, 4 * out_channels), nn.PixelShuffle(2))
            for _ in range(1, scales)
        )

    @property
    def footprint(self) -> Footprint:
        r"""Reach and stride, traced back through all levels.

        A chain of b blocks widens what is needed by :math:`c = 2 (2 + 2 b)` pixels of its own
        size, an enlarging by 2 of the coarser one. So the reach is about
        :math:`c + 2 (2 + c) + 4 (2 + c)` pixels for three levels, on a stride of
        :math:`2^{N-1} = 4` pixels: 575 for the defaults, with the snapping to the grid.
        """
        stride = 2 ** (self.scales - 1)
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
        return self.training_outputs(image)[0]

    def training_outputs(self, image: Tensor) -> list[Tensor]:
        """Restore a batch of images at every size.

        Parameters
        ----------
        image : Tensor, shape (N, in_channels, Y, X)
            As for :meth:`forward`.

        Returns
        -------
        list of Tensor, shapes (N, out_channels, Y / 2^(n-1), X / 2^(n-1))
            Predictions of levels n = 1, 2, ...: finest first.
        """
        check_image(image, channels=self.in_channels, stride_px=2 ** (self.scales - 1))
        pyramid = [image - _MID_GREY]
        for _ in range(1, self.scales):
            pyramid.append(F.avg_pool2d(pyramid[-1], 2))
        outputs = [self.chains[-1](pyramid[-1])]
        for level in range(self.scales - 1, 0, -1):
            coarser = self.enlarge[level - 1](outputs[0])
            seen = torch.cat([pyramid[level - 1], coarser], dim=1)
            outputs.insert(0, self.chains[level - 1](seen))
        return [output + _MID_GREY for output in outputs]

    def _input_span(self, output: Span) -> Span:
        """Trace a stretch of the finest prediction back to the full-size image."""
        image: Span | None = None
        prediction = output
        for level in range(1, self.scales + 1):
            seen = prediction.before_convolution(_RADIUS_PX * (2 + 2 * self.blocks))
            prediction = seen.before_doubling().before_convolution(_RADIUS_PX)
            for _ in range(1, level):
                seen = seen.before_pooling()
            image = join(image, seen)
        return join(image)


class ResidualBlock(nn.Module):
    """Two convolutions with a ReLU between them, whose result is added to their input.

    Parameters
    ----------
    width : int
        Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width, width), nn.ReLU(inplace=True), _convolution(width, width)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Refine features, shape (N, width, Y, X)."""
        change: Tensor = self.body(features)
        return change.add_(features)


def _chain(seen: int, width: int, out_channels: int, blocks: int) -> nn.Sequential:
    """Build the network of one level."""
    return nn.Sequential(
        FromImage(seen, width, _KERNEL_PX, padding=_RADIUS_PX),
        *(ResidualBlock(width) for _ in range(blocks)),
        ToImage(width, out_channels, _KERNEL_PX, padding=_RADIUS_PX),
    )


def _convolution(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, _KERNEL_PX, padding=_RADIUS_PX)
