"""Alphas as the user gives them, and what the files of a series of them are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from focusfix.cli.files import plan_jobs
from focusfix.cli.grids import parse_grid
from focusfix.cli.options import BatchOptions
from focusfix.errors import OutputError, UsageError

if TYPE_CHECKING:
    from focusfix.io.batch import Job

AUTO = "auto"

AlphaT = TypeVar("AlphaT", float, float | None)


@dataclass(frozen=True)
class AlphaJob:
    """One image at one alpha.

    Parameters
    ----------
    source, target : Path
        Input and output.
    alpha : float, optional
        Weight of the sharper image; None to have it chosen.
    """

    source: Path
    target: Path
    alpha: float | None


def parse_alphas(values: Sequence[float], grid: str | None, *, zero_allowed: bool) -> list[float]:
    """Collect the alphas of ``--alpha`` and ``--alphas``.

    Parameters
    ----------
    values : sequence of float
        Of ``--alpha``.
    grid : str, optional
        Of ``--alphas``: first, last and step, both ends included.
    zero_allowed : bool
        Whether 0 is an alpha.

    Returns
    -------
    list of float
        In the order given, each once; those of the grid last.

    Raises
    ------
    UsageError
        If one is out of range or given twice, or the grid does not come out even.
    """
    alphas = [*values, *(parse_grid("--alphas", grid) if grid is not None else ())]
    for alpha in alphas:
        check_alpha(alpha, zero_allowed=zero_allowed)
    labels = [format_alpha(alpha) for alpha in alphas]
    doubled = sorted({label for label in labels if labels.count(label) > 1})
    if doubled:
        raise UsageError(f"Alpha {doubled[0]} is given twice.", "Give each alpha once.")
    return alphas


def check_alpha(alpha: float, *, zero_allowed: bool) -> None:
    """Refuse an alpha out of range.

    Raises
    ------
    UsageError
        If it is not from 0 to 1, or is 0 where that is no alpha.
    """
    if not 0 <= alpha <= 1 or (alpha == 0 and not zero_allowed):
        low = "from 0 to 1" if zero_allowed else "greater than 0 and at most 1"
        raise UsageError(
            f"An alpha is {low}, not {alpha:g}.",
            "It is the weight of the sharper image: 1 leaves it as it is.",
        )


def format_alpha(alpha: float) -> str:
    """Label an alpha: three decimals, more where it needs them."""
    return f"{alpha:.3f}" if round(alpha, 3) == alpha else f"{alpha:.6f}"


def plan_alpha_jobs(
    options: BatchOptions, alphas: Sequence[AlphaT], *, series: bool | None = None
) -> list[AlphaJob]:
    """Pair every input and alpha with an output.

    Parameters
    ----------
    options : BatchOptions
        As the user gave them. With several alphas the output is a folder, which is created, or a
        template that holds ``{alpha}``.
    alphas : sequence of float or None
        At least one; None to have it chosen for each file.
    series : bool, optional
        Whether outputs are labelled with their alpha; if not given, where there are several.

    Returns
    -------
    list of AlphaJob
        Alpha by alpha, in the order of the inputs.

    Raises
    ------
    UsageError
        If the output is one file for several images.
    OutputError
        If the folder cannot be created.
    """
    labelled = len(alphas) > 1 if series is None else series
    if not labelled:
        return [_alpha_job(job, alphas[0]) for job in plan_jobs(options)]
    template = _series_template(options.output)
    jobs: list[AlphaJob] = []
    for alpha in alphas:
        output = template.replace("{alpha}", AUTO if alpha is None else format_alpha(alpha))
        jobs += [_alpha_job(job, alpha) for job in plan_jobs(options, output)]
    return jobs


def _alpha_job(job: "Job", alpha: float | None) -> AlphaJob:
    return AlphaJob(job.source, job.target, alpha)


def _series_template(output: str | None) -> str:
    """Make the template of a series, and its folder."""
    from focusfix.io.naming import names_image

    if output is not None and "{alpha}" in output:
        create_folder(Path(output).parent)
        return output
    if output is None or "{" in output or names_image(output):
        raise UsageError(
            "Several alphas make several images, so the output must be a folder.",
            "Give a folder with -o, or a template such as out/{stem}_alpha{alpha}.tif.",
        )
    create_folder(Path(output))
    return str(Path(output) / "{stem}_alpha{alpha}.tif")


def create_folder(folder: Path) -> None:
    """Create the folder of a series, unless its name is a template itself.

    Raises
    ------
    OutputError
        If that is not allowed.
    """
    if "{" in str(folder):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The output folder {folder} cannot be created: {error.strerror or error}.",
            "Give another folder, or ask for write permission.",
        ) from error
