r"""How far each pixel of a restored image can be believed: signs of trouble, and what they mean.

The signs of a restoration :math:`\hat y` of an image :math:`x`, pixel by pixel:

=============  ==========================================================================
spread         how much the result changes when the image is mirrored or transposed first
re-blur        what is left between the image and the result blurred again
change         how much was changed, :math:`|\hat y - x|`
contrast       standard deviation of the result nearby
re-encoding    what is left between the result and what its own code gives, for models that have
               an encoder: :math:`|D(E(\hat y)) - \hat y|`
blur           blur radius of the image there, in units of 10 pixels, and its square
=============  ==========================================================================

The re-blur residual does not see what the blur destroys: structure in the null space of the blur
passes it by definition. Spread, change and blur radius do: where much was destroyed much has to be
guessed, and guesses differ. The error to expect is

.. math:: E = \exp\Big(\sum_i a_i \log(f_i + \epsilon) + b_1 r + b_2 r^2 + c\Big)

with weights fitted on fields that the network was not trained on (:mod:`focusfix.metrics.trust`).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.models.latent_line import LatentLine
from focusfix.models.reach import Span, farthest_reach

SIGNS = ("spread", "re-blur", "change", "contrast", "blur", "blur squared")
"""What is measured of every model, in the order of the weights; a constant follows."""

SIGNS_WITH_ENCODER = (*SIGNS[:4], "re-encoding", *SIGNS[4:])
"""The same for models with an encoder."""

_DOUBTS = ("spread", "re-blur", "re-encoding")
_FLOOR = 1e-4
_NEAR_PX = 4
_RADIUS_UNIT_PX = 10.0


class TrustSigns(Restorer):
    """Measure the signs of trouble of a restoration.

    Parameters
    ----------
    network : Restorer
        Restores one image; with its weights.
    reader : LatentLine
        Reads blur and blurs again; with its weights.
    """

    def __init__(self, network: Restorer, reader: LatentLine) -> None:
        super().__init__()
        self.network = network
        self.reader = reader
        self.hyperparameters = {}

    @property
    def names(self) -> tuple[str, ...]:
        """What is measured, in the order of the weights; a constant follows."""
        return SIGNS if self.network.reencoder is None else SIGNS_WITH_ENCODER

    @property
    def footprint(self) -> Footprint:
        """Reach of the network, then of blurring or encoding again and of the means nearby."""
        network, reader = self.network.footprint, self.reader.footprint
        stride = math.lcm(network.stride_px, reader.stride_px)
        beyond = self.reader.ladder.support_px
        encoder = self.network.reencoder
        if encoder is not None:
            stride = math.lcm(stride, encoder.footprint.stride_px)
            beyond = max(beyond, encoder.footprint.halo_px)
        reading = farthest_reach(self._reading_span, stride)
        reach = max(network.halo_px + beyond + _NEAR_PX, reading)
        return Footprint(reach_px=reach, stride_px=stride, exact=network.exact)

    def _reading_span(self, output: Span) -> Span:
        return self.reader.blur_span(output.before_convolution(_NEAR_PX))

    def forward(self, image: Tensor) -> Tensor:
        """Measure the signs.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Scaled intensities; Y and X are multiples of the stride.

        Returns
        -------
        Tensor, shape (N, S + 1, Y, X)
            Those of :attr:`names`, all but the blur as logarithms, and a one.
        """
        turned = [self._restored(image, turn) for turn in range(4)]
        restored = turned[0]
        spread = torch.stack(turned).std(dim=0)
        again, radius = self.reader.blur_like(restored, image)
        radius = radius / _RADIUS_UNIT_PX
        mean = _near(restored)
        contrast = (_near(restored.square()) - mean.square()).clamp_min(0).sqrt()
        sizes = [_near(spread), _near((again - image).abs()), _near((restored - image).abs())]
        sizes.append(contrast)
        if self.network.reencoder is not None:
            sizes.append(_near((self.network.reencoder(restored) - restored).abs()))
        logs = [torch.log(each + _FLOOR) for each in sizes]
        return torch.cat([*logs, radius, radius.square(), torch.ones_like(radius)], dim=1)

    def _restored(self, image: Tensor, turn: int) -> Tensor:
        """Restore the image mirrored, transposed or both, and turn the result back."""
        mirrored = image.flip(-1) if turn & 1 else image
        there = mirrored.mT if turn & 2 else mirrored
        back: Tensor = self.network(there.contiguous())
        back = back.mT if turn & 2 else back
        return back.flip(-1) if turn & 1 else back


class TrustMap(Restorer):
    """Turn signs into the error to expect, or into an uncalibrated sum of them.

    Parameters
    ----------
    signs : TrustSigns
        What is measured.
    weights : sequence of float, optional
        Of the signs and the constant; None where none were fitted. The map is then the largest
        of spread, re-blur residual and re-encoding error, which is no estimate of the error.

    Raises
    ------
    ValueError
        If the number of weights is not that of the signs and the constant.
    """

    def __init__(self, signs: TrustSigns, weights: Sequence[float] | None) -> None:
        super().__init__()
        if weights is not None and len(weights) != len(signs.names) + 1:
            msg = f"expected {len(signs.names) + 1} weights, got {len(weights)}"
            raise ValueError(msg)
        self.signs = signs
        self.weights = None if weights is None else tuple(weights)
        self.hyperparameters = {}

    @property
    def footprint(self) -> Footprint:
        """That of the signs."""
        return self.signs.footprint

    def forward(self, image: Tensor) -> Tensor:
        """Add the map to the image, of which the engine keeps the difference.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            As for :class:`TrustSigns`.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)
            The image plus the error to expect, on the nominal scale.
        """
        signs = self.signs(image)
        if self.weights is None:
            doubts = [self.signs.names.index(name) for name in _DOUBTS if name in self.signs.names]
            return image + torch.exp(signs[:, doubts]).amax(dim=1, keepdim=True)
        weights = torch.tensor(self.weights, dtype=signs.dtype, device=signs.device)
        return image + torch.exp((signs * weights[:, None, None]).sum(dim=1, keepdim=True))


def _near(image: Tensor) -> Tensor:
    """Average over a square of 9 x 9 pixels."""
    side = 2 * _NEAR_PX + 1
    return F.avg_pool2d(image, side, stride=1, padding=_NEAR_PX, count_include_pad=False)
