"""Latent-line models at work: from where to where, and how far, an image is extrapolated."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from focusfix.cli.blurrier_end import BlurrierEnd, Defocus, choose_end, scaled_middle
from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.model_choice import Choice
from focusfix.cli.model_shelf import BoundModel, ModelShelf
from focusfix.cli.second_image import SecondImage

if TYPE_CHECKING:
    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageReader
    from focusfix.operations.alpha import AlphaSearch

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
    """Try alphas on the middle of the image."""
    from focusfix.operations.line_alpha import LineTrial

    network: Any = shelf.load(choice).network
    images = scaled_middle(reader, choice, survey, end, network.footprint.stride_px)
    return LineTrial(network, images, end.psf, shelf.execution(choice).device).choose_alpha(
        end.optics
    )


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
