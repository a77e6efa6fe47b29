"""The re-blur check: whether a deblurred image, blurred again, gives the image back."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from focusfix.cli.image_pairs import match_planes
from focusfix.cli.misfits import blur_misfit
from focusfix.cli.model_choice import Choice
from focusfix.cli.model_shelf import ModelShelf
from focusfix.cli.restoration import Part, middle_slice, planes_of_channels
from focusfix.cli.second_image import grey
from focusfix.cli.trust_plan import find_reader
from focusfix.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageReader
    from focusfix.models.base import Restorer
    from focusfix.models.latent_line import LatentLine

LEAST_SIZE_PX = 128
"""Side below which an image does not tell its blur."""

_WINDOW_PX = 512
"""Side of what is compared at most: reading blur takes a good part of the time of restoring."""

_TOO_SMALL = f"the image is less than {LEAST_SIZE_PX} pixels wide or high"

LARGE_RESIDUAL = 0.2
"""Residual over contrast above which a result hardly explains its image."""


class RestoredPart(NamedTuple):
    """Planes of one image that one binding restores.

    Parameters
    ----------
    choice : Choice
        The weights and the channels that they are for.
    network : Restorer
        With its parameters bound.
    survey : Survey
        Scales of the image.
    part : Part
        How it goes through the engine.
    description : dict
        Of the model and its parameters, for the sidecar.
    """

    choice: Choice
    network: "Restorer"
    survey: "Survey"
    part: Part
    description: dict[str, Any]


def load_reader(shelf: ModelShelf) -> "LatentLine":
    """Load the weights that read blur.

    Raises
    ------
    ModelError
        If they are not there, damaged, or no such weights.
    """
    from focusfix.operations.trust import as_reader

    choice = find_reader()
    return as_reader(shelf.load(choice).network, choice.path.stem)


def check_reblurred(
    shelf: ModelShelf, image: "ImageReader", output: Path, restored: Sequence[RestoredPart]
) -> list[dict[str, Any]]:
    """Blur an output again by the blur of its input, and compare, channel by channel.

    Parameters
    ----------
    shelf : ModelShelf
        Loads the weights that read blur, if they are installed, and warns of what was found.
    image : ImageReader
        The input, open.
    output : Path
        What was written.
    restored : sequence of RestoredPart
        Whose channels are compared, in the middle of their middle plane.

    Returns
    -------
    list of dict
        Description of each part with ``re_blur``: the residuals, in grey values and as shares of
        the contrast, and the blur that was read; or why there are none.
    """
    from focusfix.io.image import open_image

    if min(image.metadata.shape_yx) < LEAST_SIZE_PX:
        return [part.description | {"re_blur": {"not_made": _TOO_SMALL}} for part in restored]
    try:
        reader = load_reader(shelf)
    except ModelError as error:
        return [part.description | {"re_blur": {"not_made": error.cause}} for part in restored]
    with open_image(output) as result:
        return [_check_part(shelf, (image, result), part, reader) for part in restored]


def _check_part(
    shelf: ModelShelf,
    images: "tuple[ImageReader, ImageReader]",
    restored: RestoredPart,
    reader: "LatentLine",
) -> dict[str, Any]:
    choice = restored.choice
    if choice.family == "refocuser":
        reason = "the model brings images to another plane and not into focus"
        return restored.description | {"re_blur": {"not_made": reason}}
    found = _check_channels(shelf, images, choice.channels, restored.survey, reader)
    for check in found:
        told = blur_misfit(choice.path.stem, choice.header, check["blur_radius_px"])
        if told is not None:
            shelf.console.warning(f"{images[0].path}: channel {check['channel']}: {told}")
    return restored.description | {"re_blur": {"channels": found}}


def check_unlearned(
    shelf: ModelShelf,
    image: "ImageReader",
    output: Path,
    channels: Sequence[int],
    survey: "Survey",
) -> dict[str, Any]:
    """Do the same for a model without weights.

    Parameters
    ----------
    shelf, image, output
        As for :func:`check_reblurred`.
    channels : sequence of int
        Channels that were restored.
    survey : Survey
        Scales of the image.

    Returns
    -------
    dict
        As the ``re_blur`` of :func:`check_reblurred`.
    """
    from focusfix.io.image import open_image

    if min(image.metadata.shape_yx) < LEAST_SIZE_PX:
        return {"not_made": _TOO_SMALL}
    try:
        reader = load_reader(shelf)
    except ModelError as error:
        return {"not_made": error.cause}
    with open_image(output) as result:
        return {"channels": _check_channels(shelf, (image, result), channels, survey, reader)}


def _check_channels(
    shelf: ModelShelf,
    images: "tuple[ImageReader, ImageReader]",
    channels: Sequence[int],
    survey: "Survey",
    reader: "LatentLine",
) -> list[dict[str, Any]]:
    used = [channel for channel in channels if channel not in survey.constant_channels]
    found = [_check_channel(shelf, images, survey, channel, reader) for channel in used]
    for check in found:
        if check["residual_over_contrast"] > LARGE_RESIDUAL:
            shelf.console.warning(
                f"{images[0].path}: blurred again, channel {check['channel']} of the result "
                f"differs from the image by {check['residual_over_contrast']:.0%} of its contrast"
            )
    return found


def _check_channel(
    shelf: ModelShelf,
    images: "tuple[ImageReader, ImageReader]",
    survey: "Survey",
    channel: int,
    reader: "LatentLine",
) -> dict[str, Any]:
    from focusfix.operations.bindings import fit_to_stride
    from focusfix.operations.trust import check_reblur
    from focusfix.runtime.device import select_device

    plane = _middle_plane(images[0], channel)
    scale = survey.scales[plane]
    # Formats differ in the order of planes.
    planes = (plane, match_planes(*images)[plane])
    before, after = (
        fit_to_stride(scale.apply(_read_middle(each, at, _WINDOW_PX)), reader.footprint.stride_px)
        for each, at in zip(images, planes, strict=True)
    )
    check = check_reblur(before, after, reader, select_device(shelf.options.device))
    return {
        "channel": channel,
        "residual": check.residual / scale.gain,
        "residual_over_contrast": check.share,
        "contrast": check.contrast / scale.gain,
        "blur_radius_px": check.blur_radius_px,
        "blur_radius_error_px": check.blur_radius_error_px,
    }


def read_middle(image: "ImageReader", channel: int) -> "np.ndarray":
    """Read the middle of the middle plane of a channel, colours averaged.

    Returns
    -------
    ndarray of float64, shape (Y, X)
        Grey values of at most 1024 x 1024 pixels; where not finite, the median of the rest.
    """
    return _read_middle(image, _middle_plane(image, channel))


def _read_middle(image: "ImageReader", plane: int, most_px: int = 1024) -> "np.ndarray":
    rows, columns = (middle_slice(size, most_px) for size in image.metadata.shape_yx)
    return grey(image.read_window(plane, rows, columns))


def _middle_plane(image: "ImageReader", channel: int) -> int:
    planes = planes_of_channels(image.metadata, (channel,))
    return planes[len(planes) // 2]
