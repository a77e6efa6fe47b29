"""Options of ``focusfix synthesize-blur``, and the microscope and camera they describe."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from focusfix.cli.options import (
    BatchOptions,
    ConfigOptions,
    ConsoleOptions,
    ImageOptions,
    JsonOption,
    TileOptions,
)
from focusfix.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.camera import CameraSettings
    from focusfix.io.image import ImageMetadata
    from focusfix.optics import OpticsSettings


class BlurModel(StrEnum):
    """What makes the blur."""

    OPTICS = "optics"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BlurOptions(
    ConsoleOptions, ConfigOptions, JsonOption, TileOptions, ImageOptions, BatchOptions
):
    """Options of ``focusfix synthesize-blur``."""

    model: Annotated[
        BlurModel,
        typer.Option(
            "--model", "-m", metavar="optics", help="What makes the blur: optics is pure physics."
        ),
    ] = BlurModel.OPTICS
    dz_um: Annotated[
        list[float] | None,
        typer.Option(
            metavar="UM",
            help="Distance from focus, either sign. Repeat for a series: OUT is then a folder, "
            "which also gets a manifest.csv that focusfix train reads.",
        ),
    ] = None
    numerical_aperture: Annotated[
        float, typer.Option(metavar="NA", help="Numerical aperture of the objective.")
    ] = 0.5
    wavelength_um: Annotated[
        float, typer.Option(metavar="UM", help="Wavelength of the light in vacuum.")
    ] = 0.52
    refractive_index: Annotated[
        float, typer.Option(metavar="N", help="Of the immersion medium; air 1, water 1.33.")
    ] = 1.0
    noise: Annotated[
        bool,
        typer.Option("--noise", help="Add shot and read noise (8- and 16-bit images)."),
    ] = False
    counts_per_electron: Annotated[
        float, typer.Option(metavar="COUNTS", help="Grey values per photo-electron, for --noise.")
    ] = 1.0
    read_noise: Annotated[
        float, typer.Option(metavar="COUNTS", help="Read noise in grey values, for --noise.")
    ] = 1.5
    camera_offset: Annotated[
        float, typer.Option(metavar="COUNTS", help="Grey value of darkness, for --noise.")
    ] = 0.0
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Start of the random numbers of --noise.")
    ] = 0


def choose_optics(
    options: BlurOptions, metadata: "ImageMetadata", source: Path
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
        raise _out_of_range(error.errors()[0]) from error


def choose_noise(
    options: BlurOptions, metadata: "ImageMetadata"
) -> "Callable[[np.ndarray], np.ndarray] | None":
    """Make the function that turns blurred bands of rows into camera pixels.

    The noise of a pixel depends on the seed and its place in the image, not on the tiles.

    Returns
    -------
    callable or None
        None without ``--noise``.

    Raises
    ------
    UsageError
        If the pixel type does not count grey values, or a value is out of range.
    """
    if not options.noise:
        return None
    import numpy as np

    from focusfix.camera import expose_camera

    if metadata.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        raise UsageError(
            f"--noise needs grey values of 8 or 16 bits, not {metadata.dtype}.",
            "Leave --noise out, or convert the image.",
        )
    camera = _camera(options, metadata)
    generator = np.random.default_rng(options.seed)

    def expose(band: "np.ndarray") -> "np.ndarray":
        rows = [expose_camera(row - camera.offset, camera, generator) for row in band]
        return np.stack(rows).astype(metadata.dtype)

    return expose


def _camera(options: BlurOptions, metadata: "ImageMetadata") -> "CameraSettings":
    from pydantic import ValidationError

    from focusfix.camera import CameraSettings

    try:
        return CameraSettings(
            offset=options.camera_offset,
            counts_per_electron=options.counts_per_electron,
            read_noise=options.read_noise,
            bit_depth=metadata.significant_bits or 8 * metadata.dtype.itemsize,
        )
    except ValidationError as error:
        raise _out_of_range(error.errors()[0]) from error


def _out_of_range(problem: Any) -> UsageError:
    option = "".join(f"--{str(part).replace('_', '-')} " for part in problem["loc"])
    message = str(problem["msg"]).removeprefix("Value error, ")
    return UsageError(f"{option}{message}.", "See focusfix synthesize-blur --help.")
