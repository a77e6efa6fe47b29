"""One image through the tile engine: which channels, on which scale, through which function."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix.blocks import PaintedBlock
from focusfix.cli.choices import OutputType
from focusfix.cli.console import Console
from focusfix.cli.merged_blocks import merge_blocks
from focusfix.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.cli.options import ImageOptions
    from focusfix.engine.normalize import IntensityScale
    from focusfix.engine.painter import TileFunction
    from focusfix.engine.source import PixelSource
    from focusfix.engine.stream import RestoreStats
    from focusfix.engine.tiles import TilePlan
    from focusfix.io.image import ImageMetadata, ImageReader
    from focusfix.operations.images import ReaderSource

_WINDOW_PX = 1024

_FINISHED_PX = 256
"""Side of the squares in which a finished image is put together, whatever its tiles; pixels."""

Finish = Callable[[PaintedBlock], "np.ndarray"]
"""Turns float32 grey values of shape (rows, columns, samples) into those that are written."""


@dataclass(frozen=True)
class Part:
    """Planes of an image that go through one tile function.

    Parameters
    ----------
    planes : tuple of int
        Positions, ascending.
    tile_function : callable
        What is done to them.
    plan : TilePlan
        Tiles.
    scales : tuple of IntensityScale
        One for each plane of the image.
    batch_size : int
        Tiles per call.
    companions : tuple of PixelSource
        Other images of the field that the function sees beside this one.
    """

    planes: tuple[int, ...]
    tile_function: "TileFunction"
    plan: "TilePlan"
    scales: "tuple[IntensityScale, ...]"
    batch_size: int
    companions: "tuple[PixelSource, ...]" = ()


def select_channels(metadata: "ImageMetadata", wanted: Sequence[int] | None) -> tuple[int, ...]:
    """Check the channels that the user wants against those there are.

    Parameters
    ----------
    metadata : ImageMetadata
        Of the image.
    wanted : sequence of int, optional
        Channels counted from 0; None or empty for all.

    Returns
    -------
    tuple of int
        Ascending, each once.

    Raises
    ------
    UsageError
        If the image does not have one of them.
    """
    count = metadata.axis_size("C")
    for channel in wanted or ():
        if not 0 <= channel < count:
            names = metadata.channel_names or ()
            named = f" ({', '.join(names)})" if names else ""
            raise UsageError(
                f"There is no channel {channel}: the image has {count}{named}, counted from 0.",
                "Give --channel a number that is there, or leave it out to take all.",
            )
    return tuple(sorted(set(wanted))) if wanted else tuple(range(count))


def planes_of_channels(metadata: "ImageMetadata", channels: Sequence[int]) -> tuple[int, ...]:
    """List the positions of the planes of some channels, ascending."""
    return tuple(plane.position for plane in metadata.planes if plane.channel in channels)


def middle_window(reader: "ImageReader", channel: int) -> "np.ndarray":
    """Read the middle of the middle plane of a channel, at most 1024 x 1024 pixels.

    Returns
    -------
    ndarray, shape (Y, X, S)
        Stored intensities.
    """
    planes = planes_of_channels(reader.metadata, (channel,))
    rows, columns = (middle_slice(size) for size in reader.metadata.shape_yx)
    return reader.read_window(planes[len(planes) // 2], rows, columns)


def middle_slice(size: int, most_px: int = _WINDOW_PX) -> slice:
    """Cut at most ``most_px`` pixels from the middle of an axis."""
    start = max(size - most_px, 0) // 2
    return slice(start, min(start + most_px, size))


def output_metadata(metadata: "ImageMetadata", options: "ImageOptions") -> "ImageMetadata":
    """Describe the output: the input, with pixel type, size and version that the user asked for.

    Raises
    ------
    UsageError
        If the pixel size is not positive.
    """
    import numpy as np

    metadata = replace(metadata, ngff_version=options.zarr_version.value)
    if options.dtype is not OutputType.INPUT:
        metadata = replace(metadata, dtype=np.dtype(options.dtype.value), significant_bits=None)
    size = options.pixel_size_um
    if size is None:
        return metadata
    if not 0 < size < float("inf"):
        raise UsageError(
            f"--pixel-size-um must be greater than 0, not {size:g}.",
            "Give the side of a pixel in the sample in micrometres.",
        )
    return replace(metadata, pixel_size_um=(size, size), resolution=None)


def complete_parts(source: "ReaderSource", parts: Sequence[Part]) -> list[Part]:
    """Add the planes that belong to no part, as one that passes them on unchanged."""
    from focusfix.engine.tiles import plan_tiles
    from focusfix.footprint import Footprint

    rest = set(range(source.n_planes)).difference(*(part.planes for part in parts))
    if not rest:
        return list(parts)
    plan = plan_tiles(source.shape_yx, Footprint(0, 1))
    scales = tuple(replace(scale, constant=True) for scale in parts[0].scales)
    return [*parts, Part(tuple(sorted(rest)), lambda tiles: tiles, plan, scales, 1)]


def describe_part(part: Part) -> dict[str, Any]:
    """Describe the tiles and scales of a part for a sidecar; sizes in pixels."""
    scales = {scale: None for plane, scale in enumerate(part.scales) if plane in part.planes}
    return {
        "intensity_scales": [{"offset": scale.offset, "gain": scale.gain} for scale in scales],
        "tiles": {
            "shape_px": list(part.plan.tile_shape),
            "halo_px": part.plan.halo_px,
            "ramp_px": part.plan.ramp_px,
            "stride_px": part.plan.stride_px,
            "count": part.plan.n_tiles,
            "exact": part.plan.exact,
            "batch_size": part.batch_size,
        },
    }


def describe_stats(stats: "RestoreStats", metadata: "ImageMetadata") -> dict[str, Any]:
    """Describe the output for a sidecar."""
    return {
        "axes": metadata.axes,
        "shape": list(metadata.shape),
        "dtype": str(metadata.dtype),
        "pixel_size_um": list(metadata.pixel_size_um) if metadata.pixel_size_um else None,
        "clipped_share": stats.clipped_share,
        "backed_off": stats.backed_off,
    }


def restore_file(
    source: "ReaderSource",
    target: Path,
    metadata: "ImageMetadata",
    parts: Sequence[Part],
    console: Console,
    *,
    overwrite: bool,
    finish: Finish | None = None,
) -> "RestoreStats":
    """Send all planes of an image through their functions, into a file.

    Parameters
    ----------
    source : ReaderSource
        The image.
    target : Path
        File to write.
    metadata : ImageMetadata
        Of the output.
    parts : sequence of Part
        Together they hold every plane once.
    console : Console
        For progress and for what the writer has to say.
    overwrite : bool
        Whether ``target`` may be replaced.
    finish : callable, optional
        Turns float32 grey values into the output's type; told where they lie, square by square
        of a grid that does not depend on the tiles. The engine rounds to that type when not given.

    Returns
    -------
    RestoreStats
        Of all parts together.
    """
    import numpy as np

    from focusfix.io.naming import display_name
    from focusfix.operations.images import write_behind

    stats = _new_stats(len(parts))
    dtype = metadata.dtype if finish is None else np.dtype(np.float32)
    further = iter if finish is None else partial(_finish, finish, replace(metadata, dtype=dtype))
    n_blocks = sum(len(part.planes) * part.plan.n_tiles for part in parts)
    with ExitStack() as stack:
        advance = stack.enter_context(console.progress(display_name(source.path)))
        blocks = stack.enter_context(closing(merge_blocks(source, dtype, parts, stats, advance)))
        notes = write_behind(
            target,
            metadata,
            blocks,
            overwrite=overwrite,
            finish=further,
            is_single=n_blocks == 1,
        )
    for note in notes:
        console.note(f"{target}: {note}")
    total = add_stats(stats)
    tell_stats(target, total, console)
    return total


def _finish(
    finish: Finish, metadata: "ImageMetadata", blocks: Iterable[PaintedBlock]
) -> Iterator[PaintedBlock]:
    from focusfix.io.cells import gather_cells

    for painted in gather_cells(blocks, metadata, (_FINISHED_PX, _FINISHED_PX)):
        yield painted[0], finish(painted)


def tell_stats(target: Path, stats: "RestoreStats", console: Console) -> None:
    """Say what of an output the user would not expect."""
    if stats.n_clipped:
        console.warning(
            f"{target}: {stats.clipped_share:.2%} of the pixels were clipped to the range of "
            "their type; --dtype float32 keeps them"
        )
    if stats.backed_off:
        console.note(f"{target}: memory was short, so smaller tiles were used")


def _new_stats(count: int) -> "list[RestoreStats]":
    from focusfix.engine.stream import RestoreStats

    return [RestoreStats() for _ in range(count)]


def add_stats(stats: "Sequence[RestoreStats]") -> "RestoreStats":
    """Add up what happened to the parts of one image."""
    largest = max(stats, key=lambda each: each.tile_shape)
    return replace(
        largest,
        n_pixels=sum(each.n_pixels for each in stats),
        n_clipped=sum(each.n_clipped for each in stats),
        backed_off=any(each.backed_off for each in stats),
    )
