"""What every network has in common: how to rebuild it, how far it looks, what it returns."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from focusfix.errors import ModelError
from focusfix.footprint import Footprint
from focusfix.latent.line import extrapolate_latents, interpolate_latents


class Restorer(nn.Module, ABC):
    """A network that turns an image into a restored image of the same size.

    Attributes
    ----------
    hyperparameters : dict of str to JSON value
        Keyword arguments that build this network again; complete.

    Notes
    -----
    Subclasses take keyword-only hyperparameters, check them with :class:`ValueError`, and use
    nothing but these and torch's global random state to set themselves up: the same
    hyperparameters and seed give the same weights.
    """

    hyperparameters: dict[str, object]

    @property
    @abstractmethod
    def footprint(self) -> Footprint:
        """Reach and stride, computed from the hyperparameters; holds in evaluation mode."""

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of images.

        Parameters
        ----------
        image : Tensor, shape (N, C_in, Y, X)
            Intensities scaled to a nominal [0, 1]; Y and X are multiples of the stride.

        Returns
        -------
        Tensor, shape (N, C_out, Y, X)
            Restored images on the same intensity scale, not clipped.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit the network.
        """

    def restore_core(self, image: Tensor, margin_px: int) -> Tensor:
        """Restore all but the margin of a batch of images, which serves as context.

        Parameters
        ----------
        image : Tensor, shape (N, C_in, Y, X)
            As for :meth:`forward`.
        margin_px : int
            Pixels on every side that are not wanted; a multiple of the stride.

        Returns
        -------
        Tensor, shape (N, C_out, Y - 2 * margin_px, X - 2 * margin_px)
            What :meth:`forward` gives there. Networks that need less context late than early can
            save the rest.
        """
        return cut_margin(self(image), margin_px)

    def training_outputs(self, image: Tensor) -> list[Tensor]:
        """Return all outputs that take part in the loss, finest first.

        Parameters
        ----------
        image : Tensor, shape (N, C_in, Y, X)
            As for :meth:`forward`.

        Returns
        -------
        list of Tensor
            The restored image first; then, for networks of several scales, those at 1/2, 1/4, ...
            of the size.
        """
        return [self(image)]


