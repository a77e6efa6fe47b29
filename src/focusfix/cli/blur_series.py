"""A series of blurred images: its jobs, and the manifest that makes it training data."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.cli.alphas import create_folder, format_alpha
from focusfix.cli.blur_options import BlurOptions
from focusfix.cli.blur_plan import BlurPlan, format_distance
from focusfix.cli.files import plan_jobs
from focusfix.cli.sidecar import relative_path
from focusfix.errors import OutputError, UsageError

if TYPE_CHECKING:
    from focusfix.io.image import ImageReader

MANIFEST = "manifest.csv"
"""Name of the list in the folder of a series."""

COLUMNS = ("path", "field", "channel", "z_index", "z_um", "split")
"""Columns of the manifest; ``path`` is relative to it, ``split`` is left to training."""

_ALPHA_STEPS = 1000


@dataclass(frozen=True)
class BlurJob:
    """One image and one amount of blur: a distance, an alpha, or the one that a model knows.

    Parameters
    ----------
    source, target : Path
        Input and output.
    dz_um : float, optional
        Distance from focus.
    alpha : float, optional
        Weight of the sharper image.
    """

    source: Path
    target: Path
    dz_um: float | None = None
    alpha: float | None = None

    @property
    def label(self) -> str:
        """Amount of blur as it stands in file names."""
        if self.alpha is not None:
            return f"alpha{format_alpha(self.alpha)}"
        return f"dz{format_distance(self.dz_um or 0.0)}um"


def plan_blur_jobs(options: BlurOptions, plan: BlurPlan) -> list[BlurJob]:
    """Pair every input and amount of blur with an output.

    Parameters
    ----------
    options : BlurOptions
        As the user gave them; with several amounts the output is a folder, which is created.
    plan : BlurPlan
        The amounts.

    Returns
    -------
    list of BlurJob
        Amount by amount, in the order of the inputs.

    Raises
    ------
    UsageError
        If the output of several amounts is no folder.
    OutputError
        If the folder cannot be created.
    """
    nowhere = Path()
    amounts = [BlurJob(nowhere, nowhere, dz_um=dz_um) for dz_um in plan.distances_um]
    amounts += [BlurJob(nowhere, nowhere, alpha=alpha) for alpha in plan.alphas]
    amounts = amounts or [BlurJob(nowhere, nowhere)]
    folder = series_folder(options) if plan.is_series else None
    jobs: list[BlurJob] = []
    for amount in amounts:
        template = None if folder is None else str(folder / f"{{stem}}_{amount.label}.tif")
        files = plan_jobs(options, template)
        jobs += [replace(amount, source=job.source, target=job.target) for job in files]
    return jobs


def series_folder(options: BlurOptions) -> Path:
    """Create the folder of a series.

    Raises
    ------
    UsageError
        If the output is a file name or a template.
    OutputError
        If the folder cannot be created.
    """
    from focusfix.io.naming import names_image

    output = options.output
    if output is None or "{" in output or names_image(output):
        raise UsageError(
            "Several amounts of blur make several images, so the output must be a folder.",
            "Give a folder with -o; the images in it are named {stem}_dz+10.0um.tif or "
            "{stem}_alpha0.500.tif.",
        )
    folder = Path(output)
    create_folder(folder)
    expected = options.overwrite or options.skip_existing or options.part[1] > 1
    if (folder / MANIFEST).exists() and not expected:
        raise OutputError(
            f"{folder / MANIFEST} exists already.",
            "Use --overwrite to replace it, --skip-existing to go on, or give another folder.",
        )
    return folder


@dataclass(frozen=True)
class _Level:
    """One image of a series, as the manifest lists it."""

    path: Path
    dz_um: float | None
    z_index: int = 0


def write_manifest(
    options: BlurOptions,
    plan: BlurPlan,
    farthest_um: "Callable[[ImageReader], float | None]",
) -> tuple[Path, list[Path]]:
    """List the images of a series, with their sharp originals.

    Distances are heights, with the original at 0; levels are counted from the lowest. Alphas are
    levels in thousandths of the way to alpha 0, with the original, level 0, declared in focus.
    Each part of a divided run lists the images of all parts that are there, and looks once more
    when it has written: so the part that writes last has listed them all.

    Parameters
    ----------
    options : BlurOptions
        Of the run, which is over.
    plan : BlurPlan
        Its amounts of blur.
    farthest_um : callable
        Tells the distance from focus of an image's alpha 0, None where it is not known.

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
    manifest = Path(options.output or "") / MANIFEST
    whole = replace(options, overwrite=True, skip_existing=False, num_parts=None, part_id=None)
    jobs = plan_blur_jobs(whole, plan)
    listed: dict[Path, list[BlurJob]] = {}
    left_out: list[Path] = []
    while (done := _list_done(jobs)) != listed:
        listed = done
        left_out = _write_rows(manifest, options, plan, done, farthest_um)
    return manifest, left_out


def _list_done(jobs: list[BlurJob]) -> dict[Path, list[BlurJob]]:
    """Find the images of each input that are there by now."""
    images: dict[Path, list[BlurJob]] = {job.source: [] for job in jobs}
    for job in jobs:
        if job.target.exists():
            images[job.source].append(job)
    return images


def _write_rows(
    manifest: Path,
    options: BlurOptions,
    plan: BlurPlan,
    images: dict[Path, list[BlurJob]],
    farthest_um: "Callable[[ImageReader], float | None]",
) -> list[Path]:
    """Write the list, and return the inputs that are left out of it."""
    from focusfix.io.atomic import partial_file
    from focusfix.io.image import open_image
    from focusfix.io.naming import image_stem

    rows: list[tuple[object, ...]] = []
    left_out = []
    for source, done in images.items():
        with open_image(source, axes=options.axes) as reader:
            channels = reader.metadata.axis_size("C")
            if reader.metadata.n_planes != channels:
                left_out.append(source)
                continue
            farthest = farthest_um(reader) if plan.alphas and done else None
        levels = _levels(source, done, farthest)
        if not plan.alphas:
            levels = [replace(level, z_index=rank) for rank, level in enumerate(levels)]
        rows += _rows(image_stem(source), levels, channels, manifest)
    writer = f"part{options.part[0]}" if options.part[1] > 1 else ""
    with (
        partial_file(manifest, writer) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow((*COLUMNS, "focal_level") if plan.alphas else COLUMNS)
        table.writerows((*row, 0) if plan.alphas else row for row in rows)
    return left_out


def _levels(source: Path, done: list[BlurJob], farthest_um: float | None) -> list[_Level]:
    """Order the images of one input, the original among them unless a copy of it was made."""
    levels = []
    for job in done:
        if job.alpha is None:
            levels.append(_Level(job.target, job.dz_um))
        else:
            dz_um = None if farthest_um is None else round((1 - job.alpha) * farthest_um, 6)
            levels.append(_Level(job.target, dz_um, round((1 - job.alpha) * _ALPHA_STEPS)))
    if not done or any(job.dz_um == 0 or job.alpha == 1 for job in done):
        original = []
    else:
        known = done[0].alpha is None or farthest_um is not None
        original = [_Level(source, 0.0 if known else None)]
    return sorted([*original, *levels], key=lambda level: (level.z_index, level.dz_um or 0.0))


def _rows(
    field: str, levels: list[_Level], channels: int, manifest: Path
) -> list[tuple[object, ...]]:
    return [
        (
            relative_path(level.path, manifest.parent),
            field,
            channel,
            level.z_index,
            "" if level.dz_um is None else level.dz_um,
            "",
        )
        for level in levels
        for channel in range(channels)
    ]
