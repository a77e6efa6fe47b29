"""Latent-line models at work: from where to where, and how far, an image is extrapolated."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from focusfix.cli.blurrier_end import BlurrierEnd, Defocus, choose_end, scaled_middle
from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.lens import lens_psf
from focusfix.cli.model_choice import BoundModel, Choice, ModelShelf
from focusfix.cli.second_image import SecondImage

if TYPE_CHECKING:
    import numpy as np

    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageReader
    from focusfix.operations.alpha import AlphaSearch
    from focusfix.optics import OpticsSettings

SELF_BLUR_SHARE = 0.5
"""Part of the largest blur in training that a self-blurred copy gets."""


def bind_line(
    shelf: ModelShelf,
    options: DeblurOptions,
    reader: "ImageReader",
    choice: Choice,
    survey: "Survey",
    second: SecondImage | None,
    alpha: float | None,
) -> tuple[BoundModel, dict[str, Any]]:
    """Make a latent-line model ready to deblur one image.

    Parameters
    ----------
    shelf : ModelShelf
        Loads the network, and tells what was chosen.
    options : DeblurOptions
        With the lens and the defocus of a self-blurred copy.
    reader : ImageReader
        The image.
    choice : Choice
        The weights and the channels that they are for.
    survey : Survey
        Scales of the image.
    second : SecondImage, optional
        The blurrier image; a copy of the image is blurred when not given.
    alpha : float, optional
        Position of the image on the line; tried out when not given.

    Returns
    -------
    bound : BoundModel
        Takes two images if there is a second one, else one.
    details : dict
        The parameters, for the sidecar.

    Raises
    ------
    UsageError
        If a copy is to be blurred and the pixel size is unknown, or the lens is impossible.
    """
    from focusfix.latent.line import noise_gain
    from focusfix.operations.bindings import bind_extrapolation

    end = choose_end(
        options,
        reader,
        choice.header,
        second,
        Defocus("--self-blur-um", options.self_blur_um, SELF_BLUR_SHARE),
        shelf.console,
    )
    details: dict[str, Any] = {"alpha_from": "given"}
    if alpha is None:
        search = _search(shelf, reader, choice, survey, end)
        alpha = search.alpha
        details = {"alpha_from": "auto", "alpha_search": asdict(search)}
        _tell_choice(reader, search, shelf.console)
    chosen, psf = alpha, end.psf
    bound = shelf.bind(
        choice,
        lambda network: bind_extrapolation(network, alpha=chosen, psf=psf),
        images=1 if second is None else 2,
        key=(chosen, end.optics, end.dz_um),
    )
    gain = noise_gain(alpha) if second is not None else None
    return bound, {"alpha": alpha, **details, "noise_gain": gain, **end.describe()}


def _search(
    shelf: ModelShelf, reader: "ImageReader", choice: Choice, survey: "Survey", end: BlurrierEnd
) -> "AlphaSearch":
    """Try alphas on the middle of the image, around what the model takes for best if it says so."""
    from focusfix.operations.alpha import (
        ALPHAS,
        AROUND_PAIRS,
        CONTRAST_SHARE,
        CONTRAST_SHARE_OF_COPIES,
        CONTRAST_SHARE_OF_PAIRS,
        alphas_around,
        search_alpha,
    )
    from focusfix.operations.bindings import bind_extrapolation, estimate_alpha, run_whole

    device = shelf.execution(choice).device
    network: Any = shelf.load(choice).network
    images = scaled_middle(reader, choice, survey, end, network.footprint.stride_px)
    psf = end.psf

    def deblur(alpha: float) -> "np.ndarray":
        return run_whole(bind_extrapolation(network, alpha=alpha, psf=psf), images, device)

    estimate = estimate_alpha(network, images, psf, device)
    psfs = reblurring_psfs(end.optics)
    if estimate is None:
        return search_alpha(images[0], deblur, psfs, ALPHAS, CONTRAST_SHARE)
    if end.second is None:
        alphas, share = alphas_around(estimate), CONTRAST_SHARE_OF_COPIES
    else:
        alphas, share = alphas_around(estimate, AROUND_PAIRS), CONTRAST_SHARE_OF_PAIRS
    return search_alpha(images[0], deblur, psfs, alphas, share)


def reblurring_psfs(lens: "OpticsSettings") -> "list[np.ndarray]":
    """Compute the kernels that results are blurred again with, from none to the widest."""
    import numpy as np

    from focusfix.operations.alpha import RADII_PX
    from focusfix.optics import blur_radius_px

    um_per_px = 1 / blur_radius_px(lens, 1.0)
    none = np.ones((1, 1), np.float32)
    return [lens_psf(lens, radius * um_per_px) if radius else none for radius in RADII_PX]


def _tell_choice(reader: "ImageReader", search: "AlphaSearch", console: Console) -> None:
    if search.alpha == 1:
        console.warning(
            f"{reader.path}: no alpha makes the image sharper and still explains it, so it is left "
            "as it is; give --alpha to insist"
        )
        return
    trial = next(each for each in search.trials if each.alpha == search.alpha)
    console.note(
        f"{reader.path}: alpha {search.alpha:g} makes it {trial.sharpness_gain:.2f} times as "
        f"sharp; blurred again it differs by {trial.residual:.4f} of the intensity range"
    )
