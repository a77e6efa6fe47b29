"""``focusfix deblur`` without learning: deconvolution by a known lens, and sharpening."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix.cli.classical_options import EDF, check_classical_options, parse_distance
from focusfix.cli.classical_record import UnlearnedWork, check_cpu, finish_record
from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.deblur_plan import given_options
from focusfix.cli.depth_fusion import DepthFusing
from focusfix.cli.files import Record
from focusfix.cli.lens import choose_optics
from focusfix.cli.model_shelf import ModelShelf, check_halo
from focusfix.cli.options import parse_count
from focusfix.cli.reblur import check_unlearned
from focusfix.cli.restoration import (
    Part,
    complete_parts,
    describe_part,
    describe_stats,
    middle_slice,
    output_metadata,
    planes_of_channels,
    restore_file,
    select_channels,
)
from focusfix.cli.scales import fit_channel_scales, tell_channel_findings
from focusfix.cli.second_image import grey
from focusfix.cli.sidecar import check_folder
from focusfix.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.engine.survey import Survey
    from focusfix.io.batch import Job
    from focusfix.io.image import ImageReader
    from focusfix.operations.classical import ClassicalFunction, ClassicalSettings
    from focusfix.optics import OpticsSettings


@dataclass(frozen=True)
class ClassicalDeblurring(UnlearnedWork):
    """What is the same for every file of one run.

    Parameters
    ----------
    options, console
        As for every run without weights.
    settings : ClassicalSettings
        The method and what the user decided about it.
    tile_px, halo_px, batch_size : int, optional
        Parsed from the options; None for auto.
    """

    settings: "ClassicalSettings"
    tile_px: int | None
    halo_px: int | None
    batch_size: int | None

    @classmethod
    def plan(cls, options: DeblurOptions, console: Console) -> "ClassicalDeblurring":
        """Check what can be checked before any image is opened.

        Raises
        ------
        UsageError
            If an option is out of range, of another model, or missing.
        """
        return cls(
            options,
            console,
            choose_settings(options),
            tile_px=parse_count("--tile-size", options.tile_size, smallest=1),
            halo_px=parse_count("--halo", options.halo, smallest=0),
            batch_size=parse_count("--batch-size", options.batch_size, smallest=1),
        )

    def process(self, job: "Job") -> Record:
        """Deblur one file.

        Returns
        -------
        dict
            What was done; also the sidecar's content.
        """
        from focusfix.io.image import open_image
        from focusfix.operations.images import ReaderSource

        started = time.monotonic()
        with open_image(job.source, axes=self.options.axes) as reader:
            for note in reader.notes:
                self.console.note(f"{job.source}: {note}")
            metadata = output_metadata(reader.metadata, self.options)
            optics = None
            if self.settings.needs_lens:
                optics = choose_optics(self.options, metadata, job.source)
            channels = select_channels(reader.metadata, self.options.channel)
            survey = self._survey(reader, channels)
            bound = self._bind(reader, channels, optics)
            parts = [self._part(reader, each, planes, survey) for each, planes in bound]
            source = ReaderSource(reader)
            stats = restore_file(
                source,
                job.target,
                metadata,
                complete_parts(source, parts),
                self.console,
                overwrite=self.options.overwrite,
            )
            check = self._check(reader, job.target, channels, survey)
        models = [
            {"name": self.settings.model, **each.details, **describe_part(part)}
            | {"channels": list(channels), "planes": list(part.planes)}
            for (each, _), part in zip(bound, parts, strict=True)
        ]
        output = {"re_blur": check, **describe_stats(stats, metadata)}
        return finish_record(self.options, job, models, survey.n_gaps, output, started)

    def _check(
        self, reader: "ImageReader", output: Path, channels: tuple[int, ...], survey: "Survey"
    ) -> Record:
        """Blur the output again, for reports only: the weights for it take a while to load."""
        if self.options.report is None:
            return {"not_made": "of models without weights it is made for --report only"}
        shelf = ModelShelf(self.options, self.options.seed, self.console)
        return check_unlearned(shelf, reader, output, channels, survey)

    def _survey(self, reader: "ImageReader", channels: tuple[int, ...]) -> "Survey":
        survey = fit_channel_scales(
            reader,
            normalize=self.options.normalize,
            camera_offset=self.options.camera_offset,
            nan_policy=self.options.nan_policy,
        )
        tell_channel_findings(reader, [(channels, survey)], self.console)
        return survey

    def _bind(
        self,
        reader: "ImageReader",
        channels: tuple[int, ...],
        optics: "OpticsSettings | None",
    ) -> "list[tuple[ClassicalFunction, tuple[int, ...]]]":
        """Make the function of each plane, or one for all where it does not depend on them."""
        from focusfix.operations.classical import bind_classical

        planes = planes_of_channels(reader.metadata, channels)
        if not self.settings.looks_at_planes:
            bound = [(bind_classical(self.settings, optics), planes)]
        else:
            bound = []
            for plane, window in self._readable(reader, planes):
                bound.append((bind_classical(self.settings, optics, window), (plane,)))
        self._tell([each for each, _ in bound], optics, str(reader.path))
        return bound

    def _readable(
        self, reader: "ImageReader", planes: Sequence[int]
    ) -> "Iterator[tuple[int, np.ndarray]]":
        """Read the middle of each plane that shows something; the others are copied."""
        blank = 0
        for plane in planes:
            window = _read_middle(reader, plane)
            if window.min() < window.max():
                yield plane, window
            else:
                blank += 1
        if blank == len(planes):
            raise InputError(
                f"{reader.path} holds one grey value only in the middle of every plane: its blur "
                "cannot be read there.",
                "Cut out a part that shows something, or use --model unsharp.",
            )
        if blank:
            self.console.warning(
                f"{reader.path}: {blank} of {len(planes)} planes hold one grey value only in their "
                "middle and are copied"
            )

    def _tell(
        self, bound: "Sequence[ClassicalFunction]", optics: "OpticsSettings | None", path: str
    ) -> None:
        """Say which lens and distance are assumed, and where the distance may not be right."""
        distances = [each.dz_um for each in bound if each.dz_um is not None]
        if optics is None or not distances:
            return
        low, high = min(distances), max(distances)
        span = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
        found = "found to be " if self.settings.dz_um is None else ""
        self.console.note(
            f"{path}: {found}{span} um out of focus, for NA {optics.numerical_aperture:g}, "
            f"light of {optics.wavelength_um:g} um and a refractive index of "
            f"{optics.refractive_index:g}"
        )
        farther = sum(each.may_be_farther for each in bound)
        if farther:
            self.console.warning(
                f"{path}: in {farther} of {len(bound)} planes the farthest distance that was "
                "tried fits best: they may be farther out of focus, or the lens is another"
            )
        doubtful = sum(each.is_doubtful for each in bound)
        if doubtful:
            self.console.warning(
                f"{path}: {doubtful} of {len(bound)} planes do not look blurred by this lens at "
                "this distance, so little is undone: try another --dz-um, or check the lens and "
                "the pixel size"
            )

    def _part(
        self,
        reader: "ImageReader",
        bound: "ClassicalFunction",
        planes: tuple[int, ...],
        survey: "Survey",
    ) -> Part:
        from focusfix.engine.tiles import plan_tiles

        footprint = bound.function.footprint
        check_halo(footprint, self.halo_px)
        plan = plan_tiles(
            reader.metadata.shape_yx, footprint, tile_px=self.tile_px, halo_px=self.halo_px
        )
        return Part(planes, bound.function, plan, survey.scales, self.batch_size or 1)


def plan_classical(options: DeblurOptions, console: Console) -> "ClassicalDeblurring | DepthFusing":
    """Check what a model without weights is asked for, before any image is opened.

    Returns
    -------
    ClassicalDeblurring or DepthFusing
        What does one file after another.

    Raises
    ------
    UsageError
        If an option is out of range, of another model, or missing.
    OutputError
        If the report cannot be written.
    """
    given = given_options(options)
    if given:
        raise UsageError(
            f"{given[0]} is for models with codes, not for {options.model}.",
            f"Leave {given[0]} out, or choose another model with --model.",
        )
    if options.report is not None:
        check_folder(options.report)
    if options.model == EDF:
        return DepthFusing.plan(options, console)
    return ClassicalDeblurring.plan(options, console)


def choose_settings(options: DeblurOptions) -> "ClassicalSettings":
    """Put the settings of a method together.

    Raises
    ------
    UsageError
        If an option is out of range, of another model, or missing; or a device is asked for that
        the method does not run on.
    """
    from focusfix.operations.classical import ClassicalSettings

    check_classical_options(options, options.model)
    check_cpu(options)
    wanted = {
        "iterations": options.iterations,
        "total_variation": options.total_variation,
        "radius_px": options.radius_px,
        "amount": options.amount,
    }
    given: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    try:
        return ClassicalSettings(options.model, parse_distance(options.dz_um), **given)  # type: ignore[arg-type]
    except ValueError as error:
        raise UsageError(
            f"A setting of {options.model} is out of range: {error}.", "Correct it."
        ) from error


def _read_middle(reader: "ImageReader", plane: int) -> "np.ndarray":
    """Read grey values from the middle of a plane, at most 1024 x 1024; of colours the green."""
    rows, columns = (middle_slice(size) for size in reader.metadata.shape_yx)
    window = reader.read_window(plane, rows, columns)
    sample = 1 if window.shape[2] >= 3 else 0
    return grey(window[..., sample : sample + 1])
