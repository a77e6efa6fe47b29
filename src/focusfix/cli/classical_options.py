"""Options of the models of ``focusfix deblur`` that have learned nothing."""

from dataclasses import dataclass
from typing import Annotated

import typer

from focusfix.cli.grids import parse_finite
from focusfix.errors import UsageError

EDF = "edf"
CLASSICAL_MODELS = ("richardson-lucy", "wiener", "unsharp", EDF)
"""Names that ``--model`` takes beside those of weights."""

_AUTO = "auto"
_TAKEN = {
    "richardson-lucy": {"--dz-um", "--iterations", "--total-variation"},
    "wiener": {"--dz-um"},
    "unsharp": {"--radius-px", "--amount"},
    EDF: {"--window-px"},
    "refocuser": {"--dz-um"},
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClassicalOptions:
    """What deconvolution, sharpening and the fusion of stacks are told."""

    dz_um: Annotated[
        str | None,
        typer.Option(
            metavar="UM|auto|FILE",
            help="For wiener and richardson-lucy: distance from focus; its sign does not matter. "
            "auto takes the one whose blur explains the power spectrum of each plane best. For "
            "refocusers: distance to the wanted plane, positive towards higher z-levels, or away "
            "from focus where the weights count so; auto tries distances and keeps the sharpest "
            "result that explains the image; FILE is an image of distances, one for each pixel.",
        ),
    ] = None
    iterations: Annotated[
        int | None,
        typer.Option(metavar="N", help="For richardson-lucy. Default: 50.", show_default=False),
    ] = None
    total_variation: Annotated[
        float | None,
        typer.Option(
            metavar="WEIGHT",
            help="For richardson-lucy: smoothing against noise, from 0 to below 0.25. "
            "Default: 0.01.",
            show_default=False,
        ),
    ] = None
    radius_px: Annotated[
        float | None,
        typer.Option(
            metavar="PX",
            help="For unsharp: standard deviation of the Gaussian. Default: 2.",
            show_default=False,
        ),
    ] = None
    amount: Annotated[
        float | None,
        typer.Option(
            metavar="WEIGHT", help="For unsharp: how much. Default: 1.", show_default=False
        ),
    ] = None
    window_px: Annotated[
        float | None,
        typer.Option(
            metavar="PX",
            help="For edf: neighbourhood in which the sharpest z-level is chosen, as a standard "
            "deviation. Default: 4.",
            show_default=False,
        ),
    ] = None


def given_classical_options(options: ClassicalOptions) -> dict[str, float | str]:
    """Name the options that the user gave, with their values."""
    values = {
        "--dz-um": options.dz_um,
        "--iterations": options.iterations,
        "--total-variation": options.total_variation,
        "--radius-px": options.radius_px,
        "--amount": options.amount,
        "--window-px": options.window_px,
    }
    return {option: value for option, value in values.items() if value is not None}


def check_classical_options(options: ClassicalOptions, model: str) -> None:
    """Refuse options that a model would not use, and ask for the distance that it needs.

    Parameters
    ----------
    options : ClassicalOptions
        As the user gave them.
    model : str
        Name of a model of this module, or of any other; "refocuser" for weights of that family.

    Raises
    ------
    UsageError
        If an option is of another model, or the distance is missing.
    """
    taken = _TAKEN.get(model, set())
    for option in given_classical_options(options):
        if option not in taken:
            users = [name for name, its in _TAKEN.items() if option in its]
            raise UsageError(
                f"{option} is for the models {', '.join(users)}, not for {model}.",
                f"Leave {option} out, or choose another model with --model.",
            )
    if "--dz-um" in taken and options.dz_um is None:
        raise UsageError(
            f"The model {model} must know how far the image is out of focus.",
            "Give --dz-um in micrometres, or --dz-um auto to have it found.",
        )


def parse_distance(text: str | None) -> float | None:
    """Read ``--dz-um``: a number of micrometres, or None for auto.

    Raises
    ------
    UsageError
        If it is neither.
    """
    if text is None or text == _AUTO:
        return None
    distance = parse_finite(text)
    if distance is None:
        raise UsageError(
            f"--dz-um takes a number or auto, not {text!r}.",
            "Give the distance from focus in micrometres, such as 6.",
        )
    return distance
