"""Which inputs become which outputs, settled before any work."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from focusfix.errors import OutputError, UsageError
from focusfix.io.image import check_target
from focusfix.io.inputs import find_inputs, names_several, read_list
from focusfix.io.naming import is_folder_name, name_targets
from focusfix.io.plates import complete_plates, list_fields, name_fields
from focusfix.io.zarr_files import (
    is_zarr,
    names_zarr,
)

_LISTED = 5

WHOLE = (0, 1)
"""The only part of a batch that is not divided."""


@dataclass(frozen=True)
class Job:
    """One image to read and the file to write for it.

    Parameters
    ----------
    source : Path
        Image to read.
    target : Path
        File to write.
    """

    source: Path
    target: Path


def plan_batch(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    pattern: str | None = None,
    files_from: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    skip_existing: bool = False,
    part: tuple[int, int] = WHOLE,
) -> list[Job]:
    """Pair every input image with its output file, or say why that cannot be.

    One input and an output that names a file give that file. Anything else needs a folder, in
    which the outputs keep the names of the inputs (with the suffix ``.tif`` for PNG and JPEG), or
    a template, see ``name_targets``. Missing output folders are created for several inputs. A
    plate of OME-Zarr images counts as one input, and becomes a job for each of its fields.

    Parameters
    ----------
    inputs : sequence of path-like
        Files, folders and globs, the latter also where no shell has expanded them.
    output : path-like
        File, folder or template.
    pattern : str, optional
        Glob for the files of a folder; by default every file with the suffix of an image.
    files_from : path-like, optional
        Text file with one input a line, "-" for standard input.
    overwrite : bool
        Whether existing outputs are replaced.
    skip_existing : bool
        Whether inputs whose output exists are left out.
    part : tuple of int
        Which part of the batch is wanted, counted from 0, and of how many. Every input is in one
        part, the same one whatever outputs exist by now, and parts differ by one input at most;
        neighbours go to different parts, since they often are of one size.

    Returns
    -------
    list of Job
        Jobs in the order of the inputs; empty if all outputs exist and ``skip_existing`` is set,
        or if there are fewer inputs than parts.

    Raises
    ------
    UsageError
        If two inputs would have one output, the template is wrong, both ``overwrite`` and
        ``skip_existing`` are set, several inputs share a single file name, or a plate would
        become a file.
    InputError
        If an input does not exist, or a folder or glob holds no image.
    OutputError
        If an output exists, would replace an input, or its folder cannot be written to.
    """
    if overwrite and skip_existing:
        raise UsageError(
            "--overwrite and --skip-existing exclude each other.", "Give only one of them."
        )
    listed = [os.fspath(entry) for entry in inputs]
    if files_from is not None:
        listed += read_list(os.fspath(files_from))
    sources = find_inputs(listed, pattern)
    several = len(sources) > 1 or files_from is not None or names_several(listed)
    targets = name_targets(sources, os.fspath(output), several=several)
    jobs = []
    for source, target in zip(sources, targets, strict=True):
        jobs += _jobs_of(source, target)
    _check_collisions(jobs)
    _check_inputs_kept(jobs)
    jobs = jobs[part[0] :: part[1]]
    if skip_existing:
        complete_plates((job.source, job.target) for job in jobs if job.target.exists())
        jobs = [job for job in jobs if not job.target.exists()]
    create = several or is_folder_name(os.fspath(output)) or len(jobs) > len(sources)
    _check_targets(jobs, overwrite=overwrite, create=create)
    return jobs


def _jobs_of(source: Path, target: Path) -> list[Job]:
    """Pair an image with its output; or each field of a plate with its own."""
    fields = list_fields(source) if is_zarr(source) else None
    if fields is None:
        return [Job(source, target)]
    targets = name_fields(source, fields, target)
    return [Job(field, place) for field, place in zip(fields, targets, strict=True)]


def _check_collisions(jobs: Sequence[Job]) -> None:
    taken: dict[str, Job] = {}
    for job in jobs:
        key = os.path.normcase(os.path.abspath(job.target))  # noqa: PTH100 (".." is removed)
        if key in taken:
            raise UsageError(
                f"{taken[key].source} and {job.source} would both be written to {job.target}.",
                "Use a template that tells them apart, such as out/{parent}_{stem}.tif.",
            )
        taken[key] = job


def _check_inputs_kept(jobs: Sequence[Job]) -> None:
    """Refuse outputs that are an input under any name, through symbolic and hard links too."""
    inputs = {}
    for job in jobs:
        if job.source.exists():
            status = job.source.stat()
            inputs[status.st_dev, status.st_ino] = job.source
    for job in jobs:
        if not job.target.exists():
            continue
        status = job.target.stat()
        source = inputs.get((status.st_dev, status.st_ino))
        if source is not None:
            raise OutputError(
                f"The output {job.target} is the input {source}.",
                "Give another folder or name: inputs are never replaced.",
            )
    _check_inputs_outside(jobs)


def _check_inputs_outside(jobs: Sequence[Job]) -> None:
    """Refuse outputs that are folders which an input lies in."""
    folders = [job.target for job in jobs if names_zarr(job.target) and job.target.is_dir()]
    if not folders:
        return
    above = {parent: job.source for job in jobs for parent in job.source.resolve().parents}
    for folder in folders:
        source = above.get(folder.resolve())
        if source is not None:
            raise OutputError(
                f"The output {folder} holds the input {source}.",
                "Give another folder or name: inputs are never replaced.",
            )


def _check_targets(jobs: Sequence[Job], *, overwrite: bool, create: bool) -> None:
    existing = [str(job.target) for job in jobs if _is_taken(job.target)]
    if existing and not overwrite:
        more = f" and {len(existing) - _LISTED} more" if len(existing) > _LISTED else ""
        verb = "exists" if len(existing) == 1 else "exist"
        raise OutputError(
            f"{', '.join(existing[:_LISTED])}{more} {verb} already.",
            "Use --overwrite to replace, --skip-existing to go on, or give another output.",
        )
    for folder in {job.target.parent: None for job in jobs}:
        if create:
            _create(folder)
    for job in jobs:
        check_target(job.target, overwrite=overwrite)


def _is_taken(target: Path) -> bool:
    return target.exists() and (names_zarr(target) or not target.is_dir())


def _create(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The output folder {folder} cannot be created: {error.strerror or error}.",
            "Give another folder, or ask for write permission.",
        ) from error
