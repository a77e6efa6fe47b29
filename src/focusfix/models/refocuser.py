"""What networks have in common that refocus to a distance."""

from abc import abstractmethod
from typing import Literal

from torch import Tensor

from focusfix.models.base import Restorer, cut_margin


class Refocuser(Restorer):
    """A network that turns an image into the one at another distance from its plane.

    Attributes
    ----------
    range_um : float
        Largest distance, either way, that it is meant for; micrometres.
    sign : {"stage", "focus"}
        What positive distances mean: higher z-levels, or away from focus.
    most_planes : int
        Recorded planes that it takes at most.
    """

    range_um: float
    most_planes: int = 1
    sign: Literal["stage", "focus"] = "stage"

    @abstractmethod
    def refocus(self, image: Tensor, dz_um: float | Tensor) -> Tensor:
        """Predict the images at other distances.

        Parameters
        ----------
        image : Tensor, shape (N, M, Y, X)
            Recorded planes, scaled to a nominal [0, 1]; M = 1 unless the network takes several.
        dz_um : float or Tensor, shape (N,), (N, M) or (N, M, Y, X)
            From each recorded plane to the wanted one, with the network's sign; a wanted surface
            has a distance at every pixel. Micrometres.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)
        """

    def refocus_core(self, image: Tensor, dz_um: float | Tensor, margin_px: int) -> Tensor:
        """Predict all but the margin of images, which serves as context.

        Parameters
        ----------
        image, dz_um : Tensor
            As for :meth:`refocus`.
        margin_px : int
            Pixels on every side that are not wanted; a multiple of the stride.

        Returns
        -------
        Tensor, shape (N, 1, Y - 2 * margin_px, X - 2 * margin_px)
            What :meth:`refocus` gives there.
        """
        return cut_margin(self.refocus(image, dz_um), margin_px)

    def forward(self, image: Tensor) -> Tensor:
        """Predict the recorded plane itself: refocus images (N, M, Y, X) by nothing."""
        return self.refocus(image, 0.0)
