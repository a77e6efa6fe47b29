"""The last convolution of networks whose output is the image itself."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ImageConv2d(nn.Conv2d):
    """A convolution from features to an image, in the format of its weights.

    Features may be of few bits. An image of 16 bits may not: bfloat16 has eight binary digits, and
    would leave 128 grey values between one half and one. Networks that add a change to their input
    do not need it, as the sum keeps the digits of the input.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Make an image.

        Parameters
        ----------
        features : Tensor, shape (N, C, Y, X)
            In any floating-point format.

        Returns
        -------
        Tensor, shape (N, out_channels, Y, X)
            In the format of the weights, under autocast as well.
        """
        with torch.autocast(features.device.type, enabled=False):
            image = super().forward(features.to(self.weight.dtype))
        # OpenVINO rounds what convolutions return, but not what a function after them does; this
        # one is the identity.
        return F.leaky_relu(image, 1.0)
