"""What refocusers are told of distances: options, and what ``--dz-um`` may be."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from focusfix.cli.lens import OpticalOptions
from focusfix.errors import UsageError

AUTO = "auto"
REFOCUSER = "refocuser"
"""Family of networks that bring images to a distance."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RefocusOptions(OpticalOptions):
    """Images that refocusers may be used on, and how strictly."""

    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="For refocusers: go beyond the distances and pixel sizes that they are meant for.",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StackOptions(RefocusOptions):
    """The same for z-stacks whose z-levels are used together."""

    z_spacing_um: Annotated[
        float | None,
        typer.Option(
            metavar="UM",
            help="For refocus-multi: distance of the z-levels of a stack, instead of what the file "
            "says.",
        ),
    ] = None


class Wanted(NamedTuple):
    """Where the wanted plane is; found from the image where all is None.

    Parameters
    ----------
    dz_um : float, optional
        Distance of a level plane; micrometres.
    surface : Path, optional
        Image of the distances of a surface.
    """

    dz_um: float | None = None
    surface: Path | None = None


def read_wanted(text: str | None, model: str) -> Wanted:
    """Read ``--dz-um`` of deblur for a refocuser: a number, auto, or an image of distances.

    Parameters
    ----------
    text : str, optional
        What the user gave.
    model : str
        Name of the weights, for the message.

    Returns
    -------
    Wanted

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if text is None:
        raise UsageError(
            f"The model {model} must be told how far to refocus.",
            "Give --dz-um in micrometres, or --dz-um auto to have it found.",
        )
    if text == AUTO:
        return Wanted()
    surface = surface_of(text)
    if surface is not None:
        return Wanted(surface=surface)
    if not _is_number(text):
        raise UsageError(
            f"--dz-um takes micrometres, auto, or an image of distances, and there is no file "
            f"{text}.",
            "Give a number such as -6, or the image.",
        )
    distance = float(text)
    if not abs(distance) < float("inf"):
        raise UsageError(f"--dz-um must be finite, not {text}.", "Give micrometres, such as -6.")
    return Wanted(dz_um=distance)


def check_refocus_options(options: RefocusOptions, family: str, model: str) -> None:
    """Refuse options that only refocusers use.

    Parameters
    ----------
    options : RefocusOptions
        As the user gave them.
    family : str
        Of the weights.
    model : str
        What to call them.

    Raises
    ------
    UsageError
        If there is one, and the weights are of another family.
    """
    spacing = options.z_spacing_um if isinstance(options, StackOptions) else None
    if spacing is not None and not 0 < spacing < float("inf"):
        raise UsageError("--z-spacing-um must be greater than 0.", "Give micrometres.")
    if family == REFOCUSER:
        return
    given = {"--z-spacing-um": spacing is not None, "--force": options.force}
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{option} is for refocusers, and the model {model} is none.",
                f"Leave {option} out, or choose another model with --model.",
            )


def surface_of(text: str | None) -> Path | None:
    """Return the image of distances that ``--dz-um`` names, if it is no number and there is one."""
    if text is None or text == AUTO or _is_number(text):
        return None
    path = Path(text).expanduser()
    return path if path.exists() else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
