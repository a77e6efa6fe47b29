"""Weights that tell how far planes are from focus, for ``score`` and ``info``."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from focusfix.cli.console import Console
from focusfix.cli.focus_meter import CodeMeter, ImageMeter, Meter, OpticalMeter
from focusfix.cli.score_focus_options import AUTO
from focusfix.errors import ModelError, UsageError

if TYPE_CHECKING:
    from focusfix.config import CheckpointHeader
    from focusfix.io.image import ImageReader
    from focusfix.metrics.defocus import BlurReader
    from focusfix.operations.distance_reading import CodeDistanceReader

_SAME_SIZE = 0.1


class MeterOptions(Protocol):
    """Options that say how distances are told."""

    @property
    def numerical_aperture(self) -> float | None:
        """Of the objective."""
        ...

    @property
    def refractive_index(self) -> float:
        """Of the immersion medium."""
        ...

    @property
    def blur_model(self) -> str:
        """Weights: a name, a path, or "auto"."""
        ...


@dataclass
class MeterRack:
    """The weights of one run that tell distances; each file is loaded once.

    Parameters
    ----------
    options : MeterOptions
        As the user gave them.
    console : Console
        Told which weights are used.
    """

    options: MeterOptions
    console: Console
    _optical: "dict[Path, tuple[BlurReader, CheckpointHeader]]" = field(default_factory=dict)
    _coded: "dict[Path, tuple[CodeDistanceReader, CheckpointHeader]]" = field(default_factory=dict)

    @property
    def wanted(self) -> bool:
        """Whether the options ask for distances."""
        return self.options.numerical_aperture is not None or self.options.blur_model != AUTO

    def start(self, image: "ImageReader", pixel_size_um: float | None) -> ImageMeter:
        """Begin with an image: choose weights, and look at all its pixels for their scale.

        Parameters
        ----------
        image : ImageReader
            Stays open.
        pixel_size_um : float, optional
            Side of a pixel.

        Returns
        -------
        ImageMeter

        Raises
        ------
        UsageError
            If weights that read blur in pixels are to be used, and the pixel size is not known.
        ModelError
            If there are no weights that tell distances, or they were not calibrated.
        """
        from focusfix.engine.survey import survey_source
        from focusfix.operations.images import ReaderSource

        meter, header = self._choose(image, pixel_size_um)
        source = ReaderSource(image)
        survey = survey_source(
            source,
            source.channel_of_plane,
            low=header.intensity.low_percentile,
            high=header.intensity.high_percentile,
            copied_samples=source.copied_samples,
        )
        return ImageMeter(meter, survey.scales)

    def _choose(
        self, image: "ImageReader", pixel_size_um: float | None
    ) -> "tuple[Meter, CheckpointHeader]":
        if self.options.numerical_aperture is None:
            return self._coded_meter(image, pixel_size_um)
        return self._optical_meter(image, self.options.numerical_aperture, pixel_size_um)

    def _coded_meter(
        self, image: "ImageReader", pixel_size_um: float | None
    ) -> "tuple[Meter, CheckpointHeader]":
        from focusfix.io.weights import find_weights
        from focusfix.operations.distance_reading import load_distance_reader

        path = find_weights(self.options.blur_model)
        if path not in self._coded:
            self.console.note(f"distance from focus is read with the model {path.stem}")
            self._coded[path] = load_distance_reader(path)
        reader, header = self._coded[path]
        known = header.pixel_size_um
        if known and pixel_size_um and not _within(pixel_size_um, known):
            self.console.warning(
                f"{image.path}: pixels of {pixel_size_um:g} um are unlike those that {path.stem} "
                f"was trained on, {known[0]:g} to {known[1]:g} um: do not trust its distances"
            )
        return CodeMeter(reader), header

    def _optical_meter(
        self, image: "ImageReader", aperture: float, pixel_size_um: float | None
    ) -> "tuple[Meter, CheckpointHeader]":
        if pixel_size_um is None:
            raise UsageError(
                f"{image.path} does not say its pixel size, or its pixels are not square.",
                "Give it in micrometres with --pixel-size-um.",
            )
        from focusfix.io.weights import find_weights
        from focusfix.metrics.defocus import um_per_radius_px
        from focusfix.operations.blur_reading import load_blur_reader

        wanted = self.options.blur_model
        path = _find_reader(image) if wanted == AUTO else find_weights(wanted)
        if path not in self._optical:
            self.console.note(f"blur is read with the model {path.stem}")
            self._optical[path] = load_blur_reader(path)
        reader, header = self._optical[path]
        scale = um_per_radius_px(pixel_size_um, aperture, self.options.refractive_index)
        return OpticalMeter(reader, scale), header


def check_meter_options(options: MeterOptions) -> None:
    """Refuse options of the distance from focus that do not fit together.

    Raises
    ------
    UsageError
        The first of them is named.
    ModelError
        If there are no such weights, or they do not tell distances.
    """
    aperture, index = options.numerical_aperture, options.refractive_index
    if aperture is not None and not 0 < aperture < index:
        raise UsageError(
            f"--numerical-aperture must be between 0 and the refractive index, {index:g}, not "
            f"{aperture:g}.",
            "Objectives with immersion need --refractive-index, such as 1.33 for water.",
        )
    if options.blur_model != AUTO:
        _check_model(options)


def _check_model(options: MeterOptions) -> None:
    """Refuse weights of the wrong kind, or for which the aperture is missing or too much."""
    from focusfix.io.checkpoint import read_header
    from focusfix.io.weights import find_weights
    from focusfix.operations.blur_reading import READERS
    from focusfix.operations.distance_reading import DISTANCE_READERS

    path = find_weights(options.blur_model)
    model, aperture = read_header(path).model, options.numerical_aperture
    if model not in (*READERS, *DISTANCE_READERS):
        raise ModelError(
            f"{path} is a {model}, which does not read how far images are from focus.",
            f"Give weights of: {', '.join((*READERS, *DISTANCE_READERS))}.",
        )
    if model in READERS and aperture is None:
        raise UsageError(
            f"{path} is a {model}, which reads blur in pixels: distances depend on the objective.",
            "Give its --numerical-aperture.",
        )
    if model in DISTANCE_READERS and aperture is not None:
        raise UsageError(
            f"{path} is a {model}, which knows micrometres from its training and no objective.",
            "Leave out --numerical-aperture.",
        )


def _within(size_um: float, known: tuple[float, float]) -> bool:
    return known[0] * (1 - _SAME_SIZE) <= size_um <= known[1] * (1 + _SAME_SIZE)


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
