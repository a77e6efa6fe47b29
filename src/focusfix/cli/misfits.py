"""What speaks against using some weights on an image: the model card, and odd images."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from focusfix.config import CheckpointHeader

_PIXEL_SIZE_FACTOR = 1.5
_RADIUS_FACTOR = 1.15


def card_misfits(
    name: str,
    header: "CheckpointHeader",
    looks: Mapping[int, str],
    pixel_size_um: tuple[float, float] | None,
) -> list[str]:
    """Compare an image with a model card.

    Parameters
    ----------
    name : str
        What to call the weights.
    header : CheckpointHeader
        Of the weights.
    looks : mapping of int to str
        Modality that each of their channels looks like.
    pixel_size_um : tuple of float, optional
        Of the image.

    Returns
    -------
    list of str
        Warnings; empty if nothing is known against it.
    """
    found = [
        f"channel {channel} looks like {look}, the model {name} was trained on {header.modality}"
        for channel, look in looks.items()
        if header.modality not in {"any", look}
    ]
    if header.pixel_size_um and pixel_size_um:
        low, high = header.pixel_size_um
        size = max(pixel_size_um)
        if not low / _PIXEL_SIZE_FACTOR <= size <= high * _PIXEL_SIZE_FACTOR:
            found.append(
                f"its pixel size {size:g} um is far from the {low:g} to {high:g} um "
                f"that the model {name} was trained on"
            )
    return found


def window_misfits(window: "np.ndarray", channel: int, look: str) -> list[str]:
    """Say what makes an image odd, whatever the weights.

    Parameters
    ----------
    window : ndarray, shape (Y, X, S)
        Stored intensities of the middle of a plane.
    channel : int
        Which channel it is of.
    look : {"fluorescence", "brightfield"}
        What it looks like.

    Returns
    -------
    list of str
        Warnings; one at most about what kind of image it is.
    """
    from focusfix.metrics.mismatch import (
        LEAST_LEVELS,
        MOST_NOISE,
        MOST_SATURATED,
        measure_window,
    )

    figures = measure_window(window)
    if figures is None:
        return []
    if figures.is_empty:
        return [f"channel {channel} shows nothing above its noise, so there is nothing to restore"]
    found = []
    if figures.levels < LEAST_LEVELS:
        found.append(
            f"channel {channel} holds {figures.levels} grey values only: it was converted or "
            "posterised on the way, and the steps will be taken for detail"
        )
    if figures.saturated_share > MOST_SATURATED:
        found.append(
            f"{figures.saturated_share:.1%} of the pixels of channel {channel} hold its brightest "
            "value: where it is saturated, blur cannot be undone"
        )
    if figures.noise > MOST_NOISE:
        found.append(
            f"the noise of channel {channel} is {figures.noise:.2f} of its range of intensities, "
            "more than any model was trained on: specks may be taken for structure"
        )
    if figures.is_photograph:
        found.append(
            f"channel {channel} has no even background and detail of all sizes, like a photograph "
            "and unlike the microscope images that models are trained on"
        )
    elif look == "fluorescence" and figures.lacks_dark_background:
        found.append(
            f"the background of channel {channel} is not dark as in fluorescence, nor bright as in "
            "bright field: no model is trained on such images"
        )
    return found


def blur_misfit(name: str, header: "CheckpointHeader", radius_px: float) -> str | None:
    """Compare the blur of an image with that in training.

    Parameters
    ----------
    name : str
        What to call the weights.
    header : CheckpointHeader
        Of the weights.
    radius_px : float
        Blur radius of the image; pixels.

    Returns
    -------
    str or None
        A warning, if the image is blurred farther than any that the model was trained on.
    """
    most = header.blur_radius_px[1] if header.blur_radius_px else None
    if most is None or radius_px <= most * _RADIUS_FACTOR:
        return None
    return (
        f"its blur, of {radius_px:.0f} pixels' radius, goes beyond the {most:g} that the model "
        f"{name} was trained on: more is guessed than the scores of the model card say"
    )
