"""How an image will lie in an OME-Zarr folder: axes, chunks, levels, and the metadata of it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from focusfix import __version__
from focusfix.errors import OutputError
from focusfix.io.metadata import ImageMetadata
from focusfix.io.ngff_metadata import COLOUR_NAMES

CHUNK_PX = 1024
"""Side of the chunks that are written; pixels. A chunk holds part of one plane."""

_ORDER = "tcqzyx"
_KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
_COLOURS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF", "FFFFFF")
_GREY = "FFFFFF"


@dataclass(frozen=True)
class NgffLayout:
    """Where the planes of an image lie in the arrays of an OME-Zarr folder.

    Parameters
    ----------
    metadata : ImageMetadata
        The image.
    names : tuple of str
        Names of the stored dimensions.
    shapes : tuple of tuple of int
        Shape of the array of each level, the largest first.
    chunks : tuple of int
        Shape of a chunk, the same on all levels.
    """

    metadata: ImageMetadata
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    chunks: tuple[int, ...]

    @property
    def version(self) -> str:
        """Version of OME-Zarr, "0.4" or "0.5"; those before 0.4 are not written."""
        return "0.5" if self.metadata.ngff_version == "0.5" else "0.4"

    @property
    def zarr_format(self) -> int:
        """Format of the folder that the version of OME-Zarr asks for."""
        return 3 if self.version == "0.5" else 2

    @property
    def chunk_yx(self) -> tuple[int, int]:
        """Height and width of a chunk; pixels."""
        return self.chunks[-2], self.chunks[-1]

    @property
    def has_samples(self) -> bool:
        """Whether the channels are the samples of colour pixels."""
        return self.metadata.samples > 1

    def region(self, plane: int, rows: slice, columns: slice) -> tuple[slice, ...]:
        """Find a rectangle of a plane in the array of any level.

        Parameters
        ----------
        plane : int
            Position of the plane in the image.
        rows, columns : slice
            Rectangle; pixels of that level.

        Returns
        -------
        tuple of slice
            One for each stored dimension.
        """
        coordinates = self.metadata.planes[plane].coordinates
        places = {"y": rows, "x": columns}
        if self.has_samples:
            places["c"] = slice(0, self.metadata.samples)
        for letter, at in coordinates.items():
            places[_axis_name(letter)] = slice(at, at + 1)
        return tuple(places[name] for name in self.names)


def plan_layout(path: Path, metadata: ImageMetadata) -> NgffLayout:
    """Lay an image out for OME-Zarr.

    Parameters
    ----------
    path : Path
        Folder to be written, for messages.
    metadata : ImageMetadata
        The image.

    Returns
    -------
    NgffLayout
        Axes in the order that OME-Zarr asks for, chunks, and levels of half the size each down to
        one that fits into a chunk.

    Raises
    ------
    OutputError
        If OME-Zarr does not have such axes.
    """
    letters = metadata.plane_axes + ("C" if metadata.samples > 1 else "")
    names = [_axis_name(letter) for letter in letters]
    if len(set(names)) != len(names) or {"c", "q"} <= set(names):
        raise OutputError(
            f"{path} cannot hold the axes {metadata.axes}: OME-Zarr has one each of T, Z and "
            "C, and colours take the place of C.",
            "Give an output name that ends with .tif, or name the axes of the input with --axes.",
        )
    sizes = {_axis_name(letter): metadata.axis_size(letter) for letter in metadata.plane_axes}
    if metadata.samples > 1:
        sizes["c"] = metadata.samples
    shape_yx = metadata.shape_yx
    sizes["y"], sizes["x"] = shape_yx
    ordered = tuple(name for name in _ORDER if name in sizes)
    inner = tuple(min(CHUNK_PX, size) for size in shape_yx)
    lead = [sizes[name] for name in ordered[:-2]]
    chunks = (
        *(sizes["c"] if name == "c" and metadata.samples > 1 else 1 for name in ordered[:-2]),
    )
    shapes = [(*lead, *shape_yx)]
    while max(shape_yx) > CHUNK_PX:
        shape_yx = (-(-shape_yx[0] // 2), -(-shape_yx[1] // 2))
        shapes.append((*lead, *shape_yx))
    return NgffLayout(metadata, ordered, tuple(shapes), (*chunks, *inner))


def image_attributes(
    layout: NgffLayout, windows: Sequence[tuple[float, float]] | None
) -> dict[str, Any]:
    """Write the metadata of an image in the words of its version.

    Parameters
    ----------
    layout : NgffLayout
        The image.
    windows : sequence of (float, float), optional
        Darkest and brightest grey value of each channel, as far as they are known.

    Returns
    -------
    dict
        Attributes of the group.
    """
    metadata = layout.metadata
    version = layout.version
    multiscale: dict[str, Any] = {
        "axes": [_describe_axis(name, metadata) for name in layout.names],
        "datasets": [
            {"path": str(level), "coordinateTransformations": _transformations(layout, level)}
            for level in range(len(layout.shapes))
        ],
        "type": "mean",
        "metadata": {
            "description": "each level is the mean of 2 x 2 pixels of the one before",
            "method": "focusfix",
            "version": __version__,
        },
    }
    if metadata.extras.get("name"):
        multiscale["name"] = metadata.extras["name"]
    omero = _omero(metadata, windows)
    if version == "0.5":
        ome: dict[str, Any] = {"version": version, "multiscales": [multiscale]}
        return {"ome": ome | ({"omero": omero} if omero else {})}
    found: dict[str, Any] = {"multiscales": [{"version": version, **multiscale}]}
    return found | ({"omero": {**omero, "version": version}} if omero else {})


def _axis_name(letter: str) -> str:
    """Name the stored dimension of an axis; all that are not known share one name."""
    return letter.lower() if letter in "TZC" else "q"


def _describe_axis(name: str, metadata: ImageMetadata) -> dict[str, str]:
    axis = {"name": name}
    if name in _KINDS:
        axis["type"] = _KINDS[name]
    if name in _UNITS and _step(name, metadata) is not None:
        axis["unit"] = _UNITS[name]
    return axis


def _step(name: str, metadata: ImageMetadata) -> float | None:
    """Give the distance of neighbours along an axis, in its unit."""
    size = metadata.pixel_size_um
    steps = {
        "t": metadata.frame_interval_s,
        "z": metadata.z_spacing_um,
        "y": None if size is None else size[0],
        "x": None if size is None else size[1],
    }
    return steps.get(name)


def _transformations(layout: NgffLayout, level: int) -> list[dict[str, Any]]:
    """Place the pixels of a level: their distance, and where the centre of the first one is."""
    factor = 2**level
    steps = [_step(name, layout.metadata) or 1.0 for name in layout.names]
    in_plane = [name in "yx" for name in layout.names]
    scale = [step * factor if here else step for step, here in zip(steps, in_plane, strict=True)]
    found: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if level:
        shift = [
            step * (factor - 1) / 2 if here else 0.0
            for step, here in zip(steps, in_plane, strict=True)
        ]
        found.append({"type": "translation", "translation": shift})
    return found


def _omero(
    metadata: ImageMetadata, windows: Sequence[tuple[float, float]] | None
) -> dict[str, Any]:
    """Say how channels are shown: as the input does, else between their darkest and brightest."""
    count = metadata.samples if metadata.samples > 1 else metadata.axis_size("C")
    ranges = metadata.display_ranges
    shown = ranges if ranges is not None and len(ranges) == count else windows
    if shown is None or len(shown) != count:
        return {}
    stored = dict(metadata.extras.get("omero") or {}) if metadata.format == "ome-zarr" else {}
    kept = stored.pop("channels", None)
    if not isinstance(kept, list) or len(kept) != count:
        kept = [{}] * count
    channels = [
        {**_channel(metadata, index, count), **old}
        | {"window": _window(old.get("window"), bounds, windows[index] if windows else bounds)}
        for index, (old, bounds) in enumerate(zip(kept, shown, strict=True))
    ]
    return {**stored, "channels": channels}


def _channel(metadata: ImageMetadata, index: int, count: int) -> dict[str, Any]:
    if metadata.samples > 1:
        label, shade = COLOUR_NAMES.get(count, ((str(index), _GREY),) * count)[index]
        return {"label": label, "color": shade, "active": True}
    names = metadata.channel_names
    colour = _ome_colour(metadata, index, count)
    if colour is None:
        colour = _GREY if count == 1 else _COLOURS[index % len(_COLOURS)]
    named = {"label": names[index]} if names is not None and len(names) == count else {}
    return {**named, "color": colour, "active": True}


def _ome_colour(metadata: ImageMetadata, index: int, count: int) -> str | None:
    """Turn the colour of an OME-XML channel, a signed RGBA number, into six hex digits."""
    described = metadata.format in ("ome", "ome-zarr")
    channels = metadata.extras.get("channels", ()) if described else ()
    if len(channels) != count or "Color" not in channels[index]:
        return None
    try:
        return f"{int(channels[index]['Color']) >> 8 & 0xFFFFFF:06X}"
    except ValueError:
        return None


def _window(
    stored: object, shown: tuple[float, float], extremes: tuple[float, float]
) -> dict[str, float]:
    """Give the grey values shown as black and white, within the limits of the channel."""
    kept: Mapping[str, Any] = stored if isinstance(stored, dict) else {}
    low, high = kept.get("min"), kept.get("max")
    return {
        "min": low if isinstance(low, int | float) else min(shown[0], extremes[0]),
        "max": high if isinstance(high, int | float) else max(shown[1], extremes[1]),
        "start": shown[0],
        "end": shown[1],
    }
