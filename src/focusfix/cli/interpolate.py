"""``focusfix interpolate``: a ladder of blur levels between two images of one field."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from focusfix import __version__
from focusfix.cli.alphas import parse_alphas
from focusfix.cli.blurrier_end import Defocus, choose_end
from focusfix.cli.command import add_command
from focusfix.cli.console import Console
from focusfix.cli.files import Record
from focusfix.cli.ladder_files import LadderFile, check_files, plan_files, stack_metadata
from focusfix.cli.lens import OpticalOptions
from focusfix.cli.line_steps import StepOptions, Steps
from focusfix.cli.model_choice import ModelShelf, choose_models, find_model
from focusfix.cli.options import (
    ComputeOptions,
    ConfigOptions,
    ConsoleOptions,
    JsonOption,
    Normalization,
    parse_count,
)
from focusfix.cli.restoration import (
    complete_parts,
    describe_stats,
    output_metadata,
    restore_file,
    select_channels,
)
from focusfix.cli.scales import fit_scales, tell_findings
from focusfix.cli.second_image import SecondImage, open_second
from focusfix.cli.sidecar import sidecar_path, write_record
from focusfix.errors import UsageError

if TYPE_CHECKING:
    from focusfix.io.image import ImageReader

USUAL_STEPS = 9

_EXAMPLES = (
    ("nine levels as one stack",
     "focusfix interpolate sharper.tif blurrier.tif --steps 9 -o series.tif"),
    ("chosen levels, one file each",
     "focusfix interpolate sharper.tif blurrier.tif --alphas 0:1:0.1 -o levels/"),
    ("with your own model",
     "focusfix interpolate z16.tif z0.tif -m runs/line/best.safetensors -o 'z_{alpha}.tif'"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LadderOptions:
    """The two ends, the steps between them, and the files they go to."""

    sharper_image: Annotated[
        Path, typer.Argument(metavar="SHARPER", help="The sharper image of a field, alpha 1.")
    ]
    blurrier_image: Annotated[
        Path, typer.Argument(metavar="BLURRIER", help="The blurrier one, alpha 0.")
    ]
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="One stack: a file name. One file for each level: a folder, or a template with "
            "{alpha}, and {stem} for the name of the sharper image.",
        ),
    ]
    steps: Annotated[
        int | None,
        typer.Option(
            min=2, metavar="N", help="Levels, both ends included; 9 unless alphas are given."
        ),
    ] = None
    alpha: Annotated[
        list[float] | None,
        typer.Option(metavar="FLOAT", help="One level; repeat for several."),
    ] = None
    alphas: Annotated[
        str | None,
        typer.Option(metavar="A:B:STEP", help="Levels from A to B, both included: 0:1:0.1."),
    ] = None
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH",
            help="Weights: a name that focusfix models list shows, or a .safetensors file.",
        ),
    ] = "latent-line"
    seed: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Start of the random numbers of models that draw any."
        ),
    ] = 0
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = (
        False
    )
    no_sidecar: Annotated[
        bool, typer.Option("--no-sidecar", help="Do not write OUT.focusfix.json.")
    ] = False


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InterpolateOptions(
    ConsoleOptions, ConfigOptions, JsonOption, ComputeOptions, OpticalOptions, LadderOptions
):
    """Options of ``focusfix interpolate``."""


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
        cls, stack: ExitStack, options: InterpolateOptions, sizes: StepOptions, console: Console
    ) -> "Ladder":
        """Open both ends and load what moves between them.

        Raises
        ------
        InputError
            If an image cannot be read, or the two do not fit each other.
        ModelError
            If the weights are damaged.
        """
        from focusfix.io.image import open_image

        reader = stack.enter_context(open_image(options.sharper_image, axes=options.axes))
        for note in reader.notes:
            console.note(f"{reader.path}: {note}")
        channels = select_channels(reader.metadata, options.channel)
        second = open_second(stack, reader, options.blurrier_image, options.axes, channels, console)
        [choice] = choose_models(reader, channels, options.model, console, "interpolate")
        survey = fit_scales(
            reader,
            choice,
            normalize=Normalization.AUTO,
            camera_offset=None,
            nan_policy=options.nan_policy,
            companions=(second.source(),),
        )
        tell_findings(reader, [(choice, survey)], console)
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
            metadata = stack_metadata(metadata, alphas)
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


def run(options: InterpolateOptions, console: Console) -> None:
    """Make the blur levels between two images of one field.

    The levels go from the sharper image, alpha 1, to the blurrier one, alpha 0, through the codes
    of a model; the ends of models that move along a line are the images themselves. Prints the
    path of each output.
    """
    find_model(options.model, "interpolate")
    alphas = choose_alphas(options)
    sizes = StepOptions(
        tile_px=parse_count("--tile-size", options.tile_size, smallest=1),
        halo_px=parse_count("--halo", options.halo, smallest=0),
        batch_size=parse_count("--batch-size", options.batch_size, smallest=1),
    )
    files = plan_files(options.output, options.sharper_image, alphas)
    with ExitStack() as stack:
        ladder = Ladder.open(stack, options, sizes, console)
        ends = (options.sharper_image, options.blurrier_image)
        check_files(files, ends, ladder.reader.metadata, overwrite=options.overwrite)
        for file in files:
            record = ladder.write(file)
            if options.json:
                console.record(record)
            else:
                console.result(str(file.target))


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


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "interpolate", InterpolateOptions, run, examples=_EXAMPLES)
