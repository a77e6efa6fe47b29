"""``focusfix synthesize-blur``: a sharp image goes out of focus, as a microscope would have it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from focusfix import __version__
from focusfix.cli.blur_options import BlurOptions, choose_noise
from focusfix.cli.blur_series import BlurJob, plan_blur_jobs, write_manifest
from focusfix.cli.command import add_command
from focusfix.cli.console import Console
from focusfix.cli.files import Record, process_jobs, show_output
from focusfix.cli.lens import choose_optics
from focusfix.cli.options import parse_count
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
from focusfix.cli.scales import unit_scales
from focusfix.cli.sidecar import sidecar_path, write_record

if TYPE_CHECKING:
    import numpy as np

    from focusfix.io.image import ImageReader
    from focusfix.optics import OpticsSettings

_EXAMPLES = (
    ("10 um out of focus through the default lens",
     "focusfix synthesize-blur sharp.tif --dz-um 10 -o blurred.tif"),
    ("a labelled series for training, with camera noise",
     "focusfix synthesize-blur sharp/ --dz-um 5 --dz-um 10 --noise -o series/"),
)  # fmt: skip


@dataclass(frozen=True)
class Blurring:
    """What is the same for every file of one run.

    Parameters
    ----------
    options : BlurOptions
        As the user gave them.
    console : Console
        Where the run reports.
    tile_px, batch_size : int, optional
        Parsed from the options; None for auto.
    """

    options: BlurOptions
    console: Console
    tile_px: int | None
    batch_size: int | None

    def process(self, job: BlurJob) -> Record:
        """Blur one file by one distance.

        Returns
        -------
        dict
            What was done; also the sidecar's content.
        """
        from focusfix.io.checksums import file_sha256
        from focusfix.io.image import open_image
        from focusfix.operations.images import ReaderSource

        with open_image(job.source, axes=self.options.axes) as reader:
            for note in reader.notes:
                self.console.note(f"{job.source}: {note}")
            channels = select_channels(reader.metadata, self.options.channel)
            metadata = output_metadata(reader.metadata, self.options)
            optics = choose_optics(self.options, metadata, job.source)
            finish = choose_noise(self.options, metadata)
            part = self._part(reader, channels, optics, job.dz_um)
            parts = complete_parts(reader, [part])
            stats = restore_file(
                ReaderSource(reader),
                job.target,
                metadata,
                parts,
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
            "dz_um": job.dz_um,
            "optics": optics.model_dump(),
            "channels": list(channels),
            "noise": self._describe_noise(),
            **describe_part(part),
            **describe_stats(stats, metadata),
        }
        if not self.options.no_sidecar:
            write_record(sidecar_path(job.target), record)
        return record

    def _part(
        self,
        reader: "ImageReader",
        channels: tuple[int, ...],
        optics: "OpticsSettings",
        dz_um: float,
    ) -> Part:
        """Make the part of the planes that are blurred."""
        import numpy as np

        from focusfix.engine.tiles import plan_tiles
        from focusfix.footprint import Footprint
        from focusfix.optics import defocus_psf, image_plane

        psf = defocus_psf(optics, dz_um)

        def blur(tiles: "np.ndarray") -> "np.ndarray":
            blurred = [image_plane(plane, psf) for plane in tiles.reshape(-1, *tiles.shape[2:])]
            return np.stack(blurred).reshape(tiles.shape)

        plan = plan_tiles(
            reader.metadata.shape_yx, Footprint(psf.shape[0] // 2, 1), tile_px=self.tile_px
        )
        planes = planes_of_channels(reader.metadata, channels)
        scales = unit_scales(reader, self.options.nan_policy)
        return Part(planes, blur, plan, scales, self.batch_size or 1)

    def _describe_noise(self) -> dict[str, float] | None:
        if not self.options.noise:
            return None
        names = ("counts_per_electron", "read_noise", "camera_offset", "seed")
        return {name: getattr(self.options, name) for name in names}


def run(options: BlurOptions, console: Console) -> None:
    """Put sharp images out of focus.

    Every plane is imaged through a wide-field microscope at the given distance from its focal
    plane, as a thin sample that emits (fluorescence) or absorbs weakly (stained, bright field).
    Prints the path of each output.
    """
    blurring = Blurring(
        options,
        console,
        tile_px=parse_count("--tile-size", options.tile_size, smallest=1),
        batch_size=parse_count("--batch-size", options.batch_size, smallest=1),
    )
    jobs = plan_blur_jobs(options)
    process_jobs(jobs, blurring.process, console, show=None if options.json else show_output)
    if len(options.dz_um or ()) > 1:
        manifest, left_out = write_manifest(options)
        console.note(f"{manifest} lists the series for training")
        for source in left_out:
            console.warning(f"{source}: has several planes per channel and is not in {manifest}")


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "synthesize-blur", BlurOptions, run, examples=_EXAMPLES)
