"""What a sidecar says of the model that made some planes."""

from typing import TYPE_CHECKING, Any

from focusfix.cli.model_choice import Choice
from focusfix.cli.model_shelf import ModelShelf
from focusfix.cli.restoration import Part, describe_part

if TYPE_CHECKING:
    from focusfix.runtime.executor import NetworkFunction


def describe_model(
    shelf: ModelShelf, choice: Choice, function: "NetworkFunction", part: Part
) -> dict[str, Any]:
    """Describe weights, tiles, scales and execution.

    Parameters
    ----------
    shelf : ModelShelf
        Has loaded the weights, and knows their checksum.
    choice : Choice
        The weights and the channels that they are for.
    function : NetworkFunction
        What ran.
    part : Part
        How planes went through it.

    Returns
    -------
    dict
        JSON values.
    """
    return {
        "name": choice.path.stem,
        "path": str(choice.path),
        "sha256": shelf.load(choice).sha256,
        "channels": list(choice.channels),
        **describe_part(part),
        "device": function.device.name,
        "precision": function.precision,
        "runtime": function.runtime,
    }
