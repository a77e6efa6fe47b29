r"""Features of an image changed by a distance: what makes a U-Net a refocuser.

A distance :math:`d`, scaled to its range, is described by a small network :math:`e(d)`. In every
block it turns into a gain and an offset of each feature channel,

.. math:: f' = \big(1 + \gamma(e(d))\big) \odot f + \beta(e(d)),

which start at zero: an untrained network does not heed the distance. A distance may differ from
pixel to pixel; it is then averaged to the size of the features.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WAVES = 3


class DistanceCode(nn.Module):
    """Describe distances by features.

    Parameters
    ----------
    width : int
        Number of features.
    range_um : float
        Distance that is scaled to one; micrometres.
    """

    def __init__(self, width: int, range_um: float) -> None:
        super().__init__()
        self.range_um = range_um
        self.layers = nn.Sequential(
            nn.Conv2d(2 + 2 * _WAVES, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU()
        )

    def forward(self, dz_um: Tensor) -> Tensor:
        """Turn distances (N, 1, Y, X) in micrometres into features (N, width, Y, X)."""
        scaled = dz_um / self.range_um
        waves = [math.pi * number * scaled for number in range(1, _WAVES + 1)]
        described = [scaled, scaled.abs()]
        described += [turn(wave) for wave in waves for turn in (torch.sin, torch.cos)]
        features: Tensor = self.layers(torch.cat(described, dim=1))
        return features


class ModulatedConvolutions(nn.Module):
    """Two convolutions of 3x3 with ReLU; the distance changes what the first one finds.

    Parameters
    ----------
    before, between, after : int
        Channels of the input, of the features between the convolutions, and of the output.
    code_width : int
        Features of the distance.
    """

    def __init__(self, before: int, between: int, after: int, code_width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, between, 3, padding=1)
        self.second = nn.Conv2d(between, after, 3, padding=1)
        self.modulation = nn.Conv2d(code_width, 2 * between, 1)
        nn.init.zeros_(self.modulation.weight)
        assert self.modulation.bias is not None
        nn.init.zeros_(self.modulation.bias)

    def forward(self, features: Tensor, code: Tensor) -> Tensor:
        """Convolve features (N, before, Y, X), given the code of their distance.

        Parameters
        ----------
        features : Tensor, shape (N, before, Y, X)
            What is convolved.
        code : Tensor, shape (N, code_width, 1, 1) or (N, code_width, Y, X)
            From :class:`DistanceCode`.

        Returns
        -------
        Tensor, shape (N, after, Y, X)
            None of them negative.
        """
        gain, offset = self.modulation(code).chunk(2, dim=1)
        found = F.relu_(self.first(features) * (1 + gain) + offset)
        return F.relu_(self.second(found))


def distance_map(dz_um: float | Tensor, image: Tensor) -> Tensor:
    """Bring distances to one shape.

    Parameters
    ----------
    dz_um : float or Tensor, shape (N,), (N, M) or (N, M, Y, X)
        Micrometres; one for all, for each image, for each plane, or for each pixel.
    image : Tensor, shape (N, M, Y, X)
        What they belong to.

    Returns
    -------
    Tensor, shape (N, M, 1, 1) or (N, M, Y, X)

    Raises
    ------
    ValueError
        If the shape is another one.
    """
    count, planes, height, width = image.shape
    distances = torch.as_tensor(dz_um, dtype=image.dtype, device=image.device)
    if distances.ndim == 0:
        return distances.expand(count, planes, 1, 1)
    if distances.shape == (count,):
        return distances[:, None, None, None].expand(count, planes, 1, 1)
    if distances.shape == (count, planes):
        return distances[:, :, None, None]
    if distances.shape == (count, planes, height, width):
        return distances
    msg = f"distances of shape {tuple(distances.shape)} do not fit images {tuple(image.shape)}"
    raise ValueError(msg)


def halve(dz_um: Tensor) -> Tensor:
    """Average distances (N, 1, Y, X) over 2x2 pixels; (N, 1, 1, 1) stays as it is."""
    return dz_um if is_flat(dz_um) else F.avg_pool2d(dz_um, 2)


def is_flat(distances: Tensor) -> bool:
    """Tell whether distances, or codes of them, are the same for all pixels of an image."""
    return distances.shape[-2:] == (1, 1)
