"""What networks have in common that code what is seen and its blur apart."""

from abc import abstractmethod
from typing import NamedTuple

from torch import Tensor

from focusfix.errors import ModelError
from focusfix.models.base import Restorer


class Codes(NamedTuple):
    """What a disentangled model makes of images.

    Parameters
    ----------
    identity : Tensor, shape (N, K, Y', X')
        What is seen, whatever the blur.
    blur : Tensor, shape (N, B, Y', X') or (N, B)
        How far out of focus it is, whatever is seen.
    """

    identity: Tensor
    blur: Tensor


class DisentangledModel(Restorer):
    """A network with one code for what is seen and another one for its blur.

    Attributes
    ----------
    focus_code : Tensor, shape (B, 1, 1) or (B,)
        Mean blur code of in-focus training images, saved with the weights; zeros before training.
    focus_images : Tensor, shape (), int64
        Number of images of which it is the mean; 0 as long as there is none.

    Notes
    -----
    The footprint is that of :meth:`forward`, the reconstruction. Decoding with a given blur code,
    which is how images are deblurred, synthesised and interpolated, reaches no farther; the blur
    code of an image may depend on all of it.
    """

    focus_code: Tensor
    focus_images: Tensor

    @property
    def knows_focus(self) -> bool:
        """Whether the blur code of images in focus is stored."""
        return int(self.focus_images) > 0

    @abstractmethod
    def encode(self, image: Tensor) -> Codes:
        """Turn images (N, 1, Y, X), scaled to a nominal [0, 1], into their two codes."""

    @abstractmethod
    def decode(self, identity: Tensor, blur: Tensor) -> Tensor:
        """Turn an identity code and a blur code into images (N, 1, Y, X).

        Blur codes (N, B, 1, 1) or (N, B) hold for the whole image; those of one image, (1, ...),
        for all images.
        """

    @abstractmethod
    def encode_identity(self, image: Tensor) -> Tensor:
        """Turn images (N, 1, Y, X) into the code of what is seen alone."""

    def forward(self, image: Tensor) -> Tensor:
        """Reconstruct images (N, 1, Y, X) from their own codes."""
        return self.decode(*self.encode(image))

    def deblur_image(self, image: Tensor, focus_code: Tensor | None = None) -> Tensor:
        """Deblur images by decoding them with an in-focus blur code.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Out-of-focus images; Y and X are multiples of the stride.
        focus_code : Tensor, shape (B, ...) or (1 or N, B, ...), optional
            Blur code to swap in, of one image or one for each; the stored one when not given.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)

        Raises
        ------
        ModelError
            If there is neither a given nor a stored code.
        """
        code = self.focus_code if focus_code is None else focus_code
        if focus_code is None and not self.knows_focus:
            raise ModelError(
                "These weights hold no blur code of images in focus.",
                "Name an image in focus with --in-focus-reference, or train the model to its end.",
            )
        if code.ndim == self.focus_code.ndim:
            code = code.unsqueeze(0)
        return self.decode(self.encode_identity(image), code)

    def set_focus_code(self, blur: Tensor) -> None:
        """Store the mean of the blur codes of in-focus images.

        Parameters
        ----------
        blur : Tensor, shape (N, B, Y', X') or (N, B)
            Their blur codes; N >= 1.
        """
        self.focus_code.copy_(position_free(blur).mean(dim=0))
        self.focus_images.fill_(len(blur))


def position_free(blur: Tensor) -> Tensor:
    """Average blur codes over the image, so that they fit images of any size.

    Parameters
    ----------
    blur : Tensor, shape (N, B, Y', X') or (N, B)
        Blur codes; those without positions are returned as they are.

    Returns
    -------
    Tensor, shape (N, B, 1, 1) or (N, B)
    """
    return blur.mean(dim=(-2, -1), keepdim=True) if blur.ndim == 4 else blur
