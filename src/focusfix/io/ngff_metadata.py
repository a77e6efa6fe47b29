"""OME-Zarr metadata as ``ImageMetadata``."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from focusfix.errors import InputError
from focusfix.io.axis_map import AxisMap
from focusfix.io.metadata import ImageMetadata
from focusfix.io.ngff import NgffImage
from focusfix.io.tiff_metadata import MICROMETRES

COLOUR_NAMES = {
    2: (("Grey", "FFFFFF"), ("Alpha", "FFFFFF")),
    3: (("Red", "FF0000"), ("Green", "00FF00"), ("Blue", "0000FF")),
    4: (("Red", "FF0000"), ("Green", "00FF00"), ("Blue", "0000FF"), ("Alpha", "FFFFFF")),
}
"""Names and colours of the channels that hold the samples of a colour image, by their number.

OME-Zarr has no axis for samples. Channels of just these names and colours are taken as such.
"""

_NGFF_LENGTHS = {"picometer": 1e-6, "centimeter": 1e4, "meter": 1e6}
_SECONDS = {
    "nanosecond": 1e-9,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}
_LETTERS = "TZCYXS"


def map_ngff_axes(image: NgffImage, shape: Sequence[int], axes: str | None) -> AxisMap:
    """Name the stored dimensions, and bring Y, X and colour samples last.

    Parameters
    ----------
    image : NgffImage
        Metadata of the image.
    shape : sequence of int
        Of its largest array.
    axes : str, optional
        Letters that the user gives instead, one for each stored dimension.

    Returns
    -------
    AxisMap
        Letters and dimensions in the order shown.

    Raises
    ------
    InputError
        If the letters given do not fit, or the array has another number of dimensions.
    """
    letters, notes = image.axes, []
    if len(letters) != len(shape):
        raise InputError(
            f"{image.path} has broken OME-Zarr metadata: it names {len(letters)} axes for an array "
            f"of {len(shape)} dimensions.",
            "Write it again with the program that made it, or convert it with bioformats2raw.",
        )
    if axes is not None:
        letters = _given_letters(image, shape, axes)
    elif _holds_colours(image, shape):
        letters = letters.replace("C", "S")
        notes.append("its channels are the colours of one image")
    planes = [at for at, letter in enumerate(letters) if letter not in "YXS"]
    order = (*planes, *(letters.index(letter) for letter in "YXS" if letter in letters))
    shown = "".join(letters[at] for at in order)
    if shown.removesuffix("S") != letters.replace("S", ""):
        notes.append(f"the axes {letters} of the file are read in the order {shown}")
    if "Q" in shown:
        notes.append(
            "the meaning of an axis is not known: its planes are taken one by one (name the axes "
            "with --axes)"
        )
    return AxisMap(shown, order, tuple(notes))


def read_ngff_metadata(
    image: NgffImage,
    axes: AxisMap,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    compression: str | None,
) -> ImageMetadata:
    """Put together what an OME-Zarr image says of itself.

    Parameters
    ----------
    image : NgffImage
        Metadata of the image.
    axes : AxisMap
        Axes as shown.
    shape : sequence of int
        Of the largest array, as stored.
    dtype : numpy.dtype
        Of the largest array.
    compression : str, optional
        Of the largest array.

    Returns
    -------
    ImageMetadata
        In the order of axes that is shown.
    """
    sizes = tuple(int(shape[at]) for at in axes.order)
    y, x, z = (_distance(image, axes, letter, _LENGTHS) for letter in "YXZ")
    n_channels = sizes[axes.axes.index("C")] if "C" in axes.axes else 1
    channels = _channels(image, n_channels)
    names = tuple(str(channel.get("label") or "") for channel in channels)
    return ImageMetadata(
        axes=axes.axes,
        shape=sizes,
        dtype=dtype,
        pixel_size_um=None if y is None or x is None else (y, x),
        z_spacing_um=z,
        frame_interval_s=_distance(image, axes, "T", _SECONDS),
        channel_names=names if any(names) and not axes.axes.endswith("S") else None,
        display_ranges=_display_ranges(channels),
        format="ome-zarr",
        ngff_version=image.version,
        compression=compression,
        photometric="rgb" if axes.axes.endswith("S") else "minisblack",
        extras={
            "name": image.name,
            "omero": dict(image.omero),
            "channels": [_ome_colour(channel) for channel in channels],
        },
    )


def _given_letters(image: NgffImage, shape: Sequence[int], axes: str) -> str:
    letters = axes.upper()
    valid = set(letters) <= set(_LETTERS) and len(set(letters)) == len(letters)
    if not valid or not {"Y", "X"} <= set(letters) or len(letters) != len(shape):
        raise InputError(
            f"The axes {axes} do not fit {image.path}, whose shape is {tuple(shape)} "
            f"({image.axes}).",
            f"Give {len(shape)} letters: Y, X and any of T, Z, C, S, each once.",
        )
    if "S" in letters and shape[letters.index("S")] not in (1, 3, 4):
        raise InputError(
            f"The axes {axes} give {image.path} of shape {tuple(shape)} "
            f"{shape[letters.index('S')]} colour samples.",
            "S is for RGB or RGBA, of size 3 or 4; name channels C.",
        )
    return letters


def _holds_colours(image: NgffImage, shape: Sequence[int]) -> bool:
    if "C" not in image.axes:
        return False
    size = shape[image.axes.index("C")]
    channels = _channels(image, size)
    found = tuple((channel.get("label"), channel.get("color")) for channel in channels)
    return bool(found) and found == COLOUR_NAMES.get(size)


def _channels(image: NgffImage, count: int) -> list[Mapping[str, Any]]:
    """List how channels are shown; empty unless all of them are described."""
    channels = image.omero.get("channels")
    if not isinstance(channels, list) or len(channels) != count:
        return []
    return channels if all(isinstance(channel, dict) for channel in channels) else []


def _display_ranges(
    channels: Sequence[Mapping[str, Any]],
) -> tuple[tuple[float, float], ...] | None:
    ranges = []
    for channel in channels:
        window = channel.get("window")
        start, end = (
            (window.get("start"), window.get("end")) if isinstance(window, dict) else (None, None)
        )
        if not isinstance(start, int | float) or not isinstance(end, int | float):
            return None
        ranges.append((float(start), float(end)))
    return tuple(ranges) or None


def _ome_colour(channel: Mapping[str, Any]) -> dict[str, str]:
    """Write the colour of a channel as OME-XML does: RGBA as a signed number of 32 bits."""
    try:
        rgb = int(str(channel.get("color")), 16)
    except ValueError:
        return {}
    rgba = (rgb << 8 | 0xFF) & 0xFFFFFFFF
    return {"Color": str(rgba - (1 << 32) if rgba >= 1 << 31 else rgba)}


_LENGTHS = {**MICROMETRES, **_NGFF_LENGTHS}


def _distance(
    image: NgffImage, axes: AxisMap, letter: str, units: Mapping[str, float]
) -> float | None:
    """Give the distance of neighbours along an axis; None if it or its unit is not stated."""
    if letter not in axes.axes or image.scale is None:
        return None
    at = axes.order[axes.axes.index(letter)]
    unit = image.units[at]
    factor = units.get(unit.lower()) if unit else None
    value = abs(image.scale[at])
    return None if factor is None or value == 0 else value * factor
