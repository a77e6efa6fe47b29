"""Blurring at work: each file, by optics, or by a model on its line or the other way round."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix import __version__
from focusfix.cli.blur_options import OPTICS, BlurOptions, choose_noise
from focusfix.cli.blur_plan import BlurPlan, plan_blur
from focusfix.cli.blur_series import BlurJob, plan_blur_jobs, write_manifest
from focusfix.cli.blurrier_end import Defocus, choose_end
from focusfix.cli.channel_models import choose_models
from focusfix.cli.cluster import assign
from focusfix.cli.console import Console
from focusfix.cli.errands import Beside
from focusfix.cli.files import Record, process_jobs, show_output
from focusfix.cli.lens import choose_defocus, choose_optics, lens_psf
from focusfix.cli.line_steps import StepOptions, Steps
from focusfix.cli.model_choice import find_model
from focusfix.cli.model_shelf import ModelShelf
from focusfix.cli.options import parse_count
from focusfix.cli.refocus_blurring import refocus_away
from focusfix.cli.refocus_options import REFOCUSER
from focusfix.cli.restoration import (
    Part,
    complete_parts,
    describe_part,
    describe_stats,
    output_metadata,
    planes_of_channels,
    restore_file,
    select_channels,
)
from focusfix.cli.scales import unit_scales, usual_scales
from focusfix.cli.second_image import open_second, pair_files
from focusfix.cli.sidecar import sidecar_path, write_record
from focusfix.cli.two_way import TWO_WAY, blur_back

if TYPE_CHECKING:
    import numpy as np

    from focusfix.io.image import ImageReader


@dataclass(frozen=True)
class Blurring:
    """What is the same for every file of one run.

    Parameters
    ----------
    options : BlurOptions
        As the user gave them.
    console : Console
        Where the run reports.
    plan : BlurPlan
        By which means, and how much.
    sizes : StepOptions
        Tiles and batches, parsed from the options.
    shelf : ModelShelf
        Networks loaded so far.
    partners : dict of Path to Path
        Blurrier image of each input.
    """

    options: BlurOptions
    console: Console
    plan: BlurPlan
    sizes: StepOptions
    shelf: ModelShelf
    partners: dict[Path, Path] = field(default_factory=dict)

    def fixed_files(self) -> tuple[str, ...]:
        """Name the weights that may be needed."""
        return () if self.plan.model == OPTICS else (self.plan.model,)

    def beside(self, job: BlurJob) -> Beside:
        """Tell which other files belong to a job."""
        return Beside(self.partners.get(job.source))

    def put_beside(self, job: BlurJob, files: Beside) -> None:
        """Be told which other files belong to a job."""
        if files.second is not None:
            self.partners[job.source] = files.second

    def may_divide(self, job: BlurJob) -> bool:  # noqa: ARG002 - as other work has it
        """Tell that each job is done by one worker."""
        return False

    def process(self, job: BlurJob) -> Record:
        """Blur one file by one amount.

        Returns
        -------
        dict
            What was done; also the sidecar's content.
        """
        from focusfix.io.checksums import file_sha256
        from focusfix.io.image import open_image
        from focusfix.operations.images import ReaderSource

        with ExitStack() as stack:
            reader = stack.enter_context(open_image(job.source, axes=self.options.axes))
            for note in reader.notes:
                self.console.note(f"{job.source}: {note}")
            channels = select_channels(reader.metadata, self.options.channel)
            metadata = output_metadata(reader.metadata, self.options)
            finish = choose_noise(self.options, metadata)
            if self.plan.model == OPTICS:
                part, details = self._optical_part(reader, channels, job)
            else:
                part, details = self._learned_part(stack, reader, channels, job)
            stats = restore_file(
                ReaderSource(reader),
                job.target,
                metadata,
                complete_parts(ReaderSource(reader), [part]),
                self.console,
                overwrite=self.options.overwrite,
                finish=finish,
            )
        record = {
            "command": "synthesize-blur",
            "focusfix": __version__,
            "input": str(job.source),
            "output": str(job.target),
            "input_sha256": file_sha256(job.source),
            "alpha": job.alpha,
            **details,
            "channels": list(channels),
            "noise": self._describe_noise(),
            **describe_stats(stats, metadata),
        }
        if not self.options.no_sidecar:
            write_record(sidecar_path(job.target), record)
        return record

    def farthest_um(self, reader: "ImageReader") -> float | None:
        """Tell the distance from focus of an image's alpha 0; None where it is an image."""
        if self.options.blurrier is not None:
            return None
        header = None if self.plan.model == OPTICS else find_model(self.plan.model)[1]
        metadata = output_metadata(reader.metadata, self.options)
        optics = choose_optics(self.options, metadata, reader.path)
        wanted_um = self.options.max_defocus_um
        return choose_defocus("--max-defocus-um", wanted_um, header, optics)

    def _optical_part(
        self, reader: "ImageReader", channels: tuple[int, ...], job: BlurJob
    ) -> tuple[Part, dict[str, Any]]:
        """Make the part of the planes that optics blurs."""
        import numpy as np

        from focusfix.engine.tiles import plan_tiles
        from focusfix.footprint import Footprint
        from focusfix.optics import image_plane

        metadata = output_metadata(reader.metadata, self.options)
        optics = choose_optics(self.options, metadata, job.source)
        dz_um = job.dz_um
        if dz_um is None:
            dz_um = (1 - (job.alpha or 0.0)) * (self.farthest_um(reader) or 0.0)
        psf = lens_psf(optics, dz_um)

        def blur(tiles: "np.ndarray") -> "np.ndarray":
            blurred = [image_plane(plane, psf) for plane in tiles.reshape(-1, *tiles.shape[2:])]
            return np.stack(blurred).reshape(tiles.shape)

        footprint = Footprint(psf.shape[0] // 2, 1)
        if job.alpha == 1:
            blur, footprint = lambda tiles: tiles, Footprint(0, 1)
        plan = plan_tiles(reader.metadata.shape_yx, footprint, tile_px=self.sizes.tile_px)
        planes = planes_of_channels(reader.metadata, channels)
        scales = unit_scales(reader, self.options.nan_policy)
        part = Part(planes, blur, plan, scales, self.sizes.batch_size or 1)
        details = {"dz_um": dz_um, "optics": optics.model_dump(), **describe_part(part)}
        return part, details

    def _learned_part(
        self, stack: ExitStack, reader: "ImageReader", channels: tuple[int, ...], job: BlurJob
    ) -> tuple[Part, dict[str, Any]]:
        """Make the part of the planes that a model blurs."""
        alpha = 1.0 if job.alpha is None else job.alpha
        second = None
        if job.source in self.partners:
            path = self.partners[job.source]
            second = open_second(stack, reader, path, self.options.axes, channels, self.console)
        choices = choose_models(reader, channels, self.plan.model, self.console, "synthesize-blur")
        [choice] = choices
        if choice.family == TWO_WAY:
            return blur_back(self.shelf, self.options, reader, choice, self.sizes)
        if choice.family == REFOCUSER:
            dz_um = job.dz_um or 0.0
            return refocus_away(self.shelf, self.options, reader, choice, self.sizes, dz_um)
        defocus = Defocus("--max-defocus-um", self.options.max_defocus_um, 1.0)
        end = choose_end(self.options, reader, choice.header, second, defocus, self.console)
        survey = usual_scales(
            reader,
            choice,
            self.options.nan_policy,
            self.console,
            () if second is None else (second.source(),),
        )
        steps = Steps.plan(self.shelf, choice, reader, survey, end)
        part = steps.part(alpha, self.sizes)
        return part, {"models": [steps.describe(part, alpha)], **end.describe()}

    def _describe_noise(self) -> dict[str, float] | None:
        if not self.options.noise:
            return None
        names = ("counts_per_electron", "read_noise", "camera_offset", "seed")
        return {name: getattr(self.options, name) for name in names}


def blur_files(options: BlurOptions, console: Console) -> None:
    """Blur all files of one run, print their paths, and list a series for training.

    Parameters
    ----------
    options : BlurOptions
        As the user gave them.
    console : Console
        Where the run reports.

    Raises
    ------
    FocusfixError
        As the commands do.
    """
    blurring = plan_synthesize_blur(options, console)
    plan = blurring.plan
    jobs = plan_blur_jobs(options, plan)
    blurring.partners.update(pair_files(jobs, options.blurrier, "blurrier", "--blurrier"))
    show = None if options.json else show_output
    with assign(plan_synthesize_blur, blurring, jobs, options, console) as process:
        process_jobs(jobs, process, console, show=show, part=options.part)
    if plan.is_series:
        manifest, left_out = write_manifest(options, plan, blurring.farthest_um)
        console.note(f"{manifest} lists the series for training")
        for source in left_out:
            console.warning(f"{source}: has several planes per channel and is not in {manifest}")


def plan_synthesize_blur(options: BlurOptions, console: Console) -> Blurring:
    """Decide how files are blurred, before any is opened.

    Parameters
    ----------
    options : BlurOptions
        As the user gave them.
    console : Console
        Where the run reports.

    Returns
    -------
    Blurring

    Raises
    ------
    FocusfixError
        As the commands do.
    """
    sizes = StepOptions(
        tile_px=parse_count("--tile-size", options.tile_size, smallest=1),
        halo_px=parse_count("--halo", options.halo, smallest=0),
        batch_size=parse_count("--batch-size", options.batch_size, smallest=1),
    )
    shelf = ModelShelf(options, options.seed, console)
    return Blurring(options, console, plan_blur(options), sizes, shelf)
