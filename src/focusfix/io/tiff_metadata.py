"""What ImageJ, OME-XML and TIFF tags say of an image, as ``ImageMetadata``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from focusfix.io.axis_map import AxisMap
from focusfix.io.metadata import ImageMetadata, Resolution
from focusfix.io.tiff_layout import StoredSeries, StoredTags

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# Lengths of the units that microscopy files use; micrometres.
MICROMETRES = {
    "nm": 1e-3,
    "nanometer": 1e-3,
    "um": 1.0,
    "µm": 1.0,  # micro sign
    "\u03bcm": 1.0,  # Greek mu
    "\\u00b5m": 1.0,  # as ImageJ escapes it
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "inch": 25400.0,
    "å": 1e-4,
    "angstrom": 1e-4,
    "pm": 1e-6,
}
_SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0, "d": 86400.0}
_RESOLUTION_UNITS = {2: "inch", 3: "cm"}

# Plain TIFFs often carry the resolution of a printer or screen. No microscope camera has
# pixels this large at the sample; micrometres.
_LARGEST_PIXEL_UM = 20.0

_OME_CHANNEL_WORDS = (
    "AcquisitionMode",
    "Color",
    "ContrastMethod",
    "EmissionWavelength",
    "EmissionWavelengthUnit",
    "ExcitationWavelength",
    "ExcitationWavelengthUnit",
    "Fluor",
    "IlluminationType",
    "NDFilter",
    "PinholeSize",
    "PinholeSizeUnit",
)


def read_metadata(stored: StoredSeries, tags: StoredTags, axis_map: AxisMap) -> ImageMetadata:
    """Put together what a TIFF file says of its image.

    Parameters
    ----------
    stored : StoredSeries
        Layout of the pixels.
    tags : StoredTags
        What the tags say.
    axis_map : AxisMap
        Axes and the stored dimensions behind them.

    Returns
    -------
    ImageMetadata
        Metadata in the order of axes that is shown.
    """
    resolution = Resolution(*tags.resolution) if tags.resolution else None
    shape = tuple(stored.shape[dimension] for dimension in axis_map.order)
    bits = tags.bits_per_sample
    common: dict[str, Any] = {
        "axes": axis_map.axes,
        "shape": shape,
        "dtype": stored.dtype.newbyteorder("="),
        "compression": stored.compression,
        "tiled": stored.is_tiled,
        "photometric": _shown_photometric(stored, axis_map.axes),
        "resolution": resolution,
        "significant_bits": bits if bits < stored.dtype.itemsize * 8 else None,
    }
    n_channels = shape[axis_map.axes.index("C")] if "C" in axis_map.axes else 1
    if stored.kind == "imagej":
        words = _imagej_words(tags, resolution, n_channels)
        if "order" in tags.imagej:  # planes are shown in another order than the labels
            words["extras"].pop("Labels", None)
        return ImageMetadata(**common | words)
    if stored.kind == "ome" and tags.ome_xml is not None:
        return ImageMetadata(**common | _ome_words(tags.ome_xml, n_channels))
    return ImageMetadata(**common | _plain_words(stored, tags, resolution))


def _shown_photometric(stored: StoredSeries, axes: str) -> str:
    if axes.endswith("S"):
        return "rgb" if stored.shape[-1] != 1 or stored.photometric == "rgb" else "minisblack"
    return "minisblack" if stored.photometric == "rgb" else stored.photometric


def pixel_size_um(resolution: Resolution | None, unit: str | None) -> tuple[float, float] | None:
    """Turn pixels per unit into micrometres per pixel.

    Parameters
    ----------
    resolution : Resolution, optional
        Resolution tags.
    unit : str, optional
        Name of the unit of length, as in ``MICROMETRES``.

    Returns
    -------
    tuple of float, optional
        Pixel size (y, x) in micrometres; None if the unit is no length or a value is missing.
    """
    if resolution is None or unit is None or unit.lower() not in MICROMETRES:
        return None
    if 0 in resolution.x or 0 in resolution.y:
        return None
    factor = MICROMETRES[unit.lower()]
    x = factor * resolution.x[1] / resolution.x[0]
    y = factor * resolution.y[1] / resolution.y[0]
    return y, x


def _plain_words(
    stored: StoredSeries, tags: StoredTags, resolution: Resolution | None
) -> dict[str, Any]:
    unit = _RESOLUTION_UNITS.get(resolution.unit) if resolution else None
    size = pixel_size_um(resolution, unit)
    if size is not None and max(size) > _LARGEST_PIXEL_UM:
        size = None
    extras = {} if tags.colormap is None else {"colormap": tags.colormap}
    named = tags.shaped if stored.kind == "shaped" else {}
    described = named or tags.imagej or tags.ome_xml
    names = named.get("channel_names")
    return {
        "format": "tiff",
        "pixel_size_um": size,
        "z_spacing_um": named.get("spacing_um"),
        "frame_interval_s": named.get("frame_interval_s"),
        "channel_names": None if names is None else tuple(names),
        "description": named.get("description") if described else tags.description,
        "extras": extras,
    }


def _imagej_words(
    tags: StoredTags, resolution: Resolution | None, n_channels: int
) -> dict[str, Any]:
    words = dict(tags.imagej)
    unit = words.get("unit")
    unit = unit if isinstance(unit, str) else None
    factor = MICROMETRES.get(unit.lower()) if unit else None
    spacing = _positive(words.get("spacing"))
    interval = _positive(words.get("finterval"))
    if tags.colormap is not None:
        words["colormap"] = tags.colormap
    return {
        "format": "imagej",
        "pixel_size_um": pixel_size_um(resolution, unit),
        "z_spacing_um": spacing * factor if factor and spacing else None,
        "frame_interval_s": interval,
        "display_ranges": _imagej_ranges(words, n_channels),
        "channel_names": _imagej_channel_names(words.get("Labels"), n_channels),
        "extras": words,
    }


def _positive(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or value == 0:
        return None
    return abs(float(value))


def _imagej_ranges(
    words: Mapping[str, Any], n_channels: int
) -> tuple[tuple[float, float], ...] | None:
    stored = words.get("Ranges")
    if stored is not None and len(stored) == 2 * n_channels:
        return tuple((float(stored[i]), float(stored[i + 1])) for i in range(0, len(stored), 2))
    low, high = words.get("min"), words.get("max")
    if n_channels == 1 and isinstance(low, int | float) and isinstance(high, int | float):
        return ((float(low), float(high)),)
    return None


def _imagej_channel_names(labels: object, n_channels: int) -> tuple[str, ...] | None:
    """Read channel names from slice labels, where the label depends on the channel alone.

    ImageJ has no channel names; the channel varies fastest among its slices.
    """
    if not isinstance(labels, list) or n_channels == 1 or len(labels) % n_channels:
        return None
    first = labels[:n_channels]
    repeats = labels == first * (len(labels) // n_channels)
    return tuple(map(str, first)) if repeats and len(set(first)) == n_channels else None


def _ome_words(xml: str, n_channels: int) -> dict[str, Any]:
    pixels, image = _ome_pixels(xml)
    sizes = {axis: _ome_length(pixels, f"PhysicalSize{axis}") for axis in "XYZ"}
    y, x = sizes["Y"], sizes["X"]
    channels = [dict(element.attrib) for element in pixels if element.tag.endswith("}Channel")]
    names = tuple(channel.get("Name", "") for channel in channels)
    bits = pixels.get("SignificantBits")
    words: dict[str, Any] = {
        "format": "ome",
        "pixel_size_um": (y, x) if y is not None and x is not None else None,
        "z_spacing_um": sizes["Z"],
        "frame_interval_s": _ome_time(pixels),
        "channel_names": names if len(names) == n_channels and any(names) else None,
        "extras": {"channels": _kept_channel_words(channels, n_channels), "name": image},
    }
    if bits is not None:
        words["significant_bits"] = int(bits)
    return words


def _ome_pixels(xml: str) -> "tuple[Element, str | None]":
    """Find the Pixels element of the first image and the image's name."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(xml)  # noqa: S314 (expat resolves no external entities)
    for image in root:
        if not image.tag.endswith("}Image"):
            continue
        for pixels in image:
            if pixels.tag.endswith("}Pixels"):
                return pixels, image.get("Name")
    return ElementTree.Element("Pixels"), None


def _ome_length(pixels: "Element", name: str) -> float | None:
    value = pixels.get(name)
    factor = MICROMETRES.get(pixels.get(f"{name}Unit", "µm").lower())
    return None if value is None or factor is None else float(value) * factor


def _ome_time(pixels: "Element") -> float | None:
    value = pixels.get("TimeIncrement")
    factor = _SECONDS.get(pixels.get("TimeIncrementUnit", "s"))
    return None if value is None or factor is None else float(value) * factor


def _kept_channel_words(channels: list[dict[str, str]], n_channels: int) -> list[dict[str, str]]:
    if len(channels) != n_channels:
        return []
    return [
        {word: channel[word] for word in _OME_CHANNEL_WORDS if word in channel}
        for channel in channels
    ]
