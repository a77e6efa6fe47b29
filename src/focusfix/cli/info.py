"""``focusfix info``: what an image says about itself and what focusfix would do with it."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from focusfix.cli.command import add_command
from focusfix.cli.console import Console
from focusfix.cli.console_options import ConsoleOptions, JsonOption
from focusfix.cli.files import Record, process_jobs
from focusfix.cli.restoration import middle_slice, middle_window
from focusfix.cli.score_focus_options import AUTO
from focusfix.cli.starting import uncollected
from focusfix.cli.tables import format_facts, format_table
from focusfix.errors import UsageError

if TYPE_CHECKING:
    from focusfix.cli.focus_weights import MeterRack
    from focusfix.io.image import ImageMetadata, ImageReader

_EXAMPLES = (
    ("one image", "focusfix info in.tif"),
    ("which plane of each stack is in focus, for a program", "focusfix info stacks/ --json"),
    ("how far planes are from focus", "focusfix info in.tif --numerical-aperture 0.5"),
)
_LEAST_PX = 8
_DIGITS = 4


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InfoOptions(ConsoleOptions, JsonOption):
    """Options of ``focusfix info``."""

    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help="Images, folders or quoted globs."),
    ] = None
    pattern: Annotated[
        str | None,
        typer.Option(
            metavar="GLOB", help="Which files of input folders to take, for example '*.tif'."
        ),
    ] = None
    axes: Annotated[
        str | None,
        typer.Option(
            metavar="LETTERS",
            help="One of T Z C Y X S for each dimension, if the file states its axes wrong.",
        ),
    ] = None

    numerical_aperture: Annotated[
        float | None,
        typer.Option(
            metavar="NA", help="Of the objective, to tell how far from focus z-levels are."
        ),
    ] = None
    refractive_index: Annotated[
        float, typer.Option(metavar="N", help="Of the immersion medium; air 1, water 1.33.")
    ] = 1.0
    pixel_size_um: Annotated[
        float | None,
        typer.Option(metavar="UM", help="Side of a pixel, where the file does not say it."),
    ] = None
    blur_model: Annotated[
        str,
        typer.Option(
            metavar="auto|NAME|PATH",
            help="Weights that tell how far from focus z-levels are: manifold-1d alone, "
            "latent-line with --numerical-aperture.",
        ),
    ] = AUTO


@dataclass(frozen=True)
class InfoJob:
    """One image to describe."""

    source: Path


def run(options: InfoOptions, console: Console) -> None:
    """Describe images and their focus.

    Prints axes, pixel type and size, what deblur would do, and the focus curve of every z-stack:
    the root-mean-square spatial frequency of the detail of each z level, in cycles per pixel,
    which can be compared between the planes of one channel. --verbose lists the numbers. With
    weights that read blur (--blur-model) or the --numerical-aperture of the objective, also how
    far from focus the planes are.
    """
    if not options.inputs:
        raise UsageError("No input was given.", "Give an image or a folder.")
    rack = _prepare_meters(options, console)
    with uncollected():
        from focusfix.io.inputs import expand_inputs

    jobs = [InfoJob(path) for path in expand_inputs(options.inputs, pattern=options.pattern)]
    process_jobs(
        jobs,
        lambda job: _describe_with_distance(job.source, options, console, rack),
        console,
        show=None if options.json else partial(show_facts, listed=options.verbose),
    )


def describe_file(path: Path, axes: str | None, console: Console) -> Record:
    """Describe one image.

    Parameters
    ----------
    path : Path
        The image.
    axes : str, optional
        Axes instead of those the file states.
    console : Console
        For progress.

    Returns
    -------
    dict
        JSON values.

    Raises
    ------
    InputError
        If it is not an image that can be read.
    """
    from focusfix.io.image import open_image
    from focusfix.io.naming import display_name

    shown = display_name(path)
    with open_image(path, axes=axes) as reader, console.progress(shown) as advance:
        metadata = reader.metadata
        channels = range(metadata.axis_size("C"))
        record = {"input": str(path), **_describe_metadata(metadata), "notes": list(reader.notes)}
        record["deblur_with"] = [_describe_channel(reader, channel) for channel in channels]
        record["focus"] = []
        if metadata.axis_size("Z") > 1 and min(metadata.shape_yx) >= _LEAST_PX:
            for channel in channels:
                record["focus"].append(_rank_planes(reader, channel))
                advance((channel + 1) / len(channels))
    return record


def _prepare_meters(options: InfoOptions, console: Console) -> "MeterRack | None":
    """Check the options of the distance from focus, if there are any, and import what it needs."""
    asked = options.numerical_aperture, options.pixel_size_um
    if asked == (None, None) and options.blur_model == AUTO:
        return None
    from focusfix.cli.focus_weights import MeterRack, check_meter_options
    from focusfix.cli.info_distance import check_pixel_size

    check_meter_options(options)
    check_pixel_size(options.pixel_size_um)
    rack = MeterRack(options, console)
    return rack if rack.wanted else None


def _describe_with_distance(
    path: Path, options: InfoOptions, console: Console, rack: "MeterRack | None"
) -> Record:
    record = describe_file(path, options.axes, console)
    distance: list[Record] = []
    if rack is not None:
        from focusfix.cli.info_distance import measure_distances

        distance = measure_distances(path, options.axes, options.pixel_size_um, rack)
    return {**record, "distance": distance}


def show_facts(record: Record, *, listed: bool = False) -> str:
    """Lay a description out for reading.

    Parameters
    ----------
    record : dict
        From :func:`describe_file`.
    listed : bool
        Whether the sharpness of every z level is listed below its curve.

    Returns
    -------
    str
        Lines.
    """
    lines = [format_facts(record["input"], _facts(record))]
    for focus in record["focus"]:
        lines += _focus_lines(focus, listed=listed)
    if record["distance"]:
        from focusfix.cli.info_distance import distance_lines

        lines += distance_lines(record, listed=listed)
    return "\n".join(lines)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "info", InfoOptions, run, examples=_EXAMPLES)


def _focus_lines(focus: Record, *, listed: bool) -> list[str]:
    from focusfix.report.terminal import draw_bars, known_cells

    sharpness, sharpest = focus["sharpness"], focus["focal_level"]
    where = f"z_level {sharpest} ({sharpness[sharpest]:.4f} cycles per pixel)"
    lines = [f"  focus of channel {focus['channel']}: sharpest at {where}"]
    curve = draw_bars(sharpness, marked=sharpest, cells=known_cells(sys.stdout.encoding))
    lines += [f"    {line}" for line in curve]
    if listed:
        rows = [
            (z_level, f"{value:.4f}", "sharpest" if z_level == sharpest else "")
            for z_level, value in enumerate(sharpness)
        ]
        table = format_table(("z_level", "sharpness", ""), rows)
        lines += [f"    {line}" for line in table.splitlines()]
    return lines


def _describe_metadata(metadata: "ImageMetadata") -> dict[str, Any]:
    size = metadata.pixel_size_um
    return {
        "format": metadata.format,
        "ngff_version": metadata.ngff_version if metadata.format == "ome-zarr" else None,
        "axes": metadata.axes,
        "shape": list(metadata.shape),
        "dtype": str(metadata.dtype),
        "significant_bits": metadata.significant_bits,
        "pixel_size_um": list(size) if size else None,
        "z_spacing_um": metadata.z_spacing_um,
        "frame_interval_s": metadata.frame_interval_s,
        "channel_names": list(metadata.channel_names) if metadata.channel_names else None,
        "compression": metadata.compression,
        "planes": metadata.n_planes,
    }


def _describe_channel(reader: "ImageReader", channel: int) -> dict[str, Any]:
    from focusfix.io.weights import are_installed
    from focusfix.metrics.modality import guess_modality

    modality = guess_modality(middle_window(reader, channel))
    model = modality if are_installed(modality) else None
    return {"channel": channel, "modality": modality, "model": model}


def _rank_planes(reader: "ImageReader", channel: int) -> dict[str, Any]:
    """Measure all z levels of a channel, at the first time point."""
    from focusfix.metrics.focus import rank_focus

    rows, columns = (middle_slice(size) for size in reader.metadata.shape_yx)
    windows = (
        reader.read_window(plane.position, rows, columns)[..., :3].mean(axis=-1)
        for plane in reader.metadata.planes
        if plane.channel == channel and plane.coordinates.get("T", 0) == 0
    )
    sharpness, focal_level = rank_focus(windows)
    rounded = [round(value, _DIGITS) for value in sharpness]
    return {"channel": channel, "sharpness": rounded, "focal_level": focal_level}


def _facts(record: Record) -> dict[str, object]:
    size = record["pixel_size_um"]
    spacing, interval = record["z_spacing_um"], record["frame_interval_s"]
    bits, names = record["significant_bits"], record["channel_names"]
    return {
        "format": " ".join(filter(None, (record["format"], record["ngff_version"]))),
        "axes": record["axes"],
        "shape": " x ".join(str(length) for length in record["shape"]),
        "pixel type": f"{record['dtype']}, {bits} bits used" if bits else record["dtype"],
        "pixel size": f"{size[0]:g} x {size[1]:g} um (y, x)" if size else "not stated",
        "z spacing": f"{spacing:g} um" if spacing else None,
        "frame interval": f"{interval:g} s" if interval else None,
        "channels": ", ".join(names) if names else None,
        "compression": record["compression"] or "none",
        "planes": record["planes"],
        "notes": "; ".join(record["notes"]) or None,
        "deblur would": "; ".join(_intention(each) for each in record["deblur_with"]),
    }


def _intention(channel: Record) -> str:
    looks = f"channel {channel['channel']} looks like {channel['modality']}"
    if channel["model"] is None:
        return f"{looks}, for which no weights are installed"
    return f"{looks}: use the model {channel['model']}"
