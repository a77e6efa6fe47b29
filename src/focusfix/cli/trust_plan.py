"""What ``--trust-map`` asks for: whether it can be had, and where the maps go."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.cli.alphas import AlphaJob
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.model_choice import Choice, read_header_once
from focusfix.cli.sidecar import sidecar_path
from focusfix.errors import ModelError, OutputError, UsageError

if TYPE_CHECKING:
    from focusfix.io.batch import Job

READER = "latent-line"
"""Weights that read how blurred an image is, and blur others alike."""


def find_reader() -> Choice:
    """Find the weights that trust is measured with, without torch.

    Raises
    ------
    ModelError
        If they are not installed.
    """
    from focusfix.io.weights import find_weights

    path = find_weights(READER)
    return Choice(path, read_header_once(path), ())


def check_trust_options(options: DeblurOptions, alphas: Sequence[float | None] = (None,)) -> None:
    """Find out before any work whether a map of each image can be made.

    Raises
    ------
    UsageError
        If the model has learned nothing, takes two images, or makes several of each.
    ModelError
        If the weights that read blur are not there.
    """
    from focusfix.cli.classical_options import CLASSICAL_MODELS

    if options.trust_map is None:
        return
    if options.model in CLASSICAL_MODELS:
        raise UsageError(
            f"--trust-map is for models with weights, not for {options.model}.",
            "Leave --trust-map out, or choose another model with --model.",
        )
    if options.blurrier is not None or len(alphas) > 1:
        given = "--blurrier" if options.blurrier is not None else "a series of alphas"
        raise UsageError(
            f"--trust-map is for results of one image each, and not with {given}.",
            "Leave it out, or deblur the image on its own with one alpha.",
        )
    try:
        find_reader()
    except ModelError as error:
        raise ModelError(
            f"--trust-map needs the weights {READER}, which read blur: {error.cause}", error.fix
        ) from error


def plan_maps(options: DeblurOptions, jobs: Sequence[AlphaJob]) -> dict[Path, Path]:
    """Name the map of every input, before any work.

    With ``--skip-existing`` inputs whose output exists are left out, map or not, and maps of the
    others are replaced: they are what an interrupted run has left.

    Parameters
    ----------
    options : DeblurOptions
        With ``--trust-map``: a file, or for several inputs a folder or template as for ``-o``.
    jobs : sequence of AlphaJob
        What is to be done.

    Returns
    -------
    dict of Path to Path
        Map of each input; empty where none are wanted.

    Raises
    ------
    UsageError
        If two maps would be one file, or a map and an output.
    OutputError
        If a map exists already, is neither TIFF nor OME-Zarr, would replace an input, or cannot
        be written.
    """
    if options.trust_map is None or not jobs:
        return {}
    planned = _plan_batch(options)
    wanted = {job.source for job in jobs}
    maps = {job.source: job.target for job in planned if job.source in wanted}
    taken = {path.absolute() for job in jobs for path in (job.target, sidecar_path(job.target))}
    if options.report is not None:
        taken.add(options.report.absolute())
    for target in maps.values():
        _check_map(target, taken)
    return maps


def _plan_batch(options: DeblurOptions) -> "list[Job]":
    from focusfix.io.batch import plan_batch

    return plan_batch(
        options.inputs or (),
        str(options.trust_map),
        pattern=options.pattern,
        files_from=options.files_from,
        overwrite=options.overwrite or options.skip_existing,
        part=options.part,
    )


def _check_map(target: Path, taken: set[Path]) -> None:
    from focusfix.io.image import TIFF_SUFFIXES
    from focusfix.io.zarr_files import names_zarr

    if target.suffix.lower() not in TIFF_SUFFIXES and not names_zarr(target):
        raise OutputError(
            f"The trust map {target} would be neither TIFF nor OME-Zarr, which hold its values.",
            "Give a name that ends with .tif or .zarr.",
        )
    if target.absolute() in taken:
        raise UsageError(
            f"The trust map {target} would be written over the output.",
            "Give another folder or name with --trust-map, such as maps/{stem}.tif.",
        )
