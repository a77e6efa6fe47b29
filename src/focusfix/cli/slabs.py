"""One large OME-Zarr image as many tasks: slabs of its planes that are made of whole chunks.

The tiles of a slab are those of the whole image, so slabs together equal it bit for bit. Where
tiles are blended a slab is a whole plane. A row of tiles that two slabs share is computed twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from focusfix.blocks import Block, PaintedBlock
from focusfix.cli.alphas import AlphaJob
from focusfix.cli.deblurring import Deblurring, SeenImage
from focusfix.cli.files import Record
from focusfix.cli.refocus_options import REFOCUSER
from focusfix.cli.restoration import Part, add_stats, tell_stats

if TYPE_CHECKING:
    from focusfix.engine.stream import RestoreStats
    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageMetadata
    from focusfix.io.zarr_writer import ZarrOutput

_ROWS_OF_TILES = 4
"""Rows of tiles that a slab has at least, so that few are computed twice."""

_LEAST_TASKS = 8
_PIXELS_PER_TASK = 1 << 20
"""Small slabs are put together, since each task opens the image again; not to less than this."""


class Slab(NamedTuple):
    """Rows of one plane.

    Parameters
    ----------
    plane : int
        Position of the plane in the image.
    start, stop : int
        Its rows; multiples of the height of a chunk, or the border.
    """

    plane: int
    start: int
    stop: int


@dataclass(frozen=True)
class Division:
    """An image that was measured once, for all who restore parts of it.

    Parameters
    ----------
    output : ZarrOutput
        Made, without pixels.
    surveys : dict of (Path, tuple of int) to Survey
        Scales of the image, by the channels that they are for.
    descriptions : list of dict
        What is done to each part, for the sidecar.
    alpha : float, optional
        The alpha that was given or found.
    tasks : tuple of tuple of Slab
        What is to be restored, by who restores it.
    """

    output: "ZarrOutput"
    surveys: "dict[tuple[Path, tuple[int, ...]], Survey]"
    descriptions: list[dict[str, Any]]
    alpha: float | None
    tasks: tuple[tuple[Slab, ...], ...]

    @property
    def without_tasks(self) -> "Division":
        """The same for a worker, who is told its own task."""
        return replace(self, tasks=())


def divide(work: Deblurring, job: AlphaJob) -> Division | None:
    """Measure an image, make its output, and divide it.

    Parameters
    ----------
    work : Deblurring
        With its networks.
    job : AlphaJob
        Whose target is OME-Zarr.

    Returns
    -------
    Division or None
        None for an image that makes one task, and for refocusers, whose distances are found in it.

    Raises
    ------
    FocusfixError
        As for the whole image.
    """
    from focusfix.io.zarr_writer import ZarrOutput

    with work.look_at(job) as seen:
        if any(each.choice.family == REFOCUSER for each in seen.restored):
            return None
        chunk = _chunk_height(job.target, seen)
        tasks = _group(list(_cut(seen.parts, seen.source.n_planes, chunk)), seen.source.shape_yx)
        if len(tasks) < 2:
            return None
        surveys = {(seen.reader.path, each.choice.channels): each.survey for each in seen.restored}
        descriptions = [each.description for each in seen.restored]
        alpha = descriptions[0].get("alpha", job.alpha)
        output = ZarrOutput.create(job.target, seen.metadata)
        return Division(output, surveys, descriptions, alpha, tasks)


def _chunk_height(target: Path, seen: SeenImage) -> int:
    from focusfix.io.ngff_layout import plan_layout

    return plan_layout(target, seen.metadata).chunk_yx[0]


def _cut(parts: Sequence[Part], n_planes: int, chunk: int) -> Iterator[Slab]:
    """Cut every plane into slabs of a few rows of tiles, or leave it whole."""
    plans = {plane: part.plan for part in parts for plane in part.planes}
    for plane in range(n_planes):
        plan = plans[plane]
        height = plan.shape_yx[0]
        wanted = height if plan.ramp_px else _ROWS_OF_TILES * plan.core_yx[0]
        step = -(-wanted // chunk) * chunk
        for start in range(0, height, step):
            yield Slab(plane, start, min(start + step, height))


def _group(slabs: list[Slab], shape_yx: tuple[int, int]) -> tuple[tuple[Slab, ...], ...]:
    """Put neighbouring slabs together to a sensible number of tasks."""
    n_pixels = sum((slab.stop - slab.start) * shape_yx[1] for slab in slabs)
    n_tasks = min(max(n_pixels // _PIXELS_PER_TASK, _LEAST_TASKS), len(slabs))
    bounds = [len(slabs) * number // n_tasks for number in range(n_tasks + 1)]
    return tuple(tuple(slabs[a:b]) for a, b in pairwise(bounds))


def restore_slabs(
    work: Deblurring, job: AlphaJob, division: Division, slabs: Sequence[Slab]
) -> "RestoreStats":
    """Restore slabs and write them into the unfinished output.

    Parameters
    ----------
    work : Deblurring
        With its networks.
    job : AlphaJob
        The image.
    division : Division
        Of the image.
    slabs : sequence of Slab
        Some of it.

    Returns
    -------
    RestoreStats
        Of the rows of tiles that the slabs need.
    """
    with _Known(work, division), work.look_at(replace(job, alpha=division.alpha)) as seen:
        return add_stats([_restore_slab(seen, division.output, slab) for slab in slabs])


def _restore_slab(seen: SeenImage, output: "ZarrOutput", slab: Slab) -> "RestoreStats":
    from focusfix.engine.overlap import run_behind
    from focusfix.engine.stream import RestoreStats, restore
    from focusfix.io.cells import gather_cells

    stats = RestoreStats()
    part = next(each for each in seen.parts if slab.plane in each.planes)
    rows = tuple(
        each for each in part.plan.rows if each.start < slab.stop and each.stop > slab.start
    )
    blocks = restore(
        seen.source,
        part.tile_function,
        replace(part.plan, rows=rows),
        part.scales,
        companions=part.companions,
        planes=(slab.plane,),
        batch_size=part.batch_size,
        dtype=seen.metadata.dtype,
        copied_samples=seen.source.copied_samples,
        stats=stats,
    )
    shown = _shown_alone(seen.metadata, slab)

    def write(blocks: Iterator[PaintedBlock]) -> None:
        for cell, pixels in gather_cells(_inside(blocks, slab), shown, output.layout.chunk_yx):
            first, last = cell.rows.start + slab.start, cell.rows.stop + slab.start
            output.write_block(Block(slab.plane, slice(first, last), cell.columns), pixels)

    run_behind(write, blocks, name="focusfix-write")
    return stats


def _shown_alone(metadata: "ImageMetadata", slab: Slab) -> "ImageMetadata":
    """Describe a slab as if it were an image."""
    axes = metadata.axes[len(metadata.plane_axes) :]
    shape = (slab.stop - slab.start, *metadata.shape[len(metadata.plane_axes) + 1 :])
    return replace(metadata, axes=axes, shape=shape)


def _inside(blocks: Iterator[PaintedBlock], slab: Slab) -> Iterator[PaintedBlock]:
    """Leave out what lies above and below a slab, and count rows from its first one."""
    for block, pixels in blocks:
        first, last = max(block.rows.start, slab.start), min(block.rows.stop, slab.stop)
        if first < last:
            rows = slice(first - slab.start, last - slab.start)
            kept = slice(first - block.rows.start, last - block.rows.start)
            yield Block(0, rows, block.columns), pixels[kept]


class _Known:
    """While open, an image is not measured again: nobody has looked at all of it here."""

    def __init__(self, work: Deblurring, division: Division) -> None:
        self._work, self._surveys = work, division.surveys

    def __enter__(self) -> None:
        self._work.surveys.update(self._surveys)

    def __exit__(self, *error: object) -> None:
        for key in self._surveys:
            self._work.surveys.pop(key, None)


def finish_division(
    work: Deblurring,
    job: AlphaJob,
    division: Division,
    stats: "Sequence[RestoreStats]",
    seconds: float,
) -> Record:
    """Complete the output of which all slabs are written, and put down what was done.

    Parameters
    ----------
    work : Deblurring
        With its networks.
    job : AlphaJob
        The image.
    division : Division
        Of the image.
    stats : sequence of RestoreStats
        Of its tasks.
    seconds : float
        Time that was needed so far.

    Returns
    -------
    dict
        As :meth:`focusfix.cli.deblurring.Deblurring.process`; rows of tiles that slabs share
        count twice in the share of clipped pixels.
    """
    total = add_stats(stats)
    if division.output.partial.exists():  # unless a worker was lost when it had just been done
        division.output.finish()
    tell_stats(job.target, total, work.console)
    with _Known(work, division), work.look_at(replace(job, alpha=division.alpha)) as seen:
        described = [
            each._replace(description=text)
            for each, text in zip(seen.restored, division.descriptions, strict=True)
        ]
        whole = seen._replace(restored=described, started=seen.started - seconds)
        return work.record(job, whole, total, None)
