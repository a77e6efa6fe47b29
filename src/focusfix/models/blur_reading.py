r"""Tell the blur radius of every neighbourhood from the code of its power spectrum.

The code (:class:`~focusfix.models.local_wiener.LocalWiener`) was made to choose filters; two more
layers turn it into a radius and a spread. Readings of 7 x 7 neighbourhoods are averaged, each
weighed by :math:`1 / \sigma^2`. Regression pulls readings towards those that are frequent; a
monotone calibration, fitted on known blur, pulls them back.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.models.reach import Span

FARTHEST_PX = 36.0
"""Blur radii are told up to this one; pixels."""

KNOTS = 13
_UNIT_PX = 10.0
_AROUND = 3
_SMALLEST_SPREAD_PX = 0.1


class BlurReading(nn.Module):
    """A radius and its spread for every neighbourhood.

    Parameters
    ----------
    code_width : int
        Channels of the code.
    hidden : int
        Channels between the two layers.

    Attributes
    ----------
    calibration : Tensor, shape (13,)
        What readings of 0, 3, 6, ... 36 pixels stand for; ascending; pixels.
    """

    calibration: Tensor

    def __init__(self, code_width: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(code_width, hidden, 1)
        self.second = nn.Conv2d(hidden, 2, 1)
        self.register_buffer("calibration", torch.linspace(0, FARTHEST_PX, KNOTS))

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Read blur radii.

        Parameters
        ----------
        code : Tensor, shape (N, code_width, Y, X)
            Of the neighbourhoods.

        Returns
        -------
        radius_px : Tensor, shape (N, 1, Y, X)
            Of the disc whose transfer falls to one half where that of the blur does; 0 to 36.
        spread_px : Tensor, shape (N, 1, Y, X)
            Expected absolute error of a single neighbourhood, averaged like the radii.
        """
        radius, spread = self.read(code)
        weights = spread.square().reciprocal()
        total = _mean_around(weights)
        return (
            self.calibrated(_mean_around(radius * weights) / total),
            _mean_around(spread * weights) / total,
        )

    def read(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Read each neighbourhood on its own, before averaging and calibration; as above."""
        radius, spread = F.softplus(self.second(F.relu(self.first(code)))).chunk(2, dim=1)
        share = radius / (1 + radius)
        return FARTHEST_PX * share, _UNIT_PX * spread + _SMALLEST_SPREAD_PX

    def calibrated(self, radius_px: Tensor) -> Tensor:
        """Map readings to what they stand for, piecewise linearly; any shape."""
        knots = torch.linspace(0, FARTHEST_PX, KNOTS).to(self.calibration)
        return interpolate_knots(radius_px, knots, self.calibration)

    @staticmethod
    def code_span(cells: Span) -> Span:
        """Trace readings back to codes."""
        return cells.before_convolution(_AROUND)


def interpolate_knots(values: Tensor, knots: Tensor, heights: Tensor) -> Tensor:
    """Evaluate a piecewise linear function, constant beyond its first and last knot.

    Parameters
    ----------
    values : Tensor
        Where; any shape.
    knots, heights : Tensor, shape (K,)
        Ascending knots, and the function there.

    Returns
    -------
    Tensor
        Shape of ``values``.
    """
    inside = values.clamp(float(knots[0]), float(knots[-1])).contiguous()
    above = torch.searchsorted(knots, inside.detach(), right=True).clamp(1, len(knots) - 1)
    left, right = knots[above - 1], knots[above]
    share = (inside - left) / (right - left)
    return heights[above - 1] + share * (heights[above] - heights[above - 1])


def _mean_around(cells: Tensor) -> Tensor:
    side = 2 * _AROUND + 1
    return F.avg_pool2d(cells, side, stride=1, padding=_AROUND, count_include_pad=False)
