r"""Refocusing from several planes: one to three of them at known distances, in any order.

All planes go through one U-Net encoder whose features their distances change
(:mod:`focusfix.models.modulation`). At every size of the U-Net a hidden state :math:`h` gathers
what they hold: in each round every plane proposes a new state by the same gated recurrent unit,
and the proposals are averaged,

.. math:: h \leftarrow \frac{1}{M} \sum_{m=1}^{M} \mathrm{GRU}\big(h,\ f_m\big).

An average has no order, so the result does not depend on that of the planes, where a unit that is
fed one plane after the other would have to learn it. The decoder turns the states into the wanted
plane, added to the mean of the recorded ones weighed by how near they are.

References
----------
Huang et al., "Recurrent neural network-based volumetric fluorescence microscopy", Light: Science
and Applications 10, 2021 (the task; its fusion is sequential, and its distances are channels).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.models.base import check_image
from focusfix.models.distance_unet import DistanceUNet, double
from focusfix.models.modulation import DistanceCode, ModulatedConvolutions, distance_map, halve

MOST_PLANES = 3
_NEAR_SHARE = 0.05


class RefocusMultiNet(DistanceUNet):
    """Predict a plane from one to three others.

    Parameters
    ----------
    depth : int
        Halvings; 1 to 6.
    base_width : int
        Feature channels at full size, doubled at each halving; 1 to 256.
    code_width : int
        Features that describe a distance; 1 to 512.
    rounds : int
        How often the planes are gone through; 1 to 8.
    range_um : float
        Largest distance that it is meant for; micrometres, above 0.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range.
    """

    most_planes = MOST_PLANES

    def __init__(
        self,
        *,
        depth: int = 4,
        base_width: int = 24,
        code_width: int = 64,
        rounds: int = 2,
        range_um: float = 10.0,
    ) -> None:
        super().__init__(
            {
                "depth": depth,
                "base_width": base_width,
                "code_width": code_width,
                "rounds": rounds,
                "range_um": range_um,
            }
        )
        widths = self.widths
        self.code = DistanceCode(code_width, self.range_um)
        self.encoder = nn.ModuleList(
            ModulatedConvolutions(before, after, after, code_width)
            for before, after in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.fusion = nn.ModuleList(SharedState(width, rounds) for width in widths)
        self.decoder = nn.ModuleList(_double_convolution(3 * width, width) for width in widths[:-1])
        self.head = nn.Conv2d(base_width, 1, 3, padding=1)

    def refocus(self, image: Tensor, dz_um: float | Tensor) -> Tensor:
        """Predict a plane from others.

        Parameters
        ----------
        image : Tensor, shape (N, M, Y, X), M = 1 to 3
            Recorded planes in any order, scaled to a nominal [0, 1]; Y and X are multiples of the
            stride.
        dz_um : float or Tensor, shape (N,), (N, M) or (N, M, Y, X)
            From each recorded plane to the wanted one; micrometres.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)

        Raises
        ------
        ValueError
            If there are more planes, or the size or the shape of the distances does not fit.
        """
        planes = image.shape[1] if image.ndim == 4 else 1
        if planes > MOST_PLANES:
            raise ValueError(f"at most {MOST_PLANES} planes are fused, got {planes}")
        check_image(image, channels=max(planes, 1), stride_px=2**self.depth)
        distances = distance_map(dz_um, image)
        start = self._weigh(image, distances)
        distances = distances.flatten(0, 1)[:, None]
        features, states = image.flatten(0, 1)[:, None], []
        for level, block in enumerate(self.encoder):
            if level > 0:
                features, distances = F.max_pool2d(features, 2), halve(distances)
            features = block(features, self.code(distances))
            states.append(self.fusion[level](features.unflatten(0, (-1, planes))))
        found = states[-1]
        for level in range(self.depth - 1, -1, -1):
            found = self.decoder[level](torch.cat([states[level], double(found)], dim=1))
        change: Tensor = self.head(found)
        return start + change

    def _weigh(self, image: Tensor, distances: Tensor) -> Tensor:
        """Average planes, the nearer ones counting more."""
        weights = 1 / (distances.abs() / self.range_um + _NEAR_SHARE)
        return (image * weights).sum(dim=1, keepdim=True) / weights.sum(dim=1, keepdim=True)


class SharedState(nn.Module):
    """A gated recurrent unit whose proposals for all planes are averaged, pixel by pixel.

    Parameters
    ----------
    width : int
        Channels of the features and of the state.
    rounds : int
        How often it is applied; the state starts at zero.
    """

    def __init__(self, width: int, rounds: int) -> None:
        super().__init__()
        self.rounds = rounds
        self.gates = nn.Conv2d(2 * width, 2 * width, 1)
        self.candidate = nn.Conv2d(2 * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Fuse features (N, M, width, Y, X) >= 0 of M planes into a state (N, width, Y, X)."""
        count, planes = features.shape[:2]
        seen = features.flatten(0, 1)
        seen = seen / (1 + seen)  # between 0 and 1, so that bright planes do not jam the gates
        state = torch.zeros_like(features[:, 0])
        for _ in range(self.rounds):
            known = state.repeat_interleave(planes, dim=0)
            keep, reset = self.gates(torch.cat([known, seen], dim=1)).sigmoid().chunk(2, dim=1)
            fresh = self.candidate(torch.cat([reset * known, seen], dim=1)).tanh()
            proposed = keep * known + (1 - keep) * fresh
            state = proposed.unflatten(0, (count, planes)).mean(dim=1)
        return state


def _double_convolution(before: int, after: int) -> nn.Sequential:
    """Build two 3x3 convolutions, each followed by ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1),
        nn.ReLU(inplace=True),
    )
