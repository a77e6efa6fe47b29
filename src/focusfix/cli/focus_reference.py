"""Disentangled models at work: which blur code an image is decoded with."""

from typing import TYPE_CHECKING, Any

from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.model_choice import Choice
from focusfix.cli.model_shelf import BoundModel, ModelShelf
from focusfix.cli.restoration import middle_window
from focusfix.cli.second_image import grey
from focusfix.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor

    from focusfix.cli.choices import NanPolicy
    from focusfix.io.image import ImageReader


def bind_focus_code(
    shelf: ModelShelf, options: DeblurOptions, choice: Choice
) -> tuple[BoundModel, dict[str, Any]]:
    """Make a disentangled model ready to deblur.

    Parameters
    ----------
    shelf : ModelShelf
        Loads the network.
    options : DeblurOptions
        With ``--in-focus-reference``, where it is given.
    choice : Choice
        The weights and the channels that they are for.

    Returns
    -------
    bound : BoundModel
        Takes one image.
    details : dict
        Where the code is from, for the sidecar.

    Raises
    ------
    InputError
        If the reference cannot be read.
    ModelError
        If no reference is given and the weights hold no code.
    """
    from focusfix.operations.bindings import bind_focus

    path = options.in_focus_reference
    if path is None:
        network: Any = shelf.load(choice).network
        if not network.knows_focus:
            raise ModelError(
                f"{choice.path} holds no blur code of images in focus.",
                "Name an image in focus with --in-focus-reference, or train the model to its end.",
            )
        return shelf.bind(choice, bind_focus), {"focus_code": "stored"}
    from focusfix.io.checksums import file_sha256

    code = read_code(shelf, choice, path, options.axes, options.nan_policy)
    bound = shelf.bind(
        choice, lambda network: bind_focus(network, focus_code=code), key=(path, choice.channels)
    )
    reference = {"path": str(path), "sha256": file_sha256(path)}
    return bound, {"focus_code": "reference", "in_focus_reference": reference}


def read_code(
    shelf: ModelShelf,
    choice: Choice,
    path: "Path",
    axes: str | None,
    nan_policy: "NanPolicy",
) -> "Tensor":
    """Read the blur code of an image, on a scale of its own, from its middle.

    Channels that the image does not have are read from its first one.

    Raises
    ------
    InputError
        If the image cannot be read or holds one grey value only.
    """
    from focusfix.cli.scales import usual_scales
    from focusfix.io.image import open_image

    with open_image(path, axes=axes) as reader:
        survey = usual_scales(reader, choice, nan_policy, shelf.console)
        channel = choice.channels[0] if choice.channels[0] < reader.metadata.axis_size("C") else 0
        plane = next(each for each in reader.metadata.planes if each.channel == channel)
        scale = survey.scales[plane.position]
        window = scale.apply(_middle(reader, channel))
    return code_of(shelf, choice, window)


def code_of(shelf: ModelShelf, choice: Choice, window: "np.ndarray") -> "Tensor":
    """Read the blur code of scaled intensities, shape (Y, X)."""
    from focusfix.operations.bindings import read_blur_code

    network: Any = shelf.load(choice).network
    return read_blur_code(network, window)


def _middle(reader: "ImageReader", channel: int) -> "np.ndarray":
    return grey(middle_window(reader, channel))
