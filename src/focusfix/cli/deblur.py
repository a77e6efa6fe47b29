"""``focusfix deblur``: an out-of-focus image becomes an in-focus image."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from focusfix import __version__
from focusfix.cli.command import add_command
from focusfix.cli.console import Console
from focusfix.cli.files import Record, plan_jobs, process_jobs, show_output
from focusfix.cli.model_choice import (
    AUTO,
    Choice,
    ModelShelf,
    check_halo,
    choose_models,
    find_model,
)
from focusfix.cli.options import (
    BatchOptions,
    ComputeOptions,
    ConfigOptions,
    ConsoleOptions,
    ImageOptions,
    JsonOption,
    Normalization,
    parse_count,
)
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
from focusfix.cli.scales import fit_scales, tell_findings
from focusfix.cli.sidecar import check_folder, sidecar_path, write_record

if TYPE_CHECKING:
    from focusfix.engine.survey import Survey
    from focusfix.io.batch import Job
    from focusfix.io.image import ImageReader

_EXAMPLES = (
    ("the default model, chosen from the image", "focusfix deblur in.tif -o out.tif"),
    ("a whole folder into another one", "focusfix deblur plate/ --pattern '*.tif' -o fixed/"),
    ("your own model, on the first graphics card",
     "focusfix deblur in.tif -m runs/first/best.safetensors --device cuda:0 -o out.tif"),
    ("one channel of several; the others are copied",
     "focusfix deblur cells.tif --channel 0 -o '{stem}_deblurred.tif'"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ModelOptions:
    """Which network, and what it is told of the image."""

    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH",
            help="Weights: a name that focusfix models list shows, or a .safetensors file. "
            "auto takes fluorescence or brightfield, whichever each channel looks like.",
        ),
    ] = "auto"
    camera_offset: Annotated[
        float | None,
        typer.Option(
            metavar="COUNTS",
            help="Grey value of darkness; by default the darkest pixels of each channel.",
        ),
    ] = None
    normalize: Annotated[
        Normalization,
        typer.Option(
            metavar="auto|dtype",
            help="Grey values that become 0 and 1 for the network: percentiles of each channel, "
            "as the model card says, or the whole range of the pixel type.",
        ),
    ] = Normalization.AUTO
    seed: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Start of the random numbers of models that draw any."
        ),
    ] = 0


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReportOption:
    """A record of the whole run."""

    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Write what was done to every file as JSON."),
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DeblurOptions(
    ConsoleOptions,
    ConfigOptions,
    JsonOption,
    ReportOption,
    ComputeOptions,
    ImageOptions,
    ModelOptions,
    BatchOptions,
):
    """Options of ``focusfix deblur``."""


@dataclass(frozen=True)
class Deblurring:
    """What is the same for every file of one run.

    Parameters
    ----------
    options : DeblurOptions
        As the user gave them.
    console : Console
        Where the run reports.
    tile_px, halo_px, batch_size : int, optional
        Parsed from the options; None for auto.
    shelf : ModelShelf
        Networks loaded so far.
    """

    options: DeblurOptions
    console: Console
    tile_px: int | None
    halo_px: int | None
    batch_size: int | None
    shelf: ModelShelf

    @classmethod
    def plan(cls, options: DeblurOptions, console: Console) -> "Deblurring":
        """Check what can be checked before any image is opened.

        Raises
        ------
        UsageError
            If a number is out of range.
        ModelError
            If the model is unknown or no checkpoint.
        OutputError
            If the report cannot be written.
        """
        if options.model != AUTO:
            find_model(options.model)
        if options.report is not None:
            check_folder(options.report)
        return cls(
            options,
            console,
            tile_px=parse_count("--tile-size", options.tile_size, smallest=1),
            halo_px=parse_count("--halo", options.halo, smallest=0),
            batch_size=parse_count("--batch-size", options.batch_size, smallest=1),
            shelf=ModelShelf(options, options.seed, console),
        )

    def process(self, job: "Job") -> Record:
        """Deblur one file.

        Returns
        -------
        dict
            What was done; also the sidecar's content.
        """
        from focusfix.io.checksums import file_sha256
        from focusfix.io.image import open_image

        started = time.monotonic()
        with open_image(job.source, axes=self.options.axes) as reader:
            for note in reader.notes:
                self.console.note(f"{job.source}: {note}")
            channels = select_channels(reader.metadata, self.options.channel)
            metadata = output_metadata(reader.metadata, self.options)
            choices = choose_models(reader, channels, self.options.model, self.console)
            surveys = [self._survey(reader, choice) for choice in choices]
            found = list(zip(choices, surveys, strict=True))
            tell_findings(reader, found, self.console)
            parts = [self._part(reader, choice, survey) for choice, survey in found]
            stats = restore_file(
                reader,
                job.target,
                metadata,
                complete_parts(reader, parts),
                self.console,
                overwrite=self.options.overwrite,
            )
        record = {
            "command": "deblur",
            "focusfix": __version__,
            "input": str(job.source),
            "output": str(job.target),
            "input_sha256": file_sha256(job.source),
            "models": [self._describe(*each) for each in zip(choices, parts, strict=True)],
            "seed": self.options.seed,
            "filled_pixels": surveys[0].n_gaps,
            **describe_stats(stats, metadata),
            "seconds": round(time.monotonic() - started, 3),
        }
        if not self.options.no_sidecar:
            write_record(sidecar_path(job.target), record)
        return record

    def _survey(self, reader: "ImageReader", choice: Choice) -> "Survey":
        return fit_scales(
            reader,
            choice,
            normalize=self.options.normalize,
            camera_offset=self.options.camera_offset,
            nan_policy=self.options.nan_policy,
        )

    def _part(self, reader: "ImageReader", choice: Choice, survey: "Survey") -> Part:
        from focusfix.engine.tiles import plan_tiles
        from focusfix.operations import choose_batch_size

        model = self.shelf.load(choice)
        check_halo(model.footprint, self.halo_px)
        plan = plan_tiles(
            reader.metadata.shape_yx, model.footprint, tile_px=self.tile_px, halo_px=self.halo_px
        )
        batch = self.batch_size or choose_batch_size(plan.tile_shape, model.function.device)
        planes = planes_of_channels(reader.metadata, choice.channels)
        return Part(planes, model.function, plan, survey.scales, batch)

    def _describe(self, choice: Choice, part: Part) -> Record:
        model = self.shelf.load(choice)
        return {
            "name": choice.path.stem,
            "path": str(choice.path),
            "sha256": model.sha256,
            "channels": list(choice.channels),
            **describe_part(part),
            "device": model.function.device.name,
            "precision": model.function.precision,
            "runtime": model.function.runtime,
        }


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "deblur", DeblurOptions, run, examples=_EXAMPLES)


def run(options: DeblurOptions, console: Console) -> None:
    """Make out-of-focus images sharp.

    Every plane is restored on its own; axes, pixel size, pixel type and grey values stay those
    of the input. Prints the path of each output.
    """
    deblurring = Deblurring.plan(options, console)
    jobs = plan_jobs(options)
    show = None if options.json else show_output
    process_jobs(jobs, deblurring.process, console, show=show, report=options.report)
