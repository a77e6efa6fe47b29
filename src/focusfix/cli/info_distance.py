"""Distance from focus as ``focusfix info`` tells it: every z level at the first time point."""

import math
from collections.abc import Sequence
from pathlib import Path

from focusfix.cli.files import Record
from focusfix.cli.focus_meter import UNKNOWN, distance_cells
from focusfix.cli.focus_weights import MeterRack
from focusfix.cli.restoration import middle_slice
from focusfix.cli.scales import square_pixel_um
from focusfix.cli.tables import format_table
from focusfix.errors import UsageError

_DIGITS = 4


def check_pixel_size(size_um: float | None) -> None:
    """Refuse a pixel size that is none, with :class:`~focusfix.errors.UsageError`."""
    if size_um is not None and not 0 < size_um < math.inf:
        raise UsageError(
            f"--pixel-size-um must be positive, not {size_um:g}.",
            "Give the side of a pixel in the sample in micrometres.",
        )


def measure_distances(
    path: Path, axes: str | None, pixel_size_um: float | None, rack: MeterRack
) -> list[Record]:
    """Measure how far planes are from focus.

    Parameters
    ----------
    path : Path
        The image.
    axes : str, optional
        Axes instead of those the file states.
    pixel_size_um : float, optional
        Side of a pixel instead of that which the file states.
    rack : MeterRack
        Weights.

    Returns
    -------
    list of dict
        For each channel and z level at the first time point: ``channel``, ``z_level``,
        ``dz_abs_um``, ``dz_abs_error_um``, ``dz_um`` and ``dz_confidence``, None where they are
        not known. Measured in the middle of the plane, at most 1024 x 1024 pixels.

    Raises
    ------
    UsageError, ModelError, InputError
        As :meth:`focusfix.cli.focus_weights.MeterRack.start`.
    """
    from focusfix.io.image import open_image

    with open_image(path, axes=axes) as reader, rack.console.progress(path.name) as advance:
        size_um = pixel_size_um or square_pixel_um(reader.metadata)
        meter = rack.start(reader, size_um)
        rows, columns = (middle_slice(size) for size in reader.metadata.shape_yx)
        planes = [each for each in reader.metadata.planes if each.coordinates.get("T", 0) == 0]
        found = []
        for number, plane in enumerate(planes):
            window = reader.read_window(plane.position, rows, columns)[..., :3].mean(axis=-1)
            where = {"channel": plane.channel, "z_level": plane.coordinates.get("Z", 0)}
            found.append({**where, **_rounded(meter.measure(window, plane.position).record)})
            advance((number + 1) / len(planes))
    return sorted(found, key=lambda each: (each["channel"], each["z_level"]))


def distance_lines(record: Record, *, listed: bool) -> list[str]:
    """Lay the distances of one image out for reading.

    Parameters
    ----------
    record : dict
        With ``distance`` from :func:`measure_distances`, and ``focus``.
    listed : bool
        Whether every z level is listed, not only the sharpest and the range.

    Returns
    -------
    list of str
        None if nothing was measured.
    """
    sharpest = {each["channel"]: each["focal_level"] for each in record["focus"]}
    lines = []
    for channel in sorted({each["channel"] for each in record["distance"]}):
        levels = [each for each in record["distance"] if each["channel"] == channel]
        lines.append(_summary(channel, levels, sharpest.get(channel, 0)))
        if listed and len(levels) > 1:
            told = any(each["dz_confidence"] is not None for each in levels)
            titles = ("z_level", "from focus (um)", "+-", *(["confidence"] if told else []))
            rows = [(each["z_level"], *_cells(each))[: len(titles)] for each in levels]
            table = format_table(titles, rows)
            lines += [f"    {line}" for line in table.splitlines()]
    return lines


def _summary(channel: int, levels: Sequence[Record], sharpest: int) -> str:
    """Say how far the sharpest level is from focus, and between what all levels are."""
    level = next(each for each in levels if each["z_level"] == sharpest)
    distance, error, confidence = _cells(level)
    text = f"  distance from focus of channel {channel}: "
    if distance == "-":
        return f"{text}not known, there is nothing but one grey value"
    text += f"{distance} um +- {error} um"
    if confidence != "-":
        text += f", confidence {confidence}"
    if len(levels) > 1:
        names = "dz_um" if level["dz_um"] is not None else "dz_abs_um"
        values = [each[names] for each in levels if each[names] is not None]
        text += f" at z_level {sharpest}; {min(values):.2f} to {max(values):.2f} um over all levels"
    return text


def _cells(level: Record) -> list[str]:
    values = {name: math.nan if level[name] is None else level[name] for name in UNKNOWN}
    return distance_cells(values)


def _rounded(found: Record) -> Record:
    """Make JSON values: NaN becomes None."""
    return {
        name: None if math.isnan(value) else round(value, _DIGITS) for name, value in found.items()
    }
