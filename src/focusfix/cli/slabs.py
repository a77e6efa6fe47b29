"""One large OME-Zarr image as many tasks: slabs of its planes that are made of whole chunks.

The tiles of a slab are those of the whole image, so slabs together equal it bit for bit. Where
tiles are blended a slab is a whole plane. A row of tiles that two slabs share is computed twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from focusfix.blocks import Block
from focusfix.cli.alphas import AlphaJob
from focusfix.cli.deblurring import Deblurring, SeenImage
from focusfix.cli.files import Record
from focusfix.cli.refocus_options import REFOCUSER
from focusfix.cli.restoration import Part, add_stats, tell_stats

if TYPE_CHECKING:
    import numpy as np

    from focusfix.engine.source import PixelSource
    from focusfix.engine.stream import RestoreStats
    from focusfix.engine.survey import Survey
    from focusfix.engine.tiles import Span, TilePlan
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
    from focusfix.engine.stream import RestoreStats, restore

    stats = RestoreStats()
    part = next(each for each in seen.parts if slab.plane in each.planes)
    spans = _spans(part.plan, slab)
    plan = replace(part.plan, rows=spans)
    rows = _rows_seen(plan, spans)
    bands = restore(
        _RowsOnly(seen.source, rows),
        part.tile_function,
        plan,
        part.scales,
        companions=tuple(_RowsOnly(each, rows) for each in part.companions),
        planes=(slab.plane,),
        batch_size=part.batch_size,
        dtype=seen.metadata.dtype,
        copied_samples=seen.source.copied_samples,
        stats=stats,
    )
    columns = slice(0, plan.shape_yx[1])
    for start, strip in _strips(bands, spans[0].start, slab, output.layout.chunk_yx[0]):
        output.write_block(Block(slab.plane, slice(start, start + len(strip)), columns), strip)
    return stats


class _Known:
    """While open, an image is not measured again: nobody has looked at all of it here."""

    def __init__(self, work: Deblurring, division: Division) -> None:
        self._work, self._surveys = work, division.surveys

    def __enter__(self) -> None:
        self._work.surveys.update(self._surveys)

    def __exit__(self, *error: object) -> None:
        for key in self._surveys:
            self._work.surveys.pop(key, None)


def _spans(plan: "TilePlan", slab: Slab) -> "tuple[Span, ...]":
    """Find the rows of tiles that own rows of a slab."""
    return tuple(each for each in plan.rows if each.start < slab.stop and each.stop > slab.start)


def _rows_seen(plan: "TilePlan", spans: "Sequence[Span]") -> slice:
    """Find the rows of the image that the windows of some rows of tiles hold."""
    from focusfix.engine.tiles import reflect_positions

    needed = [
        reflect_positions(each.window_start, each.window_stop, plan.shape_yx[0]) for each in spans
    ]
    return slice(
        min(int(each.min()) for each in needed), max(int(each.max()) for each in needed) + 1
    )


class _RowsOnly:
    """An image of which only some rows are read; the others, which nobody looks at, are empty."""

    def __init__(self, source: "PixelSource", rows: slice) -> None:
        self._source, self._rows = source, rows
        self.shape_yx, self.n_planes = source.shape_yx, source.n_planes
        self.samples, self.dtype = source.samples, source.dtype

    def read_window(self, plane: int, rows: slice, columns: slice) -> "np.ndarray":
        """Read a window, or say nothing of it."""
        import numpy as np

        if rows.start < self._rows.stop and rows.stop > self._rows.start:
            return self._source.read_window(plane, rows, columns)
        shape = (rows.stop - rows.start, columns.stop - columns.start, self.samples)
        return np.broadcast_to(np.zeros((), self.dtype), shape)


def _strips(
    bands: "Iterator[np.ndarray]", first: int, slab: Slab, chunk: int
) -> "Iterator[tuple[int, np.ndarray]]":
    """Cut bands that begin at a row into strips of whole chunks of the slab."""
    import numpy as np

    row, held = first, []
    done = slab.start
    for band in bands:
        held.append(band[max(slab.start - row, 0) : max(slab.stop - row, 0)])
        row += len(band)
        stop = min(row, slab.stop)
        if stop - done >= chunk or stop == slab.stop:
            ready = np.concatenate(held)
            whole = len(ready) if stop == slab.stop else (stop - done) // chunk * chunk
            if whole:
                yield done, np.ascontiguousarray(ready[:whole])
            held, done = [ready[whole:]], done + whole


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
