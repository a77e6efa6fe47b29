"""What networks have in common that deblur one way and blur the other way."""

from abc import abstractmethod

from torch import Tensor

from focusfix.models.base import Restorer


class TwoWayModel(Restorer):
    """A network that brings images into focus, and images in focus out of it again.

    Notes
    -----
    :meth:`forward` deblurs. The footprint holds for both ways.
    """

    @abstractmethod
    def blur_image(self, image: Tensor) -> Tensor:
        """Blur images the way the out-of-focus images of training are.

        Parameters
        ----------
        image : Tensor, shape (N, C, Y, X)
            Images in focus, scaled to a nominal [0, 1]; Y and X are multiples of the stride.

        Returns
        -------
        Tensor, shape (N, C, Y, X)
            On the same intensity scale, not clipped.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit the network.
        """
