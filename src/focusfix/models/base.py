"""What every network has in common: how to rebuild it, how far it looks, what it returns."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from focusfix.footprint import Footprint


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
    def is_compilable(self) -> bool:
        """Whether a compiler may have the network: none of its modules says ``stays_eager``.

        Fourier transforms are several times slower compiled, what a filter bank leaves out because
        no pixel needs it would be left out for every image, and OpenVINO 2026.4 crashes on
        normalisation channel by channel.
        """
        return not any(getattr(module, "stays_eager", False) for module in self.modules())

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

    @property
    def reencoder(self) -> "Restorer | None":
        """What encodes and decodes results of this network once more; None without an encoder.

        A result that the network knows comes back as it is; what does not come back is not in
        its code.
        """
        return None

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
