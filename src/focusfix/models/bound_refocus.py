"""A refocuser with its distance bound, ready for tiles."""

from torch import Tensor

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.models.refocuser import Refocuser


class AtDistance(Restorer):
    """Predict the plane at one distance from every image.

    Parameters
    ----------
    network : Refocuser
        With its weights.
    dz_um : float
        From the image to the wanted plane; micrometres.
    """

    def __init__(self, network: Refocuser, dz_um: float) -> None:
        super().__init__()
        self.network = network
        self.dz_um = dz_um
        self.hyperparameters = {}

    @property
    def footprint(self) -> Footprint:
        """That of the network, which is stated for one distance everywhere."""
        return self.network.footprint

    def forward(self, image: Tensor) -> Tensor:
        """Refocus images (N, 1, Y, X)."""
        return self.network.refocus(image, self.dz_um)