class LatentLineModel(Restorer):
    """A network whose codes move along a straight line as the blur of a field changes.

    Notes
    -----
    Alpha is the weight of the sharper image everywhere: 1 for it, 0 for the blurrier one
    (``docs/decisions/0002-meaning-of-alpha.md``).
    """

    @abstractmethod
    def encode(self, image: Tensor) -> Tensor:
        """Turn images (N, 1, Y, X), scaled to a nominal [0, 1], into codes (N, K, Y', X')."""

    @abstractmethod
    def decode(self, code: Tensor) -> Tensor:
        """Turn codes, or points on lines through them, into images (N, 1, Y, X)."""

    def forward(self, image: Tensor) -> Tensor:
        """Reconstruct images (N, 1, Y, X) from their own codes, with the blur they have."""
        return self.decode(self.encode(image))

    def encode_ends(
        self,
        sharper: Tensor,
        blurrier: Tensor,
        psf: Tensor | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """Turn the two ends of a line into codes.

        Parameters
        ----------
        sharper, blurrier : Tensor, shape (N, 1, Y, X)
            The ends, on one intensity scale; Y and X are multiples of the stride.
        psf : Tensor, shape (S, S), optional
            The point-spread function that made the blurrier image out of the sharper one, if it
            was made so. Models that know where blurring moves a code can use it.

        Returns
        -------
        sharper : Tensor, shape (N, K, Y', X')
            Code of the sharper image.
        blurrier : Tensor, shape (N, K, Y', X')
            Code of the blurrier one.
        """
        codes = self.encode(torch.cat([sharper, blurrier]))
        return codes[: len(sharper)], codes[len(sharper) :]

    def interpolate_images(
        self,
        sharper: Tensor,
        blurrier: Tensor,
        *,
        alpha: float | Tensor,
        psf: Tensor | None = None,
    ) -> Tensor:
        """Synthesise the image between two of one field.

        Parameters
        ----------
        sharper, blurrier : Tensor, shape (N, 1, Y, X)
            The ends, as for :meth:`encode_ends`.
        alpha : float or Tensor, shape (N,)
            Weight of the sharper image; 0 to 1.
        psf : Tensor, shape (S, S), optional
            As for :meth:`encode_ends`.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)

        References
        ----------
        Mazilu, Wang et al., CAIP 2023, eq. (1).
        """
        codes = self.encode_ends(sharper, blurrier, psf)
        return self.decode(interpolate_latents(*codes, alpha=alpha))

    def extrapolate_images(
        self,
        sharper: Tensor,
        blurrier: Tensor,
        *,
        alpha: float | Tensor,
        psf: Tensor | None = None,
    ) -> Tensor:
        """Deblur: continue the line through two images of one field to the focal plane.

        Parameters
        ----------
        sharper, blurrier : Tensor, shape (N, 1, Y, X)
            The ends, as for :meth:`encode_ends`.
        alpha : float or Tensor, shape (N,)
            Position of ``sharper`` between the unseen image in focus (1) and ``blurrier`` (0);
            0 < alpha <= 1.
        psf : Tensor, shape (S, S), optional
            As for :meth:`encode_ends`.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)

        References
        ----------
        Mazilu, Wang et al., CAIP 2023, eq. (2).
        """
        codes = self.encode_ends(sharper, blurrier, psf)
        return self.decode(extrapolate_latents(*codes, alpha=alpha))


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


class Refocuser(Restorer):
    """A network that turns an image into the one at another distance from its plane.

    Attributes
    ----------
    range_um : float
        Largest distance, either way, that it is meant for; micrometres.
    """

    range_um: float

    @abstractmethod
    def refocus(self, image: Tensor, dz_um: float | Tensor) -> Tensor:
        """Predict the images at other distances.

        Parameters
        ----------
        image : Tensor, shape (N, M, Y, X)
            Recorded planes, scaled to a nominal [0, 1]; M = 1 unless the network takes several.
        dz_um : float or Tensor, shape (N,), (N, M) or (N, M, Y, X)
            From each recorded plane to the wanted one, positive towards higher z-levels; a wanted
            surface has a distance at every pixel. Micrometres.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)
        """

    def forward(self, image: Tensor) -> Tensor:
        """Predict the recorded plane itself: refocus images (N, M, Y, X) by nothing."""
        return self.refocus(image, 0.0)


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


def cut_margin(image: Tensor, margin_px: int) -> Tensor:
    """Leave out the outermost pixels on every side of images (N, C, Y, X)."""
    height, width = image.shape[-2:]
    return image[..., margin_px : height - margin_px, margin_px : width - margin_px]


def check_image(image: Tensor, *, channels: int, stride_px: int) -> None:
    """Refuse a batch that does not fit a network.

    Parameters
    ----------
    image : Tensor, shape (N, C, Y, X)
        What the network was called with.
    channels : int
        Number of channels that it takes.
    stride_px : int
        Grid that Y and X must be multiples of; pixels.

    Raises
    ------
    ValueError
        If the batch is not four-dimensional, has another number of channels, is empty, or has a
        size off the grid.
    """
    if image.ndim != 4 or image.shape[1] != channels:
        msg = f"expected shape (N, {channels}, Y, X), got {tuple(image.shape)}"
        raise ValueError(msg)
    height, width = image.shape[-2:]
    if min(height, width) < stride_px or height % stride_px or width % stride_px:
        msg = f"height and width must be multiples of {stride_px} px, got {height} x {width}"
        raise ValueError(msg)


def check_integer(name: str, value: object, most: int) -> None:
    """Refuse a hyperparameter that is not a whole number from 1 to ``most``.

    Parameters
    ----------
    name : str
        Name of the hyperparameter, for the message.
    value : object
        What was given.
    most : int
        Largest value allowed.

    Raises
    ------
    ValueError
        If it is of another type or out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        msg = f"{name} must be a whole number from 1 to {most}, got {value!r}"
        raise ValueError(msg)


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a hyperparameter that is none of the choices.

    Parameters
    ----------
    name : str
        Name of the hyperparameter, for the message.
    value : object
        What was given.
    choices : tuple of str
        What is allowed.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if value not in choices:
        msg = f"{name} must be one of {', '.join(choices)}, got {value!r}"
        raise ValueError(msg)
