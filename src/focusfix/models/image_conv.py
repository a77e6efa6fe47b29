"""The first and the last convolution of networks: they see images, and make them.

Features in between may be of few bits; images may not. bfloat16 has eight binary digits, which
leave 128 grey values between one half and one. What a first convolution rounds off is the same for
all features, and does not average out; what a last one rounds off is seen. Networks that add a
change to their input lose less, as the sum keeps the digits of the input.
"""

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.amp import is_autocast_available
from torch.nn import functional as F


class FromImage(nn.Conv2d):
    """A convolution of an image in the format of its weights, under autocast as well."""

    def forward(self, image: Tensor) -> Tensor:
        """Make features.

        Parameters
        ----------
        image : Tensor, shape (N, C, Y, X)
            In any floating-point format.

        Returns
        -------
        Tensor, shape (N, out_channels, Y', X')
            In the format of autocast, where it is on.
        """
        device = image.device.type
        features = _convolve_exactly(self, image)
        if is_autocast_available(device) and torch.is_autocast_enabled(device):
            return features.to(torch.get_autocast_dtype(device))
        return features


class ToImage(nn.Conv2d):
    """A convolution to an image in the format of its weights, under autocast as well."""

    def forward(self, features: Tensor) -> Tensor:
        """Make an image.

        Parameters
        ----------
        features : Tensor, shape (N, C, Y, X)
            In any floating-point format.

        Returns
        -------
        Tensor, shape (N, out_channels, Y', X')
            In the format of the weights.
        """
        # OpenVINO rounds what convolutions return, but not what a function after them does; this
        # one is the identity.
        return F.leaky_relu(_convolve_exactly(self, features), 1.0)


def _convolve_exactly(layer: nn.Conv2d, seen: Tensor) -> Tensor:
    device = seen.device.type
    known = is_autocast_available(device)  # not on "meta", where sizes are counted
    with torch.autocast(device, enabled=False) if known else nullcontext():
        made: Tensor = nn.Conv2d.forward(layer, seen.to(layer.weight.dtype))
    return made
