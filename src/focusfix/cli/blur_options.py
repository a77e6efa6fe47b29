"""Options of ``focusfix synthesize-blur``, and the microscope and camera they describe."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from focusfix.cli.console_options import ConfigOptions, ConsoleOptions, JsonOption
from focusfix.cli.lens import out_of_range
from focusfix.cli.options import BatchOptions, ComputeOptions
from focusfix.cli.refocus_options import RefocusOptions
from focusfix.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.blocks import PaintedBlock
    from focusfix.camera import CameraSettings
    from focusfix.cli.restoration import Finish
    from focusfix.io.image import ImageMetadata


OPTICS = "optics"
"""What ``--model`` calls pure physics."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BlurOptions(
    ConsoleOptions,
    ConfigOptions,
    JsonOption,
    ComputeOptions,
    RefocusOptions,
    BatchOptions,
):
    """Options of ``focusfix synthesize-blur``."""

    alpha: Annotated[
        list[float] | None,
        typer.Option(
            metavar="FLOAT",
            help="How sharp: 1 leaves the image as it is, 0 is the blurriest. Repeat for a "
            "series: OUT is then a folder, which also gets a manifest.csv that focusfix train "
            "reads.",
        ),
    ] = None
    alphas: Annotated[
        str | None,
        typer.Option(
            metavar="A:B:STEP", help="A series of alphas from A to B, both included: 0:1:0.1."
        ),
    ] = None
    dz_um: Annotated[
        list[float] | None,
        typer.Option(
            metavar="UM",
            help="Instead of --alpha, for optics and refocusers: distance from focus, either "
            "sign. Repeat for a series.",
        ),
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH|optics",
            help="What makes the blur: weights that focusfix models list shows, a .safetensors "
            "file, or optics for pure physics. By default latent-line, and optics with --dz-um. "
            "Weights of comi need no --alpha: they blur as much as the images of their training.",
        ),
    ] = None
    blurrier: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A blurrier image of the same field, to be alpha 0; for several inputs a folder "
            "with files of the same names. By default it is made by optics.",
        ),
    ] = None
    max_defocus_um: Annotated[
        float | None,
        typer.Option(
            metavar="UM",
            help="Distance from focus of alpha 0, where optics makes it; by default the largest "
            "blur that the model was trained on, or a blur disc of 10 pixels' radius.",
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


def choose_noise(options: BlurOptions, metadata: "ImageMetadata") -> "Finish | None":
    """Make the function that turns blurred grey values into camera pixels.

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

    def expose(painted: "PaintedBlock") -> "np.ndarray":
        block, pixels = painted
        place = block.plane, block.rows.start, block.columns.start
        generator = np.random.default_rng((options.seed, *place))
        counts = np.subtract(pixels, camera.offset, dtype=np.float32)
        return expose_camera(counts, camera, generator).astype(metadata.dtype)

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
