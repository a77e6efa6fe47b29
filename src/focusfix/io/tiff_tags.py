"""Metadata of an image in the words of a TIFF writer, for each kind of file."""

import json
from typing import Any

from focusfix.io.metadata import ImageMetadata
from focusfix.io.tiff_metadata import MICROMETRES, pixel_size_um

# Words of an ImageJ file that follow from the image, or are written from other metadata.
_DERIVED_WORDS = {
    *("images", "channels", "slices", "frames", "hyperstack", "order", "axes", "colormap"),
    *("SCIFIO", "min", "max", "Ranges", "Labels", "spacing", "unit", "finterval"),
}
_MICROMETRES_PER_CM = 1e4
_NO_UNIT, _CENTIMETRE = 1, 3


def writer_tags(metadata: ImageMetadata, kind: str) -> dict[str, Any]:
    """Express metadata as arguments of ``tifffile.TiffWriter.write``.

    Parameters
    ----------
    metadata : ImageMetadata
        The image.
    kind : str
        "imagej", "ome" or "plain".

    Returns
    -------
    dict
        ``metadata``, ``resolution``, ``resolutionunit``, ``description`` and ``colormap`` as
        far as they apply.
    """
    words: dict[str, Any] = {
        "imagej": _imagej_tags,
        "ome": _ome_tags,
        "plain": _plain_tags,
    }[kind](metadata)
    colormap = metadata.extras.get("colormap")
    if colormap is not None and _takes_colormap(metadata, kind):
        words["colormap"] = colormap
    return words


def _takes_colormap(metadata: ImageMetadata, kind: str) -> bool:
    if metadata.samples > 1 or kind == "ome":
        return False
    entries = metadata.extras["colormap"].shape[1]
    if kind == "imagej":
        return bool(entries == 256 and metadata.dtype.name in ("uint8", "uint16", "float32"))
    return metadata.photometric == "palette" and bool(
        metadata.dtype.kind == "u" and entries == 2 ** (8 * metadata.dtype.itemsize)
    )


def _imagej_tags(metadata: ImageMetadata) -> dict[str, Any]:
    stored = metadata.extras if metadata.format == "imagej" else {}
    words = {key: _ascii(value) for key, value in stored.items() if key not in _DERIVED_WORDS}
    axes = metadata.axes.removesuffix("S") + "S"
    unit = stored.get("unit") if isinstance(stored.get("unit"), str) else None
    if metadata.pixel_size_um is not None or metadata.z_spacing_um is not None:
        unit = unit if unit and unit.lower() in MICROMETRES else "micron"
    factor = MICROMETRES.get(unit.lower(), 1.0) if unit else 1.0
    spacing = stored.get("spacing")
    if metadata.z_spacing_um is not None:
        spacing = metadata.z_spacing_um / factor
    optional = {
        "unit": None if unit is None else _ascii(unit),
        "spacing": spacing,
        "finterval": metadata.frame_interval_s,
        "Labels": _imagej_labels(metadata),
    }
    words |= {key: value for key, value in optional.items() if value is not None}
    if metadata.format == "imagej" and "ImageJ" in stored:
        words["hyperstack"] = bool(stored.get("hyperstack") or stored.get("mode"))
    words |= _imagej_ranges(metadata)
    return {"metadata": {"axes": axes, **words}, **_resolution(metadata, unit, _NO_UNIT)}


def _imagej_ranges(metadata: ImageMetadata) -> dict[str, Any]:
    """Give the display ranges; with several channels "min" and "max" say something else."""
    ranges = metadata.display_ranges
    if not ranges:
        return {}
    words: dict[str, Any] = {"min": ranges[0][0], "max": ranges[0][1]}
    if metadata.axis_size("C") == len(ranges) > 1:
        stored = metadata.extras if metadata.format == "imagej" else {}
        words |= {key: stored[key] for key in ("min", "max") if key in stored}
        words["Ranges"] = tuple(value for pair in ranges for value in pair)
    return words


