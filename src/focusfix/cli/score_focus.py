"""Distance from focus of images without a reference, per plane and as a map."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.blocks import bands_as_blocks
from focusfix.cli.console import Console
from focusfix.cli.files import Record
from focusfix.cli.focus_meter import ImageMeter
from focusfix.cli.focus_weights import MeterRack, check_meter_options
from focusfix.cli.score_focus_options import AUTO
from focusfix.cli.score_options import ScoreOptions
from focusfix.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.io.image import ImageMetadata, ImageReader

_HYPERSTACK = ("", "Z", "T", "TZ", "C", "ZC", "TC", "TZC")
_NAMES = ("distance from focus", "expected error")


@dataclass
class FocusRun:
    """Distances from focus of all images of one run.

    Parameters
    ----------
    options : ScoreOptions
        As the user gave them; without a numerical aperture or weights nothing is measured.
    console : Console
        Told which weights read the blur, and which maps are written.
    targets : dict of Path to Path
        Map of each image; empty for none.
    maps : dict of Path to list of ndarray
        Distance and expected error of the planes of each image so far.
    """

    options: ScoreOptions
    console: Console
    targets: dict[Path, Path]
    maps: "dict[Path, list[np.ndarray]]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rack = MeterRack(self.options, self.console)
        self._titles: tuple[str, ...] = ()

    @property
    def titles(self) -> tuple[str, ...]:
        """Columns of distances in tables, once an image was begun."""
        return self._titles

    def start(self, image: "ImageReader", pixel_size_um: float | None) -> "ImageFocus | None":
        """Begin with an image.

        Parameters
        ----------
        image : ImageReader
            Stays open.
        pixel_size_um : float, optional
            Side of a pixel.

        Returns
        -------
        ImageFocus, optional
            None if distances are not wanted.

        Raises
        ------
        UsageError, ModelError
            As :meth:`focusfix.cli.focus_weights.MeterRack.start`.
        """
        if not self._rack.wanted:
            return None
        focus = ImageFocus(self._rack.start(image, pixel_size_um))
        self._titles = focus.meter.titles
        return focus

    def finish_image(
        self, path: Path, focus: "ImageFocus | None", metadata: "ImageMetadata"
    ) -> None:
        """Keep the maps of an image, and write them if that is wanted."""
        if focus is not None:
            self.maps[path] = focus.maps
        if focus is not None and path in self.targets:
            target = self.targets[path]
            focus.write(target, metadata, overwrite=self.options.overwrite)
            self.console.note(f"focus map: {target}")


@dataclass
class ImageFocus:
    """Distances from focus of the planes of one image.

    Parameters
    ----------
    meter : ImageMeter
        Tells distances.
    maps : list of ndarray, shape (2, Y / cell, X / cell)
        Distance and expected error of each plane so far; micrometres.
    """

    meter: ImageMeter
    maps: "list[np.ndarray]" = field(default_factory=list)

    def measure(self, grey: "np.ndarray", plane: int) -> Record:
        """Measure one plane, and keep its maps.

        Parameters
        ----------
        grey : ndarray, shape (Y, X)
            Stored intensities.
        plane : int
            Its position.

        Returns
        -------
        dict
            As :attr:`focusfix.cli.focus_meter.Reading.record`.

        Raises
        ------
        InputError
            As :meth:`focusfix.cli.focus_meter.ImageMeter.measure`.
        """
        reading = self.meter.measure(grey, plane)
        self.maps.append(reading.maps)
        return reading.record

    def write(self, path: Path, metadata: "ImageMetadata", *, overwrite: bool) -> None:
        """Write the maps of all planes: the axes of the image, and two channels for each channel.

        Raises
        ------
        OutputError
            If the file exists or cannot be written.
        """
        import numpy as np

        from focusfix.io.image import write_image

        axes, sizes = metadata.plane_axes, metadata.shape[: len(metadata.plane_axes)]
        stacked = np.stack(self.maps).reshape(*sizes, *self.maps[0].shape)
        at = axes.index("C") if "C" in axes else len(axes)
        ordered = np.moveaxis(stacked, len(axes), at + ("C" in axes))
        map_axes = axes if "C" in axes else f"{axes}C"
        channels = 2 * metadata.axis_size("C")
        shape = (*(channels if a == "C" else metadata.axis_size(a) for a in map_axes),)
        pixels = ordered.reshape(*shape, *self.maps[0].shape[1:])
        size, cell = metadata.pixel_size_um, self.meter.cell_px
        described = replace(
            metadata,
            axes=f"{map_axes}YX",
            shape=pixels.shape,
            dtype=np.dtype(np.float32),
            pixel_size_um=(size[0] * cell, size[1] * cell) if size else None,
            channel_names=_channel_names(metadata),
            display_ranges=None,
            format="imagej" if map_axes in _HYPERSTACK else "ome",
            significant_bits=None,
            compression=None,
            tiled=False,
            photometric="minisblack",
            resolution=None,
            description=None,
            extras={},
        )
        planes = pixels.reshape(-1, *pixels.shape[-2:], 1)
        blocks = bands_as_blocks(planes, described.shape_yx)
        write_image(path, described, blocks, overwrite=overwrite)


def plan_maps(options: ScoreOptions) -> dict[Path, Path]:
    """Name the map of every image, before any work.

    Returns
    -------
    dict of Path to Path
        Empty if no maps are wanted.

    Raises
    ------
    UsageError, OutputError
        As :func:`focusfix.io.batch.plan_batch`.
    """
    if options.focus_map is None:
        return {}
    from focusfix.io.batch import plan_batch

    jobs = plan_batch(
        options.inputs or (),
        str(options.focus_map),
        pattern=options.pattern,
        overwrite=options.overwrite,
    )
    return {job.source: job.target for job in jobs}


def check_focus_options(options: ScoreOptions) -> None:
    """Refuse options of the distance from focus that do not fit together.

    Raises
    ------
    UsageError, ModelError
        As :func:`focusfix.cli.focus_weights.check_meter_options`.
    """
    alone = options.numerical_aperture is None and options.blur_model == AUTO
    if options.focus_map is not None and alone:
        raise UsageError(
            "--focus-map is about distances from focus, which depend on the objective.",
            "Give its --numerical-aperture, or a --blur-model that was trained on known heights.",
        )
    check_meter_options(options)


def _channel_names(metadata: "ImageMetadata") -> tuple[str, ...]:
    count = metadata.axis_size("C")
    if count == 1:
        return _NAMES
    names = metadata.channel_names or tuple(f"channel {number}" for number in range(count))
    return tuple(f"{name}, {what}" for name in names for what in _NAMES)
