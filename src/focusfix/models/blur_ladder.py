r"""Blur an image by a radius that may differ from place to place.

A ladder of filters, one for each of a row of radii :math:`r_k`, is applied; between rungs the
results are mixed linearly:

.. math:: y(x) = \sum_k \Lambda_k\big(r(x)\big)\, (h_k * s)(x)

with hat functions :math:`\Lambda_k` that are one at :math:`r_k` and zero at the rungs next to it.
The first rung is no blur. Only rungs that some pixel needs are computed.
"""

import torch
from torch import Tensor, nn

from focusfix.models.blur_reading import FARTHEST_PX
from focusfix.models.radial_filter import RadialFilter, with_margin, with_zero_frequency
from focusfix.models.reach import Span

_FIRST_RADIUS_PX = 0.6
_RATIO = 1.13


class BlurLadder(nn.Module):
    """Filters for a row of blur radii, as gains of rings of frequencies.

    Parameters
    ----------
    support_px : int
        Half the side of the filters; pixels.

    Attributes
    ----------
    radii : Tensor, shape (K,)
        Of the rungs, from 0 up; pixels.
    gains : Parameter, shape (K - 1, support_px)
        Of all rungs but the first; begins as uniform discs.
    """

    radii: Tensor

    def __init__(self, support_px: int) -> None:
        super().__init__()
        self.support_px = support_px
        self.radial = RadialFilter(support_px)
        radii = rung_radii()
        self.register_buffer("radii", radii, persistent=False)
        frequencies = torch.arange(1, support_px + 1) / (2 * support_px)
        phase = 2 * torch.pi * radii[1:, None] * frequencies
        self.gains = nn.Parameter((2 * torch.special.bessel_j1(phase) / phase).float())

    def input_span(self, output: Span) -> Span:
        """Trace blurred pixels back to the image."""
        return output.before_convolution(self.support_px)

    def forward(self, image: Tensor, radius_px: Tensor) -> Tensor:
        """Blur a batch of images.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            In focus.
        radius_px : Tensor, shape (N, 1, Y, X)
            Blur radius at each pixel.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)
        """
        place = self.rung_of(radius_px)
        with torch.autocast(image.device.type, enabled=False):
            image = image.float() if image.dtype != torch.float64 else image
            prepared = self.radial.prepare(with_margin(image, 0, self.support_px))
            blurred = image * (1 - place).clamp_min(0)
            rungs = range(int(place.min()) or 1, min(int(place.max()) + 2, len(self.radii)))
            gains = with_zero_frequency(self.gains[rungs.start - 1 : rungs.stop - 1], 1.0)
            for rung, convolved in zip(rungs, prepared.convolved(gains), strict=True):
                share = (1 - (place - rung).abs()).clamp_min(0)
                blurred.addcmul_(share, convolved)
        return blurred

    def rung_of(self, radius_px: Tensor) -> Tensor:
        """Place radii on the ladder, in rungs and parts of them; same shape."""
        radius = radius_px.clamp(0, float(self.radii[-1]) - 1e-3).contiguous()
        above = torch.searchsorted(self.radii.to(radius), radius.detach(), right=True)
        low, high = self.radii.to(radius)[above - 1], self.radii.to(radius)[above]
        return (above - 1) + (radius - low) / (high - low)


def rung_radii() -> Tensor:
    """Space radii by a constant ratio; 0 first, the last one beyond 36 pixels."""
    radii = [0.0, _FIRST_RADIUS_PX]
    while radii[-1] <= FARTHEST_PX:
        radii.append(radii[-1] * _RATIO)
    return torch.tensor(radii)
