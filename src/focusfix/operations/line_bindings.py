"""Bind models that move codes along a line: how far, and between which images."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from focusfix.models.base import Restorer
    from focusfix.models.line_model import LatentLineModel
    from focusfix.runtime.device import Device

    Plane = npt.NDArray[np.float32]


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
