"""The blurrier end of a line: a second image of the field, or a copy that optics makes."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from focusfix.cli.console import Console
from focusfix.cli.lens import OpticalOptions, choose_defocus, choose_optics, lens_psf
from focusfix.cli.model_choice import Choice
from focusfix.cli.restoration import middle_slice, output_metadata, planes_of_channels
from focusfix.cli.second_image import SecondImage, grey, middle_pair

if TYPE_CHECKING:
    import numpy as np

    from focusfix.config import CheckpointHeader
    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageReader
    from focusfix.optics import OpticsSettings

USUAL_PIXEL = 0.5
"""Pixel size over (wavelength / NA) that is assumed for second images that do not say theirs."""

MIDDLE_PX = 512
"""Largest side of the window that decisions are made on."""


@dataclass(frozen=True)
class Defocus:
    """How far out of focus a copy is to be.

    Parameters
    ----------
    option : str
        Name of the option, for messages.
    wanted_um : float, optional
        What the user gave; micrometres.
    share : float
        Part of the largest blur in training that is taken otherwise; 0 to 1.
    """

    option: str
    wanted_um: float | None
    share: float


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


def choose_end(
    options: OpticalOptions,
    reader: "ImageReader",
    header: "CheckpointHeader",
    second: SecondImage | None,
    defocus: Defocus,
    console: Console,
) -> BlurrierEnd:
    """Decide where the blurrier end of an image comes from.

    Parameters
    ----------
    options : OpticalOptions
        The lens, and the pixel size where the user gave it.
    reader : ImageReader
        The image.
    header : CheckpointHeader
        Of the weights.
    second : SecondImage, optional
        The blurrier image, where there is one.
    defocus : Defocus
        How far out of focus a copy is to be.
    console : Console
        Told what was decided for the user.

    Returns
    -------
    BlurrierEnd

    Raises
    ------
    UsageError
        If a copy is to be made of an image of unknown pixel size, or a value is out of range.
    """
    metadata = output_metadata(reader.metadata, options)
    if second is not None:
        if metadata.pixel_size_um is None:
            size = options.wavelength_um / options.numerical_aperture * USUAL_PIXEL
            metadata = replace(metadata, pixel_size_um=(size, size))
        return BlurrierEnd(choose_optics(options, metadata, reader.path), second)
    optics = choose_optics(options, metadata, reader.path)
    dz_um = choose_defocus(defocus.option, defocus.wanted_um, header, optics, share=defocus.share)
    if defocus.wanted_um is None:
        console.note_once(
            f"{reader.path}: the blurrier end is a copy, {dz_um:g} um out of focus for "
            f"NA {optics.numerical_aperture:g} ({defocus.option})"
        )
    return BlurrierEnd(optics, dz_um=dz_um)


def scaled_middle(
    reader: "ImageReader", choice: Choice, survey: "Survey", end: BlurrierEnd, stride_px: int
) -> "np.ndarray":
    """Read the middle of the middle plane of a choice's first channel, at most 512 x 512 pixels.

    Parameters
    ----------
    reader : ImageReader
        The image.
    choice : Choice
        The channels.
    survey : Survey
        Scales of the image.
    end : BlurrierEnd
        The other image, where there is one.
    stride_px : int
        Grid that the result is cut to; pixels.

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
        window = [middle_slice(length, MIDDLE_PX) for length in reader.metadata.shape_yx]
        found = [grey(reader.read_window(plane, *window))]
    else:
        found = [*middle_pair(reader, end.second, channel, MIDDLE_PX)]
    scaled = [fit_to_stride(survey.scales[plane].apply(each), stride_px) for each in found]
    return np.stack(scaled)
