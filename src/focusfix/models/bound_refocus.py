"""Refocusers with their distances bound, ready for tiles."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.models.refocuser import Refocuser


class _Bound(Restorer):
    """A refocuser that is told its distances otherwise than by its caller."""

    def __init__(self, network: Refocuser) -> None:
        super().__init__()
        self.network = network
        self.hyperparameters = {}

    @property
    def footprint(self) -> Footprint:
        """That of the network, which holds for surfaces as for levels."""
        return self.network.footprint

    @abstractmethod
    def split(self, image: Tensor) -> tuple[Tensor, float | Tensor]:
        """Split what the engine hands over into planes and their distances; micrometres."""

    def forward(self, image: Tensor) -> Tensor:
        """Refocus a batch of what `split` takes."""
        return self.network.refocus(*self.split(image))

    def restore_core(self, image: Tensor, margin_px: int) -> Tensor:
        """Refocus all but the margin; see the base class."""
        return self.network.refocus_core(*self.split(image), margin_px)


class AtDistance(_Bound):
    """Predict the plane at one distance from every image.

    Parameters
    ----------
    network : Refocuser
        With its weights.
    dz_um : float
        From the image to the wanted plane; micrometres.
    """

    def __init__(self, network: Refocuser, dz_um: float) -> None:
        super().__init__(network)
        self.dz_um = dz_um

    def split(self, image: Tensor) -> tuple[Tensor, float | Tensor]:
        """Take images (N, 1, Y, X)."""
        return image, self.dz_um


class AtSurface(_Bound):
    """Predict a surface whose distance from the image differs from pixel to pixel.

    Parameters
    ----------
    network : Refocuser
        With its weights.
    """

    def split(self, image: Tensor) -> tuple[Tensor, float | Tensor]:
        """Take images with their distances (N, 2, Y, X), the latter as shares of the range."""
        return image[:, :1], image[:, 1:] * self.network.range_um


class FromPlanes(_Bound):
    """Predict a plane from several at fixed distances.

    The engine adds what a network changes to the image that it restores. That image comes first
    and need not be one of the planes, so that any plane can be made from any others.

    Parameters
    ----------
    network : Refocuser
        With its weights; takes as many planes.
    distances_um : sequence of float
        From each plane to the wanted one; micrometres.
    """

    def __init__(self, network: Refocuser, distances_um: Sequence[float]) -> None:
        super().__init__(network)
        self.distances_um = tuple(distances_um)

    def split(self, image: Tensor) -> tuple[Tensor, float | Tensor]:
        """Take the planes that follow an image (N, 1 + M, Y, X)."""
        distances = torch.tensor(self.distances_um, device=image.device)
        return image[:, 1:], distances.expand(len(image), -1)
