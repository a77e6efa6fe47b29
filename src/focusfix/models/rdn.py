r"""The residual dense network: many small convolutions, each of which sees all before it.

A block stacks the output of every convolution beside its input, merges the stack by a 1x1
convolution and adds its own input; the outputs of all blocks are merged in the same way:

.. math::

    F_{d,c} &= \mathrm{ReLU}\big(W_{d,c} * [F_{d-1}, F_{d,1}, \dots, F_{d,c-1}]\big) \\
    F_d &= F_{d-1} + V_d [F_{d-1}, F_{d,1}, \dots, F_{d,C}] \\
    y &= W_{out} * \big(F_{-1} + W_g * V_g [F_1, \dots, F_D]\big)

The published network ends in an upsampler for super-resolution. Deblurring keeps the size, so here
it ends in a convolution, as in the networks that defocus papers compare with.

References
----------
Zhang, Tian, Kong, Zhong and Fu, "Residual dense network for image super-resolution", CVPR 2018.
Zhao et al., cited by Wang and Han, arXiv:2201.02876, for the deblurring of micrographs with it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer, check_image, check_integer
from focusfix.models.image_conv import FromImage, ToImage

_MOST = {
    "blocks": 64,
    "layers": 32,
    "growth": 512,
    "width": 1024,
    "in_channels": 64,
    "out_channels": 64,
}


class ResidualDenseNetwork(Restorer):
    """Restore an image at full size throughout.

    Parameters
    ----------
    blocks : int
        Residual dense blocks, D; 1 to 64.
    layers : int
        Convolutions in each block, C; 1 to 32.
    growth : int
        Channels that each of them adds; 1 to 512.
    width : int
        Channels between blocks; 1 to 1024.
    in_channels, out_channels : int
        Channels of the input and of the restored image; 1 to 64.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range.

    Notes
    -----
    Two settings are common: 20 blocks of 6 layers with growth 32 (the default; 5.47 million
    parameters) and 16 blocks of 8 layers with growth 64 (21.97 million).
    """

    def __init__(
        self,
        *,
        blocks: int = 20,
        layers: int = 6,
        growth: int = 32,
        width: int = 64,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.hyperparameters = {
            "blocks": blocks,
            "layers": layers,
            "growth": growth,
            "width": width,
            "in_channels": in_channels,
            "out_channels": out_channels,
        }
        for name, most in _MOST.items():
            check_integer(name, self.hyperparameters[name], most)
        self.layers, self.in_channels = layers, in_channels
        self.shallow = FromImage(in_channels, width, 3, padding=1)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.blocks = nn.ModuleList(DenseBlock(width, growth, layers) for _ in range(blocks))
        self.merge = nn.Sequential(
            nn.Conv2d(blocks * width, width, 1), nn.Conv2d(width, width, 3, padding=1)
        )
        self.head = ToImage(width, out_channels, 3, padding=1)

    @property
    def footprint(self) -> Footprint:
        """Reach and stride: a pixel per 3x3 convolution on the longest path, and no grid."""
        return Footprint(reach_px=4 + len(self.blocks) * self.layers, stride_px=1)

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of images.

        Parameters
        ----------
        image : Tensor, shape (N, in_channels, Y, X)
            Intensities scaled to a nominal [0, 1]; Y, X >= 1.

        Returns
        -------
        Tensor, shape (N, out_channels, Y, X)

        Raises
        ------
        ValueError
            If the number of channels does not fit, or there are no pixels.
        """
        check_image(image, channels=self.in_channels, stride_px=1)
        shallow = self.shallow(image)
        features = self.first(shallow)
        outputs = []
        for block in self.blocks:
            features = block(features)
            outputs.append(features)
        restored: Tensor = self.head(shallow + self.merge(torch.cat(outputs, dim=1)))
        return restored


class DenseBlock(nn.Module):
    """Convolutions of 3x3 that each see the block's input and all outputs before their own.

    Parameters
    ----------
    width : int
        Channels of the input and of the output.
    growth : int
        Channels that each convolution adds.
    layers : int
        Number of convolutions.
    """

    def __init__(self, width: int, growth: int, layers: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width + index * growth, growth, 3, padding=1) for index in range(layers)
        )
        self.merge = nn.Conv2d(width + layers * growth, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Add what the block has found to its input.

        Parameters
        ----------
        features : Tensor, shape (N, width, Y, X)
            Output of the block before.

        Returns
        -------
        Tensor, shape (N, width, Y, X)
        """
        stack = [features]
        for convolution in self.convolutions:
            stack.append(F.relu(convolution(torch.cat(stack, dim=1))))
        merged: Tensor = self.merge(torch.cat(stack, dim=1))
        return features + merged
