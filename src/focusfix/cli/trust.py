"""``--trust-map``: the error to expect at each pixel, as an image beside the deblurred one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix.blocks import PaintedBlock
from focusfix.cli.console import Console
from focusfix.cli.model_choice import Choice
from focusfix.cli.model_shelf import ModelShelf
from focusfix.cli.reblur import RestoredPart, load_reader, read_middle
from focusfix.cli.restoration import Part, complete_parts, planes_of_channels, restore_file
from focusfix.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.io.image import ImageMetadata, ImageReader

LARGE_SHARE = 0.1
"""Expected error over contrast above which a pixel counts as hardly to be believed."""

_UNCALIBRATED = "uncalibrated trust map of focusfix: where to look, not how large errors are"
_CALIBRATED = "trust map of focusfix: absolute error to expect in grey values"


def write_trust_map(
    shelf: ModelShelf,
    image: "ImageReader",
    metadata: "ImageMetadata",
    restored: Sequence[RestoredPart],
    target: Path | None,
) -> dict[str, Any] | None:
    """Write the errors to expect of all planes of an image; zero where a plane is copied.

    Parameters
    ----------
    shelf : ModelShelf
        Loads the weights that read blur, and tells what was written.
    image : ImageReader
        Open.
    metadata : ImageMetadata
        Of the deblurred image.
    restored : sequence of RestoredPart
        What is done to it.
    target : Path, optional
        The map; replaced if it exists. None where none is wanted.

    Returns
    -------
    dict or None
        What the map shows, for the sidecar.

    Raises
    ------
    UsageError
        If a network depends on more of the image than a tile shows, or refocuses.
    ModelError
        If the weights that read blur cannot be loaded.
    """
    from focusfix.operations.images import ReaderSource

    if target is None:
        return None
    calibrations = [each.choice.header.trust for each in restored]
    fields = [each.fields for each in calibrations if each is not None]
    calibrated = len(fields) == len(restored)
    source = ReaderSource(image)
    parts = [_map_part(shelf, image, each) for each in restored]
    tally = MapTally.of(image, restored)
    restore_file(
        source,
        target,
        _map_metadata(metadata, _CALIBRATED if calibrated else _UNCALIBRATED),
        complete_parts(source, parts),
        shelf.console,
        overwrite=True,
        finish=tally.count,
    )
    _tell(target, [each.choice for each in restored], shelf.console)
    return {
        "path": str(target),
        "calibrated": calibrated,
        "calibration_fields": min(fields) if calibrated else None,
        **tally.describe(),
    }


def _map_part(shelf: ModelShelf, image: "ImageReader", restored: RestoredPart) -> Part:
    """Make the map of the planes of one part; in float32, since rounding would look like doubt."""
    from focusfix.engine.normalize import ChangeScale
    from focusfix.engine.tiles import plan_tiles
    from focusfix.operations.bindings import Execution, build_function
    from focusfix.operations.images import choose_batch_size
    from focusfix.operations.trust import bind_trust

    choice = restored.choice
    _check_model(restored)
    binding = bind_trust(restored.network, load_reader(shelf), choice.header.trust)
    device = shelf.execution(choice).device
    function = build_function(binding, Execution(device, "fp32", "torch"))
    most_px = shelf.most_tile_px(binding, function)
    plan = plan_tiles(image.metadata.shape_yx, binding.footprint, most_px=most_px)
    scales = tuple(ChangeScale.of(scale) for scale in restored.part.scales)
    batch = choose_batch_size(plan.tile_shape, device)
    return Part(restored.part.planes, function, plan, scales, batch)


def _check_model(restored: RestoredPart) -> None:
    """Refuse models whose errors the signs of trouble do not tell."""
    reason = None
    if restored.choice.family == "refocuser":
        reason = "brings images to another plane and not into focus"
    elif not restored.network.footprint.exact:
        reason = "sees more of an image than a tile shows"
    if reason is not None:
        raise UsageError(
            f"The model {restored.choice.path.stem} {reason}, so there is no trust map of it.",
            "Leave --trust-map out, or choose another model with --model.",
        )


def _tell(target: Path, choices: Sequence[Choice], console: Console) -> None:
    bare = [choice.path.stem for choice in choices if choice.header.trust is None]
    if bare:
        console.warning(
            f"{target} is uncalibrated, because the weights {', '.join(bare)} hold no "
            "calibration: it shows where to look, not how large errors are"
        )
    else:
        console.note(f"{target}: absolute errors to expect, in grey values")


@dataclass
class MapTally:
    """Figures of a map, gathered while it is written.

    Parameters
    ----------
    contrasts : dict of int to float
        Contrast of each plane that is restored; grey values.
    """

    contrasts: dict[int, float]
    _count: int = 0
    _sum: float = 0.0
    _large: int = 0

    @classmethod
    def of(cls, image: "ImageReader", restored: Sequence[RestoredPart]) -> "MapTally":
        """Measure the contrast of each channel, in the middle of its middle plane."""
        contrasts: dict[int, float] = {}
        for each in restored:
            for channel in each.choice.channels:
                contrast = _contrast(read_middle(image, channel))
                planes = planes_of_channels(image.metadata, (channel,))
                contrasts |= dict.fromkeys(planes, contrast)
        return cls(contrasts)

    def count(self, painted: PaintedBlock) -> "np.ndarray":
        """Take in part of the map and return its pixels, shape (rows, columns, samples)."""
        import numpy as np

        block, pixels = painted
        if block.plane in self.contrasts:
            large = LARGE_SHARE * self.contrasts[block.plane]
            self._count += pixels.size
            self._sum += float(pixels.sum(dtype=np.float64))
            self._large += int(np.count_nonzero(pixels > large))
        return pixels

    def describe(self) -> dict[str, Any]:
        """Give the mean in grey values, and the share of pixels above a tenth of the contrast."""
        count = max(self._count, 1)
        return {
            "mean": self._sum / count,
            "contrast": sum(self.contrasts.values()) / max(len(self.contrasts), 1),
            "share_above_tenth_of_contrast": self._large / count,
        }


def _contrast(window: "np.ndarray") -> float:
    from focusfix.metrics.noise import LEAST_SIZE_PX as LEAST_NOISE_PX
    from focusfix.metrics.noise import rms_without_noise

    centred = window - window.mean()
    return (
        float(centred.std()) if min(window.shape) < LEAST_NOISE_PX else rms_without_noise(centred)
    )


def _map_metadata(metadata: "ImageMetadata", text: str) -> "ImageMetadata":
    """Describe the map: the image, without what only its grey values have."""
    import numpy as np

    dropped = {"min", "max", "Ranges", "LUTs", "colormap"}
    extras = {key: value for key, value in metadata.extras.items() if key not in dropped}
    imagej = metadata.format == "imagej" and metadata.samples == 1
    return replace(
        metadata,
        dtype=np.dtype(np.float32),
        significant_bits=None,
        display_ranges=None,
        photometric="rgb" if metadata.samples > 1 else "minisblack",
        description=text,
        extras={**extras, "Info" if imagej else "name": text},
    )
