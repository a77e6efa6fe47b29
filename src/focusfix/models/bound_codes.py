"""Disentangled models with a blur code bound: what is seen in the image, blurred as the code says.

Deblurring binds the code of images in focus, synthesis that of a blurrier image, interpolation a
mix of two.
"""

import torch
from torch import Tensor

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.models.two_code_model import DisentangledModel, position_free


class SwappedBlur(Restorer):
    """Decode the identity of every image with one given blur code.

    Parameters
    ----------
    network : DisentangledModel
        With its weights.
    blur : Tensor, shape (1, B, 1, 1) or (1, B), optional
        Blur code; the stored one of images in focus when not given.
    """

    blur: Tensor | None

    def __init__(self, network: DisentangledModel, blur: Tensor | None = None) -> None:
        super().__init__()
        self.network = network
        self.hyperparameters = {}
        self.register_buffer("blur", blur)

    @property
    def footprint(self) -> Footprint:
        """That of the network, which is stated for a given blur code."""
        return self.network.footprint

    @property
    def reencoder(self) -> Restorer:
        """The binding itself: what is seen in a result, equally blurred, should be the result."""
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Give images (N, 1, Y, X) the bound blur.

        Raises
        ------
        ModelError
            If there is neither a given nor a stored code.
        """
        return self.network.deblur_image(image, self.blur)


def read_blur(network: DisentangledModel, image: Tensor) -> Tensor:
    """Read the blur code of images, averaged over them and over all places.

    Parameters
    ----------
    network : DisentangledModel
        Put in evaluation mode.
    image : Tensor, shape (N, 1, Y, X)
        Scaled intensities; Y and X are multiples of the stride.

    Returns
    -------
    Tensor, shape (1, B, 1, 1) or (1, B)
    """
    with torch.inference_mode():
        blur = network.eval().encode(image.to(network.focus_code.device)).blur
        return position_free(blur).mean(dim=0, keepdim=True)
