"""Distance from focus of images without a reference, per plane and as a map."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.cli.console import Console
from focusfix.cli.files import Record
from focusfix.cli.score_focus_options import AUTO
from focusfix.cli.score_options import ScoreOptions
from focusfix.errors import ModelError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.config import CheckpointHeader
    from focusfix.engine.normalize import IntensityScale
    from focusfix.io.image import ImageMetadata, ImageReader
    from focusfix.metrics.defocus import BlurReader

UNKNOWN: Record = {"dz_abs_um": math.nan, "dz_abs_error_um": math.nan}
"""Of planes whose distance is not measured."""

_HYPERSTACK = ("", "Z", "T", "TZ", "C", "ZC", "TC", "TZC")
_NAMES = ("distance from focus", "expected error")


@dataclass
class FocusRun:
    """Distances from focus of all images of one run.

    Parameters
    ----------
    options : ScoreOptions
        As the user gave them; without a numerical aperture nothing is measured.
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
    _readers: "dict[Path, tuple[BlurReader, CheckpointHeader]]" = field(default_factory=dict)

    def start(self, image: "ImageReader", pixel_size_um: float | None) -> "ImageFocus | None":
        """Begin with an image: choose weights, and look at all its pixels for their scale.

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
        UsageError
            If the pixel size is not known.
        ModelError
            If there are no weights that read blur.
        """
        aperture, index = self.options.numerical_aperture, self.options.refractive_index
        if aperture is None:
            return None
        if pixel_size_um is None:
            raise UsageError(
                f"{image.path} does not say its pixel size, or its pixels are not square.",
                "Give it in micrometres with --pixel-size-um.",
            )
        from focusfix.engine.survey import survey_source
        from focusfix.metrics.defocus import um_per_radius_px
        from focusfix.operations.images import ReaderSource

        reader, header = self._choose(image)
        source = ReaderSource(image)
        survey = survey_source(
            source,
            source.channel_of_plane,
            low=header.intensity.low_percentile,
            high=header.intensity.high_percentile,
            copied_samples=source.copied_samples,
        )
        scale = um_per_radius_px(pixel_size_um, aperture, index)
        return ImageFocus(reader, survey.scales, scale)

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

    def _choose(self, image: "ImageReader") -> "tuple[BlurReader, CheckpointHeader]":
        from focusfix.io.weights import find_weights
        from focusfix.operations.blur_reading import load_blur_reader

        wanted = self.options.blur_model
        path = _find_reader(image) if wanted == AUTO else find_weights(wanted)
        if path not in self._readers:
            self.console.note(f"blur is read with the model {path.stem}")
            self._readers[path] = load_blur_reader(path)
        return self._readers[path]


@dataclass
class ImageFocus:
    """Distances from focus of the planes of one image.

    Parameters
    ----------
    reader : BlurReader
        Reads blur radii.
    scales : sequence of IntensityScale
        One for each plane.
    um_per_px : float
        Distance for a blur radius of one pixel.
    maps : list of ndarray, shape (2, Y / cell, X / cell)
        Distance and expected error of each plane so far; micrometres.
    """

    reader: "BlurReader"
    scales: "Sequence[IntensityScale]"
    um_per_px: float
    maps: "list[np.ndarray]" = field(default_factory=list)

    def measure(self, grey: "np.ndarray", plane: int) -> Record:
        """Measure one plane.

        Parameters
        ----------
        grey : ndarray, shape (Y, X)
            Stored intensities.
        plane : int
            Its position.

        Returns
        -------
        dict
            Typical distance and its expected error, which is larger where there is little but
            noise; micrometres, NaN for planes of one grey value or less than 3 x 3 pixels.
        """
        import numpy as np

        from focusfix.metrics.defocus import map_distance, typical_distance
        from focusfix.metrics.noise import LEAST_SIZE_PX

        if grey.min() == grey.max() or min(grey.shape) < LEAST_SIZE_PX:
            cell = self.reader.cell_px
            cells = [math.ceil(size / cell) for size in grey.shape]
            self.maps.append(np.full((2, *cells), np.nan, np.float32))
            return dict(UNKNOWN)
        maps = map_distance(self.reader, self.scales[plane].apply(grey), self.um_per_px)
        self.maps.append(np.stack(maps))
        distance = typical_distance(*maps)
        return {"dz_abs_um": distance.dz_abs_um, "dz_abs_error_um": distance.error_um}

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
        size, cell = metadata.pixel_size_um, self.reader.cell_px
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
            photometric="minisblack",
            resolution=None,
            description=None,
            extras={},
        )
        bands = (each[..., None] for each in pixels.reshape(-1, *pixels.shape[-2:]))
        write_image(path, described, bands, overwrite=overwrite)


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
    UsageError
        The first of them is named.
    """
    aperture, index = options.numerical_aperture, options.refractive_index
    needs = {
        "--focus-map": options.focus_map is not None,
        "--blur-model": options.blur_model != AUTO,
    }
    for name, given in needs.items():
        if given and aperture is None:
            raise UsageError(
                f"{name} is about distances from focus, which depend on the objective.",
                "Give its --numerical-aperture.",
            )
    if aperture is not None and not 0 < aperture < index:
        raise UsageError(
            f"--numerical-aperture must be between 0 and the refractive index, {index:g}, not "
            f"{aperture:g}.",
            "Objectives with immersion need --refractive-index, such as 1.33 for water.",
        )


def _find_reader(image: "ImageReader") -> Path:
    """Find installed weights that read the blur of such an image."""
    from focusfix.cli.restoration import middle_window
    from focusfix.io.checkpoint import read_header
    from focusfix.io.weights import list_weights
    from focusfix.metrics.modality import guess_modality
    from focusfix.operations.blur_reading import READERS

    modality = guess_modality(middle_window(image, 0))
    for weights in list_weights():
        header = read_header(weights.path)
        if header.model in READERS and header.modality in (modality, "any"):
            return weights.path
    raise ModelError(
        f"No installed weights read how far {modality} images are from focus.",
        f"Give weights of {' or '.join(READERS)} with --blur-model; focusfix train makes them.",
    )


def _channel_names(metadata: "ImageMetadata") -> tuple[str, ...]:
    count = metadata.axis_size("C")
    if count == 1:
        return _NAMES
    names = metadata.channel_names or tuple(f"channel {number}" for number in range(count))
    return tuple(f"{name}, {what}" for name in names for what in _NAMES)
