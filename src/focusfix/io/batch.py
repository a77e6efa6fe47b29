"""Which inputs become which outputs, settled before any work."""

import glob
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from focusfix.errors import InputError, OutputError, UsageError
from focusfix.io.image import IMAGE_SUFFIXES, check_target
from focusfix.io.naming import is_folder_name, name_targets
from focusfix.io.plates import complete_plates, list_fields, name_fields
from focusfix.io.zarr_files import (
    ZARR_SUFFIX,
    check_no_address,
    check_zarr_installed,
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
        listed += _read_list(os.fspath(files_from))
    sources = _expand_all(listed, pattern)
    several = len(sources) > 1 or files_from is not None or _names_several(listed)
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


def expand_inputs(inputs: Sequence[str], *, pattern: str | None = None) -> list[Path]:
    """List the images that files, folders and globs stand for, each once.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders and globs.
    pattern : str, optional
        Glob for the files of a folder; by default every file with the suffix of an image.

    Returns
    -------
    list of Path
        Files, OME-Zarr folders and the fields of OME-Zarr plates in the order given; those of a
        folder or glob sorted by name.

    Raises
    ------
    UsageError
        If there are no inputs.
    InputError
        If an input does not exist or is an address, a folder or glob holds no image, or there
        is OME-Zarr among them and zarr is not installed.
    """
    found: dict[Path, None] = {}
    for source in _expand_all(inputs, pattern):
        fields = list_fields(source) if is_zarr(source) else None
        found.update(dict.fromkeys([source] if fields is None else fields))
    return list(found)


def _expand_all(inputs: Sequence[str], pattern: str | None) -> list[Path]:
    """List images, plates as one, in the order given."""
    if not inputs:
        raise UsageError("No input is given.", "Name at least one image, folder or glob.")
    found: dict[Path, None] = {}
    for entry in inputs:
        found.update(dict.fromkeys(_expand(entry, pattern)))
    for path in found:
        if is_zarr(path):
            check_zarr_installed(path)
    return list(found)


def _jobs_of(source: Path, target: Path) -> list[Job]:
    """Pair an image with its output; or each field of a plate with its own."""
    fields = list_fields(source) if is_zarr(source) else None
    if fields is None:
        return [Job(source, target)]
    targets = name_fields(source, fields, target)
    return [Job(field, place) for field, place in zip(fields, targets, strict=True)]


def _expand(entry: str, pattern: str | None) -> list[Path]:
    check_no_address(entry)
    path = Path(entry)
    if path.is_dir() and not _is_image_folder(path):
        return _images_in(path, pattern)
    if path.exists() or path.is_symlink():
        return [path]
    if not glob.has_magic(entry):
        raise InputError(f"{entry} does not exist.", "Check the path and its spelling.")
    matches = sorted(glob.glob(entry, recursive=True))  # noqa: PTH207 (may be absolute)
    files = [Path(match) for match in matches if _is_image(Path(match))]
    if not files:
        raise InputError(f"No file matches {entry}.", "Check the folder and the pattern.")
    return files


def _images_in(folder: Path, pattern: str | None) -> list[Path]:
    names = sorted(folder.glob(pattern or "*"))
    files = [name for name in names if _is_image(name) and not name.name.startswith(".")]
    if pattern is None:
        suffixes = (*IMAGE_SUFFIXES, ZARR_SUFFIX)
        files = [name for name in files if name.suffix.lower() in suffixes]
    if not files:
        wanted = f"matches {pattern}" if pattern else "is a TIFF, PNG, JPEG or OME-Zarr image"
        raise InputError(
            f"No file in {folder} {wanted}.", "Check the folder, or give another --pattern."
        )
    return files


def _is_image(path: Path) -> bool:
    return path.is_file() or _is_image_folder(path)


def _is_image_folder(path: Path) -> bool:
    """Whether a folder is, or claims to be, one image and no folder of images."""
    return is_zarr(path) or (path.is_dir() and path.suffix.lower() == ZARR_SUFFIX)


def _read_list(files_from: str) -> list[str]:
    try:
        if files_from == "-":
            text = sys.stdin.read()
        else:
            text = Path(files_from).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The list of files {files_from} cannot be read: {error}.",
            "Give a text file with one path a line.",
        ) from error
    lines = [line.strip() for line in text.splitlines()]
    entries = [line for line in lines if line]
    if not entries:
        raise InputError(
            f"The list of files {files_from} is empty.", "Give a text file with one path a line."
        )
    return entries


def _names_several(listed: Sequence[str]) -> bool:
    """Whether the inputs are a folder or a glob, which may hold any number of images."""
    return any(
        (Path(entry).is_dir() and not _is_image_folder(Path(entry)))
        or (glob.has_magic(entry) and not Path(entry).exists())
        for entry in listed
    )


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
