"""Latent-line models at work: from where to where, and how far, an image is extrapolated."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.lens import choose_defocus, choose_optics, lens_psf
from focusfix.cli.model_choice import BoundModel, Choice, ModelShelf
from focusfix.cli.restoration import middle_slice, output_metadata, planes_of_channels
from focusfix.cli.second_image import SecondImage, grey, middle_pair

if TYPE_CHECKING:
    import numpy as np

    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageReader
    from focusfix.operations.alpha import AlphaSearch
    from focusfix.optics import OpticsSettings

SELF_BLUR_SHARE = 0.5
"""Part of the largest blur in training that a self-blurred copy gets."""

USUAL_PIXEL = 0.5
"""Pixel size over (wavelength / NA) that is assumed for second images that do not say theirs."""

_TRIED_PX = 512


@dataclass(frozen=True)
class BlurrierEnd:
    """Where the blurrier end of the line comes from: a second image, or optics.

    Parameters
    ----------
    optics : OpticsSettings
        The lens that blurs the copy, and results when they are judged.
    second : SecondImage, optional
        The image.
    dz_um : float, optional
        Defocus of the copy; None for a second image.
    """

    optics: "OpticsSettings"
    second: SecondImage | None = None
    dz_um: float | None = None

    @property
    def psf(self) -> "np.ndarray | None":
        """What makes the copy; None for a second image."""
        return None if self.dz_um is None else lens_psf(self.optics, self.dz_um)

    def describe(self) -> dict[str, Any]:
        """Say where the end is from, for a sidecar."""
        if self.second is not None:
            return {"blurrier": self.second.describe()}
        return {"self_blur": {"dz_um": self.dz_um, "optics": self.optics.model_dump()}}


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

    end = _choose_end(options, reader, choice, second, shelf.console)
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


def _choose_end(
    options: DeblurOptions,
    reader: "ImageReader",
    choice: Choice,
    second: SecondImage | None,
    console: Console,
) -> BlurrierEnd:
    metadata = output_metadata(reader.metadata, options)
    if second is not None:
        if metadata.pixel_size_um is None:
            size = options.wavelength_um / options.numerical_aperture * USUAL_PIXEL
            metadata = replace(metadata, pixel_size_um=(size, size))
        return BlurrierEnd(choose_optics(options, metadata, reader.path), second)
    optics = choose_optics(options, metadata, reader.path)
    dz_um = choose_defocus(
        "--self-blur-um", options.self_blur_um, choice.header, optics, share=SELF_BLUR_SHARE
    )
    if options.self_blur_um is None:
        console.note(
            f"{reader.path}: the blurrier end is a copy, {dz_um:g} um out of focus for "
            f"NA {optics.numerical_aperture:g}"
        )
    return BlurrierEnd(optics, dz_um=dz_um)


def _search(
    shelf: ModelShelf, reader: "ImageReader", choice: Choice, survey: "Survey", end: BlurrierEnd
) -> "AlphaSearch":
    """Try alphas on the middle of the image, around what the model takes for best if it says so."""
    from focusfix.operations.alpha import ALPHAS, alphas_around, search_alpha
    from focusfix.operations.bindings import bind_extrapolation, estimate_alpha, run_whole

    device = shelf.execution(choice).device
    network: Any = shelf.load(choice).network
    images = _middle(reader, choice, survey, end, network.footprint.stride_px)
    psf = end.psf

    def deblur(alpha: float) -> "np.ndarray":
        return run_whole(bind_extrapolation(network, alpha=alpha, psf=psf), images, device)

    estimate = estimate_alpha(network, images, psf, device)
    alphas = ALPHAS if estimate is None else alphas_around(estimate)
    return search_alpha(images[0], deblur, reblurring_psfs(end.optics), alphas)


def _middle(
    reader: "ImageReader", choice: Choice, survey: "Survey", end: BlurrierEnd, stride_px: int
) -> "np.ndarray":
    """Read the middle of the middle plane of the first channel, of both images if there are two.

    Returns
    -------
    ndarray of float32, shape (1 or 2, Y, X)
        Scaled intensities; Y and X are multiples of the stride.
    """
    import numpy as np

    from focusfix.operations.bindings import fit_to_stride

    channel = choice.channels[0]
    planes = planes_of_channels(reader.metadata, (channel,))
    plane = planes[len(planes) // 2]
    if end.second is None:
        window = [middle_slice(length, _TRIED_PX) for length in reader.metadata.shape_yx]
        found = [grey(reader.read_window(plane, *window))]
    else:
        found = [*middle_pair(reader, end.second, channel, _TRIED_PX)]
    scaled = [fit_to_stride(survey.scales[plane].apply(each), stride_px) for each in found]
    return np.stack(scaled)


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