def _imagej_labels(metadata: ImageMetadata) -> list[str] | None:
    """Label the slices as in the file, else with the name of their channel."""
    stored = metadata.extras.get("Labels") if metadata.format == "imagej" else None
    labels = [stored] if isinstance(stored, str) else stored
    if labels is not None and len(labels) == metadata.n_planes:
        return list(labels)
    names = metadata.channel_names
    if names is None or len(names) != metadata.axis_size("C"):
        return None
    return [names[plane.channel] for plane in metadata.planes]


def _ascii(value: Any) -> Any:
    """Escape text as ImageJ does, which reads seven bits only."""
    if not isinstance(value, str) or value.isascii():
        return value
    return "".join(char if char.isascii() else f"\\u{ord(char):04X}" for char in value)


def _ome_tags(metadata: ImageMetadata) -> dict[str, Any]:
    axes = metadata.axes if metadata.samples > 1 else metadata.axes.removesuffix("S")
    words: dict[str, Any] = {"axes": axes}
    lengths = {"Z": metadata.z_spacing_um}
    if metadata.pixel_size_um is not None:
        lengths["Y"], lengths["X"] = metadata.pixel_size_um
    for letter, length in lengths.items():
        if length is not None:
            words[f"PhysicalSize{letter}"] = length
            words[f"PhysicalSize{letter}Unit"] = "µm"
    if metadata.frame_interval_s is not None:
        words |= {"TimeIncrement": metadata.frame_interval_s, "TimeIncrementUnit": "s"}
    if metadata.significant_bits is not None:
        words["SignificantBits"] = metadata.significant_bits
    if metadata.extras.get("name"):
        words["Name"] = metadata.extras["name"]
    channels = _ome_channels(metadata)
    if channels:
        words["Channel"] = channels
    return {"metadata": words, **_resolution(metadata, None, _CENTIMETRE)}


def _ome_channels(metadata: ImageMetadata) -> list[dict[str, str]]:
    size = metadata.axis_size("C")
    with_colours = metadata.format in ("ome", "ome-zarr")
    stored = metadata.extras.get("channels", []) if with_colours else []
    channels = [dict(channel) for channel in stored] if len(stored) == size else []
    names = metadata.channel_names
    if names is not None and len(names) == size:
        channels = channels or [{} for _ in names]
        for channel, name in zip(channels, names, strict=True):
            channel["Name"] = name
    return channels if any(channels) else []


def _plain_tags(metadata: ImageMetadata) -> dict[str, Any]:
    unit = {2: "inch", 3: "cm"}.get(metadata.resolution.unit) if metadata.resolution else None
    words: dict[str, Any] = {"metadata": None, **_resolution(metadata, unit, _CENTIMETRE)}
    known = set(metadata.plane_axes) <= set("TZC")
    text = _axes_description(metadata) if metadata.plane_axes and known else metadata.description
    if text is not None:
        words["description"] = text.encode()
    return words


def _axes_description(metadata: ImageMetadata) -> str:
    """Say shape and axes in the JSON that tifffile reads too.

    The writer's own way of doing so would lay out images of one column otherwise.
    """
    n_axes = len(metadata.plane_axes) + (3 if metadata.samples > 1 else 2)
    optional = {
        "description": metadata.description,
        "spacing_um": metadata.z_spacing_um,
        "frame_interval_s": metadata.frame_interval_s,
        "channel_names": metadata.channel_names,
    }
    words = {key: value for key, value in optional.items() if value is not None}
    return json.dumps({"shape": metadata.shape[:n_axes], "axes": metadata.axes[:n_axes], **words})


def _resolution(metadata: ImageMetadata, unit: str | None, code: int) -> dict[str, Any]:
    """Give the resolution tags as stored if they still say the pixel size, else new ones."""
    stored = metadata.resolution
    size = metadata.pixel_size_um
    if stored is not None and (size is None or size == pixel_size_um(stored, unit)):
        return {"resolution": (stored.x, stored.y), "resolutionunit": stored.unit}
    if size is None:
        return {}
    length = MICROMETRES[unit.lower()] if unit and code == _NO_UNIT else _MICROMETRES_PER_CM
    y, x = size
    return {"resolution": (length / x, length / y), "resolutionunit": code}
