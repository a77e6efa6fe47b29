"""A two-way network turned round, ready for tiles."""

from torch import Tensor

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.models.two_way_model import TwoWayModel


class Reversed(Restorer):
    """Blur every image.

    Parameters
    ----------
    network : TwoWayModel
        With its weights.
    """

    def __init__(self, network: TwoWayModel) -> None:
        super().__init__()
        self.network = network
        self.hyperparameters = {}

    @property
    def footprint(self) -> Footprint:
        """That of the network, which holds for both ways."""
        return self.network.footprint

    def forward(self, image: Tensor) -> Tensor:
        """Blur images (N, C, Y, X)."""
        return self.network.blur_image(image)
