"""Refocusers at work: how far the wanted plane is from the image."""

from typing import Any

from focusfix.cli.classical_options import parse_distance
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.model_choice import BoundModel, Choice, ModelShelf
from focusfix.errors import UsageError


def bind_distance(
    shelf: ModelShelf, options: DeblurOptions, choice: Choice
) -> tuple[BoundModel, dict[str, Any]]:
    """Make a refocuser ready to bring images to another plane.

    Parameters
    ----------
    shelf : ModelShelf
        Loads the network.
    options : DeblurOptions
        With ``--dz-um``.
    choice : Choice
        The weights and the channels that they are for.

    Returns
    -------
    bound : BoundModel
        Takes one image.
    details : dict
        The distance, for the sidecar.

    Raises
    ------
    UsageError
        If the distance is beyond what the network is meant for.
    """
    from focusfix.models.bound_refocus import AtDistance

    distance = read_distance(options, choice.path.stem)
    network: Any = shelf.load(choice).network
    if abs(distance) > network.range_um:
        raise UsageError(
            f"The model {choice.path.stem} is meant for up to {network.range_um:g} um either way, "
            f"not for {distance:g} um.",
            "Give a --dz-um within that range.",
        )
    bound = shelf.bind(choice, lambda each: AtDistance(each, distance), key=("dz_um", distance))
    return bound, {"dz_um": distance}


def read_distance(options: DeblurOptions, model: str) -> float:
    """Read how far the wanted plane is from the image; micrometres.

    Raises
    ------
    UsageError
        If no number is given.
    """
    distance = parse_distance(options.dz_um)
    if distance is None:
        raise UsageError(
            f"The model {model} must be told how far to refocus.",
            "Give --dz-um in micrometres, positive towards higher z-levels.",
        )
    return distance
