"""Virtual focal stacks: planes that were not recorded, made by a refocuser at known distances."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix import __version__
from focusfix.cli.channel_models import choose_models
from focusfix.cli.console import Console
from focusfix.cli.depth_fusion import without_z
from focusfix.cli.files import Record
from focusfix.cli.grids import parse_distances
from focusfix.cli.interpolate_options import InterpolateOptions
from focusfix.cli.ladder_files import LadderFile, check_files, stack_metadata
from focusfix.cli.line_steps import StepOptions
from focusfix.cli.model_choice import family_of, find_model
from focusfix.cli.model_shelf import ModelShelf
from focusfix.cli.options import named_given, parse_count
from focusfix.cli.refocus_levels import RecordedLevels, parse_level, sharpest_level
from focusfix.cli.refocus_options import REFOCUSER, check_refocus_options
from focusfix.cli.refocusing import Refocusing
from focusfix.cli.restoration import (
    Part,
    complete_parts,
    describe_stats,
    output_metadata,
    restore_file,
    select_channels,
)
from focusfix.cli.scales import usual_scales
from focusfix.cli.sidecar import sidecar_path, write_record
from focusfix.errors import UsageError

if TYPE_CHECKING:
    from focusfix.cli.model_shelf import BoundModel
    from focusfix.engine.source import PixelSource
    from focusfix.io.image import ImageMetadata, ImageReader

USUAL_MODEL = "refocus"
"""Weights that make planes unless the user says otherwise."""

_ONE_LEVEL = {"YX", "YXS", "CYX", "CYXS"}


@dataclass(frozen=True)
class VirtualStack:
    """One image and the distances of the planes that are made of it.

    Parameters
    ----------
    refocusing : Refocusing
        The refocuser and the image.
    level : int
        The z-level that distances count from.
    distances_um : tuple of float
        Of the planes, in order; micrometres.
    """

    refocusing: Refocusing
    level: int
    distances_um: tuple[float, ...]

    @property
    def base(self) -> tuple[int, ...]:
        """Planes of the image that distances count from, one for each channel."""
        planes = self.refocusing.reader.metadata.planes
        return tuple(each.position for each in planes if each.coordinates.get("Z", 0) == self.level)

    def level_metadata(self) -> "ImageMetadata":
        """Describe one plane of the stack."""
        image = output_metadata(self.refocusing.reader.metadata, self.refocusing.options)
        return without_z(image) if "Z" in image.axes else image

    def metadata(self) -> "ImageMetadata":
        """Describe the stack: the image with its planes along Z, at their true spacing."""
        labels = [f"dz {distance:+g} um" for distance in self.distances_um]
        spacing = None
        if len(labels) > 1:
            spacing = abs(self.distances_um[1] - self.distances_um[0])
        return stack_metadata(self.level_metadata(), labels, spacing)

    def parts(self) -> "tuple[list[Part], list[Record]]":
        """Make the parts of all planes, and describe them.

        Raises
        ------
        UsageError
            If a plane is farther away than the network is meant for.
        InputError
            If several z-levels are used and the file does not say their distance.
        """
        refocusing = self.refocusing
        fuses = refocusing.reader.metadata.axis_size("Z") > 1 and refocusing.network.most_planes > 1
        levels = RecordedLevels.of(refocusing) if fuses else None
        if levels is None:
            refocusing.check_reach(max(self.distances_um, key=abs))
        scales = tuple(refocusing.survey.scales[plane] for plane in self.base)
        scales *= len(self.distances_um)
        parts, told = [], []
        for rung, dz_um in enumerate(self.distances_um):
            planes = [rung * len(self.base) + place for place in self._places()]
            bound, seen, details = self._bind(levels, dz_um)
            parts.append(refocusing.part(bound, planes, scales=scales, companions=seen))
            told.append({"dz_um": dz_um, **details})
        return parts, [{**refocusing.describe(bound, parts[0]), "planes": told}]

    def _places(self) -> list[int]:
        """Tell which of the base planes go through the network."""
        planes = self.refocusing.reader.metadata.planes
        return [
            place
            for place, position in enumerate(self.base)
            if planes[position].channel in self.refocusing.choice.channels
        ]

    def _bind(
        self, levels: RecordedLevels | None, dz_um: float
    ) -> "tuple[BoundModel, tuple[PixelSource, ...], dict[str, Any]]":
        """Make the network ready for one plane, with the recorded levels that it sees."""
        if levels is None:
            return self.refocusing.at(dz_um), (), {}
        wanted_um = levels.heights_um[self.level] + dz_um
        chosen = levels.choose(wanted_um)
        seen = tuple(
            levels.source(
                levels.positions(self.base, [level] * len(self.base)) * len(self.distances_um)
            )
            for level in chosen
        )
        bound = self.refocusing.from_planes(levels.distances(wanted_um, chosen))
        return bound, seen, {"z_levels": chosen}


def write_virtual_stack(options: InterpolateOptions, console: Console) -> None:
    """Write a virtual focal stack and print its path.

    Parameters
    ----------
    options : InterpolateOptions
        As the user gave them, with ``--dz-um``.
    console : Console
        Where the run reports.

    Raises
    ------
    FocusfixError
        As the commands do.
    """
    from focusfix.io.checksums import file_sha256
    from focusfix.io.image import open_image
    from focusfix.operations.images import ReaderSource

    distances, target = parse_distances(options.dz_um or ""), _target(options)
    _check_options(options)
    with ExitStack() as opened:
        reader = opened.enter_context(open_image(options.sharper_image, axes=options.axes))
        for note in reader.notes:
            console.note(f"{reader.path}: {note}")
        stack = _plan(options, reader, tuple(distances), console)
        metadata = stack.metadata()
        file = LadderFile(target, stack.distances_um, is_stack=True)
        one = stack.level_metadata()
        check_files([file], (reader.path,), one, overwrite=options.overwrite)
        parts, models = stack.parts()
        source = ReaderSource(reader, [*stack.base] * len(distances))
        stats = restore_file(
            source,
            target,
            metadata,
            complete_parts(source, parts),
            console,
            overwrite=options.overwrite,
        )
    record: Record = {
        "command": "interpolate",
        "focusfix": __version__,
        "input": str(reader.path),
        "output": str(target),
        "input_sha256": file_sha256(reader.path),
        "dz_um": distances,
        "z_level": stack.level,
        "models": models,
        "seed": options.seed,
        **describe_stats(stats, metadata),
    }
    _hand_out(options, console, target, record)


def _hand_out(options: InterpolateOptions, console: Console, target: Path, record: Record) -> None:
    """Write the sidecar, and print what was made."""
    if not options.no_sidecar:
        write_record(sidecar_path(target), record)
    if options.json:
        console.record(record)
    else:
        console.result(str(target))


def _target(options: InterpolateOptions) -> Path:
    from focusfix.io.naming import image_stem, names_image

    output = options.output.replace("{stem}", image_stem(options.sharper_image))
    if "{" in output or not names_image(output):
        raise UsageError(
            f"A virtual focal stack is one file, which {options.output} does not name.",
            "Give a name such as stack.tif.",
        )
    return Path(output)


def _check_options(options: InterpolateOptions) -> None:
    """Refuse what is for levels between two images, and weights that do not refocus."""
    model = options.model or USUAL_MODEL
    _, header = find_model(model, "interpolate")
    if family_of(header) != REFOCUSER:
        raise UsageError(
            f"--dz-um is for refocusers, and the model {model} is none.",
            "Leave --dz-um out, or choose another model with --model.",
        )
    check_refocus_options(options, REFOCUSER, model)
    values = {
        "BLURRIER": options.blurrier_image,
        "--steps": options.steps,
        "--alpha": options.alpha,
        "--alphas": options.alphas,
    }
    for option in named_given(values):
        raise UsageError(
            f"{option} is for levels between two images, and --dz-um for planes around one.",
            f"Leave {option} or --dz-um out.",
        )


def _plan(
    options: InterpolateOptions,
    reader: "ImageReader",
    distances: tuple[float, ...],
    console: Console,
) -> VirtualStack:
    """Choose the level that distances count from, and load what refocuses."""
    metadata = reader.metadata
    if metadata.axes.replace("Z", "") not in _ONE_LEVEL:
        raise UsageError(
            f"{reader.path} has the axes {metadata.axes}: a virtual focal stack is made of one "
            "time point.",
            "Split the file, or say what its axes are with --axes.",
        )
    channels = select_channels(metadata, options.channel)
    model = options.model or USUAL_MODEL
    [choice] = choose_models(reader, channels, model, console, "interpolate")
    level = parse_level(options.z_level, metadata.axis_size("Z"))
    if level is None:
        level = sharpest_level(reader, channels[0])
        if metadata.axis_size("Z") > 1:
            console.note(f"{reader.path}: distances count from z-level {level}, the sharpest")
    survey = usual_scales(reader, choice, options.nan_policy, console)
    sizes = StepOptions(
        tile_px=parse_count("--tile-size", options.tile_size, smallest=1),
        halo_px=parse_count("--halo", options.halo, smallest=0),
        batch_size=parse_count("--batch-size", options.batch_size, smallest=1),
    )
    shelf = ModelShelf(options, options.seed, console)
    refocusing = Refocusing(shelf, options, choice, reader, survey, sizes)
    return VirtualStack(refocusing, level, distances)
