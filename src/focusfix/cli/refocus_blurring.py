"""``focusfix synthesize-blur`` with refocusers: a sharp image is moved out of focus."""

from typing import TYPE_CHECKING, Any

from focusfix.cli.blur_options import OPTICS, BlurOptions
from focusfix.cli.line_steps import StepOptions
from focusfix.cli.model_choice import Choice, family_of, find_model
from focusfix.cli.model_shelf import ModelShelf
from focusfix.cli.options import named_given
from focusfix.cli.refocus_options import REFOCUSER
from focusfix.cli.refocusing import Refocusing
from focusfix.cli.restoration import Part, planes_of_channels
from focusfix.cli.scales import usual_scales
from focusfix.errors import UsageError

if TYPE_CHECKING:
    from focusfix.io.image import ImageReader


def is_refocuser(model: str) -> bool:
    """Tell whether weights are those of a refocuser.

    Raises
    ------
    ModelError
        If there are no such weights, or they cannot blur.
    """
    if model == OPTICS:
        return False
    _, header = find_model(model, "synthesize-blur")
    return family_of(header) == REFOCUSER


def check_refocused_blur(options: BlurOptions, model: str) -> None:
    """Refuse options that say how much blur otherwise than by a distance.

    Parameters
    ----------
    options : BlurOptions
        As the user gave them.
    model : str
        Name or path of the weights of a refocuser.

    Raises
    ------
    UsageError
        If there is one, or no distance.
    """
    values = {
        "--alpha": options.alpha,
        "--alphas": options.alphas,
        "--blurrier": options.blurrier,
        "--max-defocus-um": options.max_defocus_um,
    }
    given = named_given(values)
    if given:
        raise UsageError(
            f"{given[0]} has no meaning for the model {model}, which moves images by a distance.",
            f"Leave {given[0]} out, and give --dz-um.",
        )
    if not options.dz_um:
        raise UsageError(
            f"The model {model} must be told how far to move images.",
            "Give --dz-um in micrometres.",
        )


def refocus_away(
    shelf: ModelShelf,
    options: BlurOptions,
    reader: "ImageReader",
    choice: Choice,
    sizes: StepOptions,
    dz_um: float,
) -> tuple[Part, dict[str, Any]]:
    """Make the part of the planes that a refocuser moves out of focus.

    Parameters
    ----------
    shelf : ModelShelf
        Loads the network.
    options : BlurOptions
        As the user gave them.
    reader : ImageReader
        The image.
    choice : Choice
        The weights and the channels that they are for.
    sizes : StepOptions
        Tiles and batches, parsed from the options.
    dz_um : float
        From the image to the wanted plane; micrometres.

    Returns
    -------
    part : Part
        Of these channels.
    details : dict
        Model, distance, tiles and scales, for the sidecar.

    Raises
    ------
    UsageError
        If the distance is beyond what the network is meant for.
    """
    survey = usual_scales(reader, choice, options.nan_policy, shelf.console)
    refocusing = Refocusing(shelf, options, choice, reader, survey, sizes)
    refocusing.check_reach(dz_um)
    bound = refocusing.at(dz_um)
    part = refocusing.part(bound, planes_of_channels(reader.metadata, choice.channels))
    return part, {"dz_um": dz_um, "models": [refocusing.describe(bound, part)]}
