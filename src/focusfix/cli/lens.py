"""The microscope that blur is computed for: options, and the lens they describe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from focusfix.cli.options import ImageOptions
from focusfix.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from focusfix.config import CheckpointHeader
    from focusfix.io.image import ImageMetadata
    from focusfix.optics import OpticsSettings

WIDEST_RADIUS_PX = 10.0
"""Blur disc of the blurriest end, for models that do not say how much blur they know; pixels."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LensOptions:
    """The objective lens."""

    numerical_aperture: Annotated[
        float, typer.Option(metavar="NA", help="Numerical aperture of the objective.")
    ] = 0.5
    wavelength_um: Annotated[
        float, typer.Option(metavar="UM", help="Wavelength of the light in vacuum.")
    ] = 0.52
    refractive_index: Annotated[
        float, typer.Option(metavar="N", help="Of the immersion medium; air 1, water 1.33.")
    ] = 1.0


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OpticalOptions(ImageOptions, LensOptions):
    """Images whose blur is computed: how they are read, and through which lens they were taken."""


def choose_optics(
    options: LensOptions, metadata: "ImageMetadata", source: Path
) -> "OpticsSettings":
    """Put the lens together from the options and the pixel size of the image.

    Raises
    ------
    UsageError
        If the pixel size is unknown, or a value is out of range.
    """
    from pydantic import ValidationError

    from focusfix.optics import OpticsSettings

    if metadata.pixel_size_um is None:
        raise UsageError(
            f"{source} does not say its pixel size, which the size of the blur depends on.",
            "Give it in micrometres with --pixel-size-um.",
        )
    try:
        return OpticsSettings(
            numerical_aperture=options.numerical_aperture,
            wavelength_um=options.wavelength_um,
            refractive_index=options.refractive_index,
            pixel_size_um=max(metadata.pixel_size_um),
        )
    except ValidationError as error:
        raise out_of_range(error.errors()) from error


def out_of_range(problems: Sequence[Mapping[str, Any]]) -> UsageError:
    """Turn what pydantic found first into an error that names the option."""
    option = "".join(f"--{str(part).replace('_', '-')} " for part in problems[0]["loc"])
    message = str(problems[0]["msg"]).removeprefix("Value error, ")
    return UsageError(f"{option}{message}.", "See the --help of the command.")


def choose_defocus(
    option: str,
    wanted_um: float | None,
    header: "CheckpointHeader | None",
    optics: "OpticsSettings",
    *,
    share: float = 1.0,
) -> float:
    """Decide how far out of focus the blurred end of a line lies.

    Parameters
    ----------
    option : str
        Name of the option, for the message.
    wanted_um : float, optional
        What the user gave.
    header : CheckpointHeader, optional
        Of the weights, which may say how much blur they were trained on; otherwise the largest
        blur is a disc of 10 pixels' radius.
    optics : OpticsSettings
        Lens and pixel.
    share : float
        Part of the largest blur that is taken if the user gave nothing; 0 to 1.

    Returns
    -------
    float
        Distance from focus; micrometres.

    Raises
    ------
    UsageError
        If what the user gave is not a distance.
    """
    from focusfix.optics import blur_radius_px

    if wanted_um is None:
        known = header.blur_radius_px if header is not None else None
        widest_px = known[1] if known else WIDEST_RADIUS_PX
        return float(f"{share * widest_px / blur_radius_px(optics, 1.0):.3g}")
    if not 0 < wanted_um < float("inf"):
        raise UsageError(
            f"{option} must be greater than 0, not {wanted_um:g}.",
            "Give a distance from focus in micrometres.",
        )
    return wanted_um


def lens_psf(optics: "OpticsSettings", dz_um: float) -> "npt.NDArray[np.float32]":
    """Compute the point-spread function of a lens at a distance from focus.

    Returns
    -------
    ndarray of float32, shape (S, S), S odd
        Sums to one.
    """
    import numpy as np

    from focusfix.optics import defocus_psf

    return np.asarray(defocus_psf(optics, dz_um), dtype=np.float32)
