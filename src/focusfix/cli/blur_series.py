"""A series of blurred images: its jobs, and the manifest that makes it training data."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.cli.alphas import create_folder
from focusfix.cli.blur_options import BlurOptions
from focusfix.cli.files import plan_jobs
from focusfix.cli.sidecar import relative_path
from focusfix.errors import OutputError, UsageError

if TYPE_CHECKING:
    from focusfix.io.image import ImageMetadata

MANIFEST = "manifest.csv"
"""Name of the list in the folder of a series."""

COLUMNS = ("path", "field", "channel", "z_index", "z_um", "split")
"""Columns of the manifest; ``path`` is relative to it, ``split`` is left to training."""


@dataclass(frozen=True)
class BlurJob:
    """One image at one distance from focus.

    Parameters
    ----------
    source, target : Path
        Input and output.
    dz_um : float
        Distance from focus.
    """

    source: Path
    target: Path
    dz_um: float


def plan_blur_jobs(options: BlurOptions) -> list[BlurJob]:
    """Pair every input and distance with an output.

    Parameters
    ----------
    options : BlurOptions
        As the user gave them; with several distances the output is a folder, which is created.

    Returns
    -------
    list of BlurJob
        Distance by distance, in the order of the inputs.

    Raises
    ------
    UsageError
        If no distance is given, one is given twice, or the output is no folder.
    OutputError
        If the folder cannot be created.
    """
    distances = check_distances(options.dz_um or [])
    if len(distances) == 1:
        return [BlurJob(job.source, job.target, distances[0]) for job in plan_jobs(options)]
    folder = series_folder(options)
    jobs = []
    for dz_um in distances:
        template = str(folder / f"{{stem}}_dz{format_distance(dz_um)}um.tif")
        jobs += [BlurJob(job.source, job.target, dz_um) for job in plan_jobs(options, template)]
    return jobs


def check_distances(distances: Sequence[float]) -> list[float]:
    """Refuse distances that are missing, given twice or not finite.

    Returns
    -------
    list of float
        Ascending; micrometres.

    Raises
    ------
    UsageError
        If they make no series.
    """
    if not distances:
        raise UsageError("No distance from focus was given.", "Give one with --dz-um, such as 10.")
    labels = [format_distance(dz_um) for dz_um in distances]
    if len(set(labels)) < len(labels) or not all(map(math.isfinite, distances)):
        raise UsageError(
            f"--dz-um takes distances that differ, not {', '.join(labels)}.",
            "Give each distance once.",
        )
    return sorted(distances)


def series_folder(options: BlurOptions) -> Path:
    """Create the folder of a series.

    Raises
    ------
    UsageError
        If the output is a file name or a template.
    OutputError
        If the folder cannot be created.
    """
    from focusfix.io.image import IMAGE_SUFFIXES

    output = options.output
    if output is None or "{" in output or Path(output).suffix.lower() in IMAGE_SUFFIXES:
        raise UsageError(
            "Several distances make several images, so the output must be a folder.",
            "Give a folder with -o; the images in it are named {stem}_dz+10.0um.tif.",
        )
    folder = Path(output)
    create_folder(folder)
    if (folder / MANIFEST).exists() and not (options.overwrite or options.skip_existing):
        raise OutputError(
            f"{folder / MANIFEST} exists already.",
            "Use --overwrite to replace it, --skip-existing to go on, or give another folder.",
        )
    return folder


def format_distance(dz_um: float) -> str:
    """Label a distance: one decimal, more where it needs them."""
    return f"{dz_um:+.1f}" if round(dz_um, 1) == dz_um else f"{dz_um:+g}"


def write_manifest(options: BlurOptions) -> tuple[Path, list[Path]]:
    """List the images of a series, with their sharp originals at distance 0.

    Parameters
    ----------
    options : BlurOptions
        Of the run, which is over.

    Returns
    -------
    manifest : Path
        The CSV file.
    left_out : list of Path
        Inputs with several planes per channel, which are no single field.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from focusfix.io.atomic import partial_file
    from focusfix.io.image import open_image
    from focusfix.io.naming import image_stem

    manifest = Path(options.output or "") / MANIFEST
    images: dict[Path, list[tuple[float, Path]]] = {}
    for job in plan_blur_jobs(replace(options, overwrite=True, skip_existing=False)):
        levels = images.setdefault(job.source, [])
        if job.target.exists():
            levels.append((job.dz_um, job.target))
    rows: list[tuple[object, ...]] = []
    left_out = []
    for source, levels in images.items():
        with open_image(source, axes=options.axes) as reader:
            metadata = reader.metadata
        if metadata.n_planes != metadata.axis_size("C"):
            left_out.append(source)
        elif levels:
            rows += _rows(image_stem(source), source, levels, metadata, manifest.parent)
    with partial_file(manifest) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return manifest, left_out


def _rows(
    field: str,
    source: Path,
    levels: list[tuple[float, Path]],
    metadata: "ImageMetadata",
    folder: Path,
) -> list[tuple[object, ...]]:
    if not any(dz_um == 0 for dz_um, _ in levels):
        levels = [*levels, (0.0, source)]
    return [
        (relative_path(path, folder), field, channel, z_index, dz_um, "")
        for z_index, (dz_um, path) in enumerate(sorted(levels))
        for channel in range(metadata.axis_size("C"))
    ]
