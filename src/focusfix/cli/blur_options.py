"""Options of ``focusfix synthesize-blur``, and the microscope and camera they describe."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from focusfix.cli.lens import LensOptions, out_of_range
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


class BlurModel(StrEnum):
    """What makes the blur."""

    OPTICS = "optics"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BlurOptions(
    ConsoleOptions, ConfigOptions, JsonOption, TileOptions, ImageOptions, LensOptions, BatchOptions
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
        raise out_of_range(error.errors()) from error
