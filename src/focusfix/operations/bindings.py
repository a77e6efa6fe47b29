"""Bind a model and its parameters: one network-like thing for each operation, ready to run.

Everything here takes and returns networks; which options and files the parameters come from is
the business of the command line.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from focusfix.config import Ability, CheckpointHeader
from focusfix.engine.tiles import reflect_positions
from focusfix.errors import ModelError
from focusfix.models.registry import list_entries

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from focusfix.models.base import Restorer
    from focusfix.models.line_model import LatentLineModel
    from focusfix.models.two_code_model import DisentangledModel
    from focusfix.runtime.device import Device
    from focusfix.runtime.executor import NetworkFunction

    Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Execution:
    """Where and how networks run.

    Parameters
    ----------
    device : Device
        Where to run.
    precision, runtime
        As in `focusfix.runtime.executor.build_tile_function`.
    """

    device: "Device"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    runtime: Literal["auto", "torch", "openvino"] = "auto"


def check_ability(header: CheckpointHeader, ability: Ability, name: str) -> None:
    """Refuse a model that was not trained for an operation.

    Parameters
    ----------
    header : CheckpointHeader
        Of the weights.
    ability : {"deblur", "synthesize-blur", "interpolate"}
        What is wanted.
    name : str
        What to call the weights in the message.

    Raises
    ------
    ModelError
        If the model cannot do it; the message names the networks that can.
    """
    if ability in header.abilities:
        return
    able = [entry.name for entry in list_entries() if ability in entry.abilities]
    raise ModelError(
        f"{name} was trained to {', '.join(header.abilities)}, not to {ability}.",
        f"Choose weights of a network that can: {', '.join(able)}. "
        "focusfix models list shows the weights there are.",
    )


def build_function(
    binding: "Restorer", execution: Execution, *, images: int = 1
) -> "NetworkFunction":
    """Make a network or a binding ready to restore tiles.

    Parameters
    ----------
    binding : Restorer
        Put in evaluation mode and moved.
    execution : Execution
        Where and how it runs.
    images : int
        Images that it takes at once.

    Returns
    -------
    NetworkFunction
        Maps (N, ``images``, Y, X) float32, nominal range [0, 1], to (N, 1, Y, X); the margin of
        exact networks, which is thrown away, comes back as zeros.

    Raises
    ------
    DeviceError
        If the runtime cannot be had.
    """
    from focusfix.runtime.executor import build_tile_function

    footprint = binding.footprint
    return build_tile_function(
        binding,
        device=execution.device,
        precision=execution.precision,
        runtime=execution.runtime,
        margin_px=footprint.halo_px if footprint.exact else 0,
        images=images,
    )


def bind_extrapolation(
    network: "LatentLineModel", *, alpha: float, psf: "Plane | None" = None
) -> "Restorer":
    """Bind deblurring by a latent-line model.

    Parameters
    ----------
    network : LatentLineModel
        With its weights.
    alpha : float
        Position of the sharper image between the image in focus (1) and the blurrier one (0);
        0 < alpha <= 1. At 1 the image is in focus already and comes back as it is.
    psf : ndarray of float32, shape (S, S), S odd, optional
        Makes the blurrier image out of the sharper one; without it, two images are needed.

    Returns
    -------
    Restorer
        Of one image with ``psf``, of two without.

    Raises
    ------
    ValueError
        If alpha is out of range.
    """
    from focusfix.models.bound_line import ChosenImage, PairExtrapolation

    if alpha == 1:
        return ChosenImage(0, network)
    return _with_copy(PairExtrapolation(network, alpha=alpha, psf=_tensor(psf)), psf)


def bind_interpolation(
    network: "LatentLineModel", *, alpha: float, psf: "Plane | None" = None
) -> "Restorer":
    """Bind the synthesis of a blur between two by a latent-line model.

    Parameters
    ----------
    network : LatentLineModel
        With its weights.
    alpha : float
        Weight of the sharper image, 0 to 1. At 1 it comes back as it is, at 0 the blurrier one.
    psf : ndarray of float32, shape (S, S), S odd, optional
        As for :func:`bind_extrapolation`.

    Returns
    -------
    Restorer
        Of one image with ``psf``, of two without.

    Raises
    ------
    ValueError
        If alpha is out of range.
    """
    from focusfix.models.bound_line import ChosenImage, PairInterpolation

    if alpha == 1:
        return ChosenImage(0)
    if not alpha:
        return _with_copy(ChosenImage(1), psf)
    return _with_copy(PairInterpolation(network, alpha=alpha, psf=_tensor(psf)), psf)


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


def fit_to_stride(plane: "Plane", stride_px: int) -> "Plane":
    """Cut a plane evenly to multiples of a stride; one that is smaller is continued by reflection.

    Parameters
    ----------
    plane : ndarray of float32, shape (Y, X)
        Scaled intensities.
    stride_px : int
        Grid that the result fits; pixels.

    Returns
    -------
    ndarray of float32, shape (Y', X')
        A copy.
    """
    import numpy as np

    rows, columns = (_fitting(length, stride_px) for length in plane.shape)
    return np.ascontiguousarray(plane[rows[:, None], columns])


def _fitting(length: int, stride_px: int) -> "npt.NDArray[np.intp]":
    if length < stride_px:
        return reflect_positions(0, stride_px, length)
    rest = length % stride_px
    return reflect_positions(rest // 2, length - rest + rest // 2, length)


def run_whole(binding: "Restorer", images: "Plane", device: "Device") -> "Plane":
    """Run a binding once, on one window and without tiles.

    Parameters
    ----------
    binding : Restorer
        Put in evaluation mode and moved.
    images : ndarray of float32, shape (C, Y, X)
        Scaled intensities of one field; Y and X are multiples of the stride.
    device : Device
        Where to run.

    Returns
    -------
    ndarray of float32, shape (Y, X)
    """
    import torch

    binding.eval().to(device.name)
    with torch.inference_mode():
        restored = binding(torch.from_numpy(images)[None].to(device.name))
    plane: Plane = restored[0, 0].float().cpu().numpy()
    return plane


def estimate_alpha(
    network: "LatentLineModel", images: "Plane", psf: "Plane | None", device: "Device"
) -> float | None:
    """Ask a latent-line model for the alpha that it takes for best.

    Parameters
    ----------
    network : LatentLineModel
        One with a method ``best_alpha(sharper, blurrier, psf) -> float`` has an opinion.
    images : ndarray of float32, shape (1 or 2, Y, X)
        The sharper image, and the blurrier one unless ``psf`` makes it.
    psf : ndarray of float32, shape (S, S), S odd, optional
        As for :func:`bind_extrapolation`.
    device : Device
        Where to run.

    Returns
    -------
    float or None
        None if the model has no opinion.
    """
    import torch

    from focusfix.models.bound_line import blur_image

    ask = getattr(network, "best_alpha", None)
    if ask is None:
        return None
    network.eval().to(device.name)
    with torch.inference_mode():
        ends = torch.from_numpy(images)[:, None].to(device.name)
        blurrier = ends[1:]
        if psf is None:
            return float(ask(ends[:1], blurrier))
        kernel = torch.from_numpy(psf).to(device.name)
        return float(ask(ends[:1], blur_image(ends[:1], kernel[None, None]), kernel))


def _tensor(psf: "Plane | None") -> "Tensor | None":
    import torch

    return None if psf is None else torch.from_numpy(psf)


def _with_copy(pair: "Restorer", psf: "Plane | None") -> "Restorer":
    import torch

    from focusfix.models.bound_line import WithBlurredCopy

    return pair if psf is None else WithBlurredCopy(pair, torch.from_numpy(psf))
