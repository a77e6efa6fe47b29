"""Interpolation at work: two open ends of a field, and the files of the levels between them."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix import __version__
from focusfix.cli.alphas import format_alpha, parse_alphas
from focusfix.cli.blurrier_end import Defocus, choose_end
from focusfix.cli.channel_models import choose_models
from focusfix.cli.console import Console
from focusfix.cli.files import Record
from focusfix.cli.interpolate_options import InterpolateOptions
from focusfix.cli.ladder_files import LadderFile, check_files, plan_files, stack_metadata
from focusfix.cli.line_steps import StepOptions, Steps
from focusfix.cli.model_choice import family_of, find_model
from focusfix.cli.model_shelf import ModelShelf
from focusfix.cli.options import parse_count
from focusfix.cli.refocus_options import REFOCUSER, check_refocus_options
from focusfix.cli.restoration import (
    complete_parts,
    describe_stats,
    output_metadata,
    restore_file,
    select_channels,
)
from focusfix.cli.scales import usual_scales
from focusfix.cli.second_image import SecondImage, open_second
from focusfix.cli.sidecar import sidecar_path, write_record
from focusfix.errors import UsageError

if TYPE_CHECKING:
    from focusfix.io.image import ImageReader

USUAL_MODEL = "latent-line"
"""Weights between two images unless the user says otherwise."""

USUAL_STEPS = 9
"""Levels of a ladder unless the user says otherwise."""


@dataclass(frozen=True)
class Ladder:
    """Two open ends of one field and the levels between them.

    Parameters
    ----------
    options : InterpolateOptions
        As the user gave them.
    console : Console
        Where the run reports.
    reader : ImageReader
        The sharper end.
    second : SecondImage
        The blurrier end.
    steps : Steps
        What is done between them.
    sizes : StepOptions
        Tiles and batches.
    """

    options: InterpolateOptions
    console: Console
    reader: "ImageReader"
    second: SecondImage
    steps: Steps
    sizes: StepOptions

    @classmethod
    def open(
        cls,
        stack: ExitStack,
        options: InterpolateOptions,
        chosen: tuple[str, Path],
        sizes: StepOptions,
        console: Console,
    ) -> "Ladder":
        """Open both ends, and load the weights that move between them.

        Raises
        ------
        InputError
            If an image cannot be read, or the two do not fit each other.
        ModelError
            If the weights are damaged.
        """
        from focusfix.io.image import open_image

        model, blurrier = chosen
        reader = stack.enter_context(open_image(options.sharper_image, axes=options.axes))
        for note in reader.notes:
            console.note(f"{reader.path}: {note}")
        channels = select_channels(reader.metadata, options.channel)
        second = open_second(stack, reader, blurrier, options.axes, channels, console)
        [choice] = choose_models(reader, channels, model, console, "interpolate")
        survey = usual_scales(reader, choice, options.nan_policy, console, (second.source(),))
        defocus = Defocus("--self-blur-um", None, 1.0)
        end = choose_end(options, reader, choice.header, second, defocus, console)
        shelf = ModelShelf(options, options.seed, console)
        steps = Steps.plan(shelf, choice, reader, survey, end)
        return cls(options, console, reader, second, steps, sizes)

    def write(self, file: LadderFile) -> Record:
        """Write one file of one or several levels.

        Returns
        -------
        dict
            What was done; also the sidecar's content.
        """
        from focusfix.io.checksums import file_sha256
        from focusfix.operations.images import ReaderSource

        alphas = file.alphas
        metadata = output_metadata(self.reader.metadata, self.options)
        if file.is_stack:
            metadata = stack_metadata(metadata, [f"alpha {format_alpha(a)}" for a in alphas])
        n_planes = self.reader.metadata.n_planes
        source = ReaderSource(self.reader, [*range(n_planes)] * len(alphas))
        parts = [
            self.steps.part(alpha, self.sizes, rung=rung, rungs=len(alphas))
            for rung, alpha in enumerate(alphas)
        ]
        stats = restore_file(
            source,
            file.target,
            metadata,
            complete_parts(source, parts),
            self.console,
            overwrite=self.options.overwrite,
        )
        record = {
            "command": "interpolate",
            "focusfix": __version__,
            "input": str(self.reader.path),
            "output": str(file.target),
            "input_sha256": file_sha256(self.reader.path),
            "alphas": list(alphas),
            "blurrier": self.second.describe(),
            "models": [self.steps.describe(parts[0], alphas[0])],
            "seed": self.options.seed,
            **describe_stats(stats, metadata),
        }
        if not self.options.no_sidecar:
            write_record(sidecar_path(file.target), record)
        return record


def write_ladder(options: InterpolateOptions, console: Console) -> None:
    """Write the levels between two images and print the paths of the files.

    Parameters
    ----------
    options : InterpolateOptions
        As the user gave them.
    console : Console
        Where the run reports.

    Raises
    ------
    FocusfixError
        As the commands do.
    """
    model, blurrier = _check_ladder(options)
    alphas = choose_alphas(options)
    sizes = StepOptions(
        tile_px=parse_count("--tile-size", options.tile_size, smallest=1),
        halo_px=parse_count("--halo", options.halo, smallest=0),
        batch_size=parse_count("--batch-size", options.batch_size, smallest=1),
    )
    files = plan_files(options.output, options.sharper_image, alphas)
    with ExitStack() as stack:
        ladder = Ladder.open(stack, options, (model, blurrier), sizes, console)
        ends = (options.sharper_image, blurrier)
        check_files(files, ends, ladder.reader.metadata, overwrite=options.overwrite)
        for file in files:
            record = ladder.write(file)
            if options.json:
                console.record(record)
            else:
                console.result(str(file.target))


def _check_ladder(options: InterpolateOptions) -> tuple[str, Path]:
    """Name the weights and the blurrier image."""
    model = options.model or USUAL_MODEL
    _, header = find_model(model, "interpolate")
    family = family_of(header)
    if family == REFOCUSER:
        raise UsageError(
            f"The model {model} makes planes at distances, not levels between two images.",
            "Give --dz-um, such as -4:4:0.5, and one image.",
        )
    check_refocus_options(options, family, model)
    if options.blurrier_image is None:
        raise UsageError(
            "interpolate needs a sharper and a blurrier image.",
            "Name both, or give --dz-um for a virtual focal stack of one.",
        )
    return model, options.blurrier_image


def choose_alphas(options: InterpolateOptions) -> list[float]:
    """Collect the levels wanted.

    Returns
    -------
    list of float
        Of ``--steps`` from sharp to blurred; otherwise in the order given.

    Raises
    ------
    UsageError
        If one is out of range or given twice, or both ways are used.
    """
    given = parse_alphas(options.alpha or [], options.alphas, zero_allowed=True)
    if given and options.steps is not None:
        raise UsageError(
            "--steps and alphas exclude each other.", "Give the number of levels, or the levels."
        )
    count = options.steps or USUAL_STEPS
    return given or [(count - 1 - rung) / (count - 1) for rung in range(count)]
