"""Two-way models at work: blurring by the network that undoes what deblurring does."""

from typing import TYPE_CHECKING, Any, TypeGuard

from focusfix.cli.blur_options import OPTICS, BlurOptions
from focusfix.cli.console import Console
from focusfix.cli.line_steps import StepOptions
from focusfix.cli.model_choice import Choice, family_of, find_model
from focusfix.cli.model_record import describe_model
from focusfix.cli.model_shelf import ModelShelf
from focusfix.cli.options import named_given
from focusfix.cli.restoration import Part, planes_of_channels
from focusfix.cli.scales import usual_scales
from focusfix.errors import UsageError

if TYPE_CHECKING:
    from focusfix.engine.tiles import TilePlan
    from focusfix.io.image import ImageReader

TWO_WAY = "two-way"
"""Family of networks that deblur one way and blur the other way."""


def is_two_way(model: str | None) -> TypeGuard[str]:
    """Tell whether the user named weights of a two-way model.

    Raises
    ------
    ModelError
        If there are no such weights, or they cannot blur.
    """
    if model is None or model == OPTICS:
        return False
    _, header = find_model(model, "synthesize-blur")
    return family_of(header) == TWO_WAY


def check_two_way(options: BlurOptions, model: str) -> None:
    """Refuse options that say how much a model is to blur that knows one amount.

    Parameters
    ----------
    options : BlurOptions
        As the user gave them.
    model : str
        Name or path of its weights.

    Raises
    ------
    UsageError
        If there is one; it is named.
    """
    values = {
        "--alpha": options.alpha,
        "--alphas": options.alphas,
        "--dz-um": options.dz_um,
        "--blurrier": options.blurrier,
        "--max-defocus-um": options.max_defocus_um,
    }
    given = named_given(values)
    if given:
        raise UsageError(
            f"{given[0]} has no meaning for the model {model}, which blurs images as those it was "
            "trained on are blurred.",
            f"Leave {given[0]} out, or choose another model with --model.",
        )


def blur_back(
    shelf: ModelShelf,
    options: BlurOptions,
    reader: "ImageReader",
    choice: Choice,
    sizes: StepOptions,
) -> tuple[Part, dict[str, Any]]:
    """Make the part of the planes that a two-way model blurs.

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

    Returns
    -------
    part : Part
        Of these channels.
    details : dict
        Model, tiles and scales, for the sidecar.
    """
    from focusfix.engine.tiles import plan_tiles
    from focusfix.models.bound_two_way import Reversed
    from focusfix.operations.images import choose_batch_size

    survey = usual_scales(reader, choice, options.nan_policy, shelf.console)
    bound = shelf.bind(choice, Reversed, key="reversed")
    shape = reader.metadata.shape_yx
    plan = plan_tiles(
        shape,
        bound.footprint,
        tile_px=sizes.tile_px,
        halo_px=sizes.halo_px,
        most_px=bound.most_tile_px,
    )
    tell_blending(shelf.console, reader, choice, plan)
    batch = sizes.batch_size or choose_batch_size(plan.tile_shape, bound.function.device)
    planes = planes_of_channels(reader.metadata, choice.channels)
    part = Part(planes, bound.function, plan, survey.scales, batch)
    return part, {"models": [describe_model(shelf, choice, bound.function, part)]}


def tell_blending(
    console: Console, reader: "ImageReader", choice: Choice, plan: "TilePlan"
) -> None:
    """Warn where the tiles of a network together are not what the whole image would give.

    Parameters
    ----------
    console : Console
        Where the run reports.
    reader : ImageReader
        The image.
    choice : Choice
        The weights.
    plan : TilePlan
        The tiles.
    """
    if not plan.exact:
        console.warning(
            f"{reader.path}: the model {choice.path.stem} takes account of all that it sees at "
            f"once, so its {plan.n_tiles} tiles are not quite what the whole image would give, and "
            "are blended where they meet; --tile-size sets how much it sees"
        )
