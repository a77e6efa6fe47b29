"""``focusfix deblur --model edf``: a z-stack becomes one image that is in focus everywhere."""

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from focusfix.cli.classical_options import check_classical_options
from focusfix.cli.classical_record import UnlearnedWork, check_cpu, finish_record
from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.files import Record
from focusfix.cli.model_shelf import check_halo
from focusfix.cli.options import parse_count
from focusfix.cli.restoration import (
    Part,
    describe_part,
    describe_stats,
    output_metadata,
    restore_file,
)
from focusfix.errors import InputError, UsageError

if TYPE_CHECKING:
    from focusfix.classical.depth_of_field import DepthFusion
    from focusfix.engine.survey import Survey
    from focusfix.io.batch import Job
    from focusfix.io.image import ImageMetadata, ImageReader
    from focusfix.operations.images import ReaderSource

_MOST_PIXELS = 1 << 24
"""Pixels of all z-levels of a tile together."""

_WORDS_OF_LEVELS = {"Labels", "spacing"}
"""What an ImageJ file says of z-levels."""

_LEAST_TILE_PX = 192
_MOST_TILE_PX = 1024


@dataclass(frozen=True)
class DepthFusing(UnlearnedWork):
    """What is the same for every file of one run.

    Parameters
    ----------
    options, console
        As for every run without weights.
    window_px : float
        Neighbourhood in which the sharpest z-level is chosen; pixels.
    tile_px, halo_px, batch_size : int, optional
        Parsed from the options; None for auto.
    """

    window_px: float
    tile_px: int | None
    halo_px: int | None
    batch_size: int | None

    @classmethod
    def plan(cls, options: DeblurOptions, console: Console) -> "DepthFusing":
        """Check what can be checked before any image is opened.

        Raises
        ------
        UsageError
            If an option is out of range, or none of this model's.
        """
        check_classical_options(options, options.model)
        check_cpu(options)
        if options.channel:
            raise UsageError(
                "--channel cannot be combined with --model edf: what is left out would keep its "
                "z-levels.",
                "Leave --channel out.",
            )
        window_px = 4.0 if options.window_px is None else options.window_px
        if not 0 < window_px < 1000:
            raise UsageError(
                f"--window-px must be greater than 0 and below 1000, not {window_px:g}.",
                "Give a few pixels.",
            )
        return cls(
            options,
            console,
            window_px,
            tile_px=parse_count("--tile-size", options.tile_size, smallest=1),
            halo_px=parse_count("--halo", options.halo, smallest=0),
            batch_size=parse_count("--batch-size", options.batch_size, smallest=1),
        )

    def process(self, job: "Job") -> Record:
        """Fuse one file.

        Returns
        -------
        dict
            What was done; also the sidecar's content.
        """
        from focusfix.classical.depth_of_field import DepthFusion
        from focusfix.io.image import open_image

        started = time.monotonic()
        with open_image(job.source, axes=self.options.axes) as reader:
            for note in reader.notes:
                self.console.note(f"{job.source}: {note}")
            levels = split_levels(reader)
            metadata = without_z(output_metadata(reader.metadata, self.options))
            survey = self._survey(levels)
            copied = len(levels[0].copied_samples)
            function = DepthFusion(self.window_px, samples=metadata.samples - copied)
            part = self._part(function, levels, survey)
            stats = restore_file(
                levels[0],
                job.target,
                metadata,
                [part],
                self.console,
                overwrite=self.options.overwrite,
            )
        model = {
            "name": self.options.model,
            "z_levels": len(levels),
            "window_px": self.window_px,
            "selectivity": function.selectivity,
            **describe_part(part),
        }
        return finish_record(
            self.options, job, [model], survey.n_gaps, describe_stats(stats, metadata), started
        )

    def _survey(self, levels: "list[ReaderSource]") -> "Survey":
        from focusfix.engine.survey import survey_source

        first, *others = levels
        survey = survey_source(
            first,
            first.channel_of_plane,
            nan_policy=self.options.nan_policy.value,
            copied_samples=first.copied_samples,
            companions=others,
        )
        if survey.n_gaps:
            self.console.warning(
                f"{first.path}: {survey.n_gaps} pixels that are NaN or Inf were replaced by the "
                "median of their channel"
            )
        return survey

    def _part(
        self, function: "DepthFusion", levels: "list[ReaderSource]", survey: "Survey"
    ) -> Part:
        from focusfix.engine.tiles import plan_tiles

        footprint = function.footprint
        check_halo(footprint, self.halo_px)
        side = math.isqrt(_MOST_PIXELS // len(levels))
        tile_px = min(max(side, _LEAST_TILE_PX, 4 * footprint.halo_px), _MOST_TILE_PX)
        plan = plan_tiles(
            levels[0].shape_yx, footprint, tile_px=self.tile_px or tile_px, halo_px=self.halo_px
        )
        planes = tuple(range(levels[0].n_planes))
        others = tuple(levels[1:])
        return Part(planes, function, plan, survey.scales, self.batch_size or 1, others)


def split_levels(reader: "ImageReader") -> "list[ReaderSource]":
    """Look at a z-stack as one image for each of its z-levels.

    Returns
    -------
    list of ReaderSource
        Each with the planes of the other axes, in order.

    Raises
    ------
    InputError
        If there is one z-level only.
    """
    from focusfix.operations.images import ReaderSource

    metadata = reader.metadata
    count = metadata.axis_size("Z")
    if count < 2:
        many = f", and {metadata.n_planes} planes along {metadata.plane_axes}"
        raise InputError(
            f"{reader.path} has one z-level{many if metadata.n_planes > 1 else ''}: there is "
            "nothing to fuse.",
            "Give a z-stack, or say which axis is Z with --axes.",
        )
    return [
        ReaderSource(
            reader, [each.position for each in metadata.planes if each.coordinates["Z"] == level]
        )
        for level in range(count)
    ]


def without_z(metadata: "ImageMetadata") -> "ImageMetadata":
    """Describe a z-stack that has become one z-level."""
    at = metadata.axes.index("Z")
    extras = {key: value for key, value in metadata.extras.items() if key not in _WORDS_OF_LEVELS}
    return replace(
        metadata,
        axes=metadata.axes[:at] + metadata.axes[at + 1 :],
        shape=metadata.shape[:at] + metadata.shape[at + 1 :],
        z_spacing_um=None,
        extras=extras,
    )
