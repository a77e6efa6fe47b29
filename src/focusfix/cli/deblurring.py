"""Deblurring at work: each file through the models that its options ask for."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from focusfix import __version__
from focusfix.cli.alphas import AlphaJob, plan_alpha_jobs
from focusfix.cli.classical_deblurring import ClassicalDeblurring, plan_classical
from focusfix.cli.classical_options import CLASSICAL_MODELS
from focusfix.cli.cluster import assign
from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.deblur_parts import PartMaker
from focusfix.cli.deblur_plan import plan_model
from focusfix.cli.depth_fusion import DepthFusing
from focusfix.cli.errands import Beside
from focusfix.cli.files import Record, completed_plates, process_jobs, show_output
from focusfix.cli.line_steps import StepOptions
from focusfix.cli.model_choice import AUTO, AUTO_MODELS
from focusfix.cli.model_shelf import ModelShelf
from focusfix.cli.options import parse_count
from focusfix.cli.reblur import RestoredPart, check_reblurred
from focusfix.cli.refocus_options import surface_of
from focusfix.cli.restoration import (
    Part,
    complete_parts,
    describe_stats,
    output_metadata,
    restore_file,
)
from focusfix.cli.second_image import pair_files
from focusfix.cli.sidecar import check_folder, sidecar_path, write_record
from focusfix.cli.starting import uncollected
from focusfix.cli.trust import write_trust_map
from focusfix.cli.trust_plan import READER, check_trust_options, plan_maps

if TYPE_CHECKING:
    from focusfix.engine.stream import RestoreStats
    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageMetadata, ImageReader
    from focusfix.operations.images import ReaderSource


class SeenImage(NamedTuple):
    """One image with what will be done to it.

    Parameters
    ----------
    reader : ImageReader
        Open.
    source : ReaderSource
        The same, as the engine sees it.
    metadata : ImageMetadata
        Of the output.
    restored : list of RestoredPart
        Planes that networks change.
    n_gaps : int
        NaN and Inf pixels.
    started : float
        When it was opened; seconds of the monotonic clock.
    """

    reader: "ImageReader"
    source: "ReaderSource"
    metadata: "ImageMetadata"
    restored: list[RestoredPart]
    n_gaps: int
    started: float

    @property
    def parts(self) -> list[Part]:
        """All planes, those that stay as they are included."""
        return complete_parts(self.source, [each.part for each in self.restored])


@dataclass(frozen=True)
class Deblurring:
    """What is the same for every file of one run.

    Parameters
    ----------
    options : DeblurOptions
        As the user gave them.
    console : Console
        Where the run reports.
    model : str
        Weights to use; "auto" to choose by channel.
    alphas : tuple of float or None
        Alphas of the run; None to have one chosen, or for models that take none.
    tile_px, halo_px, batch_size : int, optional
        Parsed from the options; None for auto.
    shelf : ModelShelf
        Networks loaded so far.
    partners : dict of Path to Path
        Blurrier image of each input.
    maps : dict of Path to Path
        Trust map of each input.
    surveys : dict of (Path, tuple of int) to Survey
        Scales of images and channels that were measured before.
    """

    options: DeblurOptions
    console: Console
    model: str
    alphas: tuple[float | None, ...]
    tile_px: int | None
    halo_px: int | None
    batch_size: int | None
    shelf: ModelShelf
    partners: dict[Path, Path]
    maps: dict[Path, Path]
    surveys: "dict[tuple[Path, tuple[int, ...]], Survey]" = field(default_factory=dict)

    @classmethod
    def plan(cls, options: DeblurOptions, console: Console) -> "Deblurring":
        """Check what can be checked before any image is opened.

        Raises
        ------
        UsageError
            If a number is out of range, or an option is none of the model's.
        ModelError
            If the model is unknown or no checkpoint.
        OutputError
            If the report cannot be written.
        """
        model, alphas = plan_model(options, console)
        check_trust_options(options, alphas)
        if options.report is not None:
            check_folder(options.report)
        return cls(
            options,
            console,
            model,
            alphas,
            tile_px=parse_count("--tile-size", options.tile_size, smallest=1),
            halo_px=parse_count("--halo", options.halo, smallest=0),
            batch_size=parse_count("--batch-size", options.batch_size, smallest=1),
            shelf=ModelShelf(options, options.seed, console),
            partners={},
            maps={},
        )

    def jobs(self) -> list[AlphaJob]:
        """Pair every input with its output, and with its blurrier image where there is one."""
        jobs = plan_alpha_jobs(self.options, self.alphas)
        self.partners.update(pair_files(jobs, self.options.blurrier, "blurrier", "--blurrier"))
        self.maps.update(plan_maps(self.options, jobs))
        return jobs

    def fixed_files(self) -> tuple[str, ...]:
        """Name the weights that may be needed, the reference in focus, and a surface."""
        names = AUTO_MODELS if self.model == AUTO else (self.model,)
        others = self.options.in_focus_reference, surface_of(self.options.dz_um)
        return (*names, READER, *(str(path) for path in others if path is not None))

    def beside(self, job: AlphaJob) -> Beside:
        """Tell which other files belong to a job."""
        return Beside(self.partners.get(job.source), self.maps.get(job.source))

    def put_beside(self, job: AlphaJob, files: Beside) -> None:
        """Be told which other files belong to a job."""
        if files.second is not None:
            self.partners[job.source] = files.second
        if files.trust_map is not None:
            self.maps[job.source] = files.trust_map

    def process(self, job: AlphaJob) -> Record:
        """Deblur one file.

        Returns
        -------
        dict
            What was done; also the sidecar's content.
        """
        with self.look_at(job) as seen:
            target = self.maps.get(job.source)
            trust_map = write_trust_map(
                self.shelf, seen.reader, seen.metadata, seen.restored, target
            )
            stats = restore_file(
                seen.source,
                job.target,
                seen.metadata,
                seen.parts,
                self.console,
                overwrite=self.options.overwrite,
            )
            return self.record(job, seen, stats, trust_map)

    def may_divide(self, job: AlphaJob) -> bool:
        """Tell whether several workers may do a job together: OME-Zarr without a trust map."""
        from focusfix.io.zarr_files import names_zarr

        return names_zarr(job.target) and job.source not in self.maps

    @contextmanager
    def look_at(self, job: AlphaJob) -> "Iterator[SeenImage]":
        """Open one file, measure it, and make its networks ready."""
        from focusfix.io.image import open_image
        from focusfix.operations.images import ReaderSource

        started = time.monotonic()
        with ExitStack() as stack:
            reader = stack.enter_context(open_image(job.source, axes=self.options.axes))
            for note in reader.notes:
                self.console.note(f"{job.source}: {note}")
            metadata = output_metadata(reader.metadata, self.options)
            maker = PartMaker(
                self.options,
                self.console,
                self.model,
                StepOptions(self.tile_px, self.halo_px, self.batch_size),
                self.shelf,
                self.surveys,
            )
            blurrier = self.partners.get(job.source)
            restored, n_gaps = maker.make(stack, reader, blurrier, job.alpha)
            yield SeenImage(reader, ReaderSource(reader), metadata, restored, n_gaps, started)

    def record(
        self, job: AlphaJob, seen: "SeenImage", stats: "RestoreStats", trust_map: Record | None
    ) -> Record:
        """Check the result, and put down what was done."""
        from focusfix.io.checksums import file_sha256

        models = check_reblurred(self.shelf, seen.reader, job.target, seen.restored)
        record = {
            "command": "deblur",
            "focusfix": __version__,
            "input": str(job.source),
            "output": str(job.target),
            "input_sha256": file_sha256(job.source),
            "models": models,
            "seed": self.options.seed,
            "filled_pixels": seen.n_gaps,
            "trust_map": trust_map,
            **describe_stats(stats, seen.metadata),
            "seconds": round(time.monotonic() - seen.started, 3),
        }
        if not self.options.no_sidecar:
            write_record(sidecar_path(job.target), record)
        return record


def deblur_files(options: DeblurOptions, console: Console) -> None:
    """Deblur all files of one run and print their paths.

    Parameters
    ----------
    options : DeblurOptions
        As the user gave them.
    console : Console
        Where the run reports.

    Raises
    ------
    FocusfixError
        As the commands do.
    """
    with uncollected():
        deblurring = plan_deblur(options, console)
    jobs: Sequence[Any] = deblurring.jobs()
    show = None if options.json else show_output
    beside = [(job.source, deblurring.beside(job).trust_map) for job in jobs]
    maps = [(source, path) for source, path in beside if path is not None]
    with completed_plates(maps), assign(plan_deblur, deblurring, jobs, options, console) as process:
        process_jobs(jobs, process, console, show=show, report=options.report, part=options.part)


def plan_deblur(
    options: DeblurOptions, console: Console
) -> Deblurring | ClassicalDeblurring | DepthFusing:
    """Choose how files are deblurred, and check what can be checked before any is opened.

    Parameters
    ----------
    options : DeblurOptions
        As the user gave them.
    console : Console
        Where the run reports.

    Returns
    -------
    Deblurring, ClassicalDeblurring or DepthFusing
        By a model with weights, or one of the two kinds without.

    Raises
    ------
    FocusfixError
        As the commands do.
    """
    if options.model in CLASSICAL_MODELS:
        check_trust_options(options)
        return plan_classical(options, console)
    return Deblurring.plan(options, console)
