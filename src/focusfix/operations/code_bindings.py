"""Bind models with a code for what is seen and one for its blur: which blur is swapped in."""

from typing import TYPE_CHECKING

from focusfix.errors import ModelError
from focusfix.operations.windows import fit_to_stride

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from focusfix.models.base import Restorer
    from focusfix.models.two_code_model import DisentangledModel

    Plane = npt.NDArray[np.float32]


def bind_focus(network: "DisentangledModel", *, focus_code: "Tensor | None" = None) -> "Restorer":
    """Bind deblurring by a disentangled model: what is seen, with the blur of images in focus.

    Parameters
    ----------
    network : DisentangledModel
        With its weights.
    focus_code : Tensor, optional
        Blur code of an image in focus, from :func:`read_blur_code`; the stored one when not given.

    Returns
    -------
    Restorer
        Of one image.

    Raises
    ------
    ModelError
        If no code is given and none is stored.
    """
    from focusfix.models.bound_codes import SwappedBlur

    if focus_code is None and not network.knows_focus:
        raise ModelError(
            "These weights hold no blur code of images in focus.",
            "Name an image in focus with --in-focus-reference, or train the model to its end.",
        )
    return SwappedBlur(network, focus_code)


def bind_blur(
    network: "DisentangledModel", sharper: "Tensor", blurrier: "Tensor", *, alpha: float
) -> "Restorer":
    """Bind the synthesis of a blur by a disentangled model: a mix of two blur codes.

    Parameters
    ----------
    network : DisentangledModel
        With its weights.
    sharper, blurrier : Tensor
        Blur codes from :func:`read_blur_code`.
    alpha : float
        Weight of the sharper code, 0 to 1. At 1 the image comes back as it is.

    Returns
    -------
    Restorer
        Of one image, the sharper one, whose identity is kept.

    Raises
    ------
    ValueError
        If alpha is out of range.
    """
    from focusfix.latent.line import interpolate_latents
    from focusfix.models.bound_codes import SwappedBlur
    from focusfix.models.bound_line import ChosenImage

    if alpha == 1:
        return ChosenImage(0)
    return SwappedBlur(network, interpolate_latents(sharper, blurrier, alpha=alpha))


def read_blur_code(network: "DisentangledModel", plane: "Plane") -> "Tensor":
    """Read how blurred a plane is, as a disentangled model sees it.

    Parameters
    ----------
    network : DisentangledModel
        With its weights, on the CPU.
    plane : ndarray of float32, shape (Y, X)
        Scaled intensities, nominal range [0, 1]. What is left over after multiples of the
        stride is cut off evenly; a plane smaller than the stride is continued by reflection.

    Returns
    -------
    Tensor
        The code, averaged over all places, for :func:`bind_focus` and :func:`bind_blur`.
    """
    import torch

    from focusfix.models.bound_codes import read_blur

    fitted = fit_to_stride(plane, network.footprint.stride_px)
    return read_blur(network, torch.from_numpy(fitted)[None, None])
