"""Scores as tables, CSV and JSON values."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from focusfix.cli.files import Record
from focusfix.cli.tables import format_table

_SHORT = ("psnr", "ssim", "band_coherence", "psnr_affine")
_CELL = 17
_DISTANCE_TITLE = "dz (um)"


def score_table(scores: Mapping[str, float]) -> str:
    """Lay out the scores of one image: a row per measure.

    Parameters
    ----------
    scores : mapping of str to float
        By column name, as in :func:`column_names`.

    Returns
    -------
    str
        Lines of a table with the output's scores; and, if known, the input's and the gain.
    """
    from focusfix.metrics.scorecard import MEASURES

    rows: list[tuple[str | None, ...]] = []
    with_gain = "psnr_gain" in scores
    for measure in MEASURES.values():
        if measure.name not in scores:
            continue
        value, before, gain = (scores.get(name) for name in column_names(measure.name))
        title = f"{measure.name} ({measure.unit})" if measure.unit else measure.name
        shown = _number(value, measure.digits)
        if with_gain:
            signed = _number(gain, measure.digits, sign="+")
            rows.append((title, _number(before, measure.digits), shown, signed))
        else:
            rows.append((title, shown))
    titles = ("measure", "input", "output", "gain") if with_gain else ("measure", "output")
    return format_table(titles, rows)


def short_header(width: int, scores: Mapping[str, float]) -> str:
    """Write the titles above rows of the measures that matter most."""
    titles = [name.ljust(_CELL) for name in _SHORT if name in scores]
    return "  ".join(["".ljust(width), *titles]).rstrip()


def short_row(label: str, width: int, scores: Mapping[str, float]) -> str:
    """Write one row: a label of fixed width, values, and gains in brackets."""
    from focusfix.metrics.scorecard import MEASURES

    cells = []
    for name in (name for name in _SHORT if name in scores):
        value, _, gain = (scores.get(column) for column in column_names(name))
        digits = MEASURES[name].digits
        text = _number(value, digits) or "-"
        if gain is not None and not math.isnan(gain):
            text += f" ({_number(gain, digits, sign='+')})"
        cells.append(text.ljust(_CELL))
    return "  ".join([label.ljust(width), *cells]).rstrip()


def single_table(record: Record) -> str:
    """Lay out one image: its means, and a row for each plane if there are several."""
    planes = record["planes"]
    heading = f"{record['output']} against {record['reference']}"
    mean = f", mean of {len(planes)} planes" if len(planes) > 1 else ""
    lines = [
        f"{heading}{mean}",
        f"data range {record['data_range']:g} ({record['data_range_from']}){_left_out(record)}",
        score_table(record["scores"]),
    ]
    if len(planes) > 1:
        labels = [plane_label(plane["plane"]) for plane in planes]
        width = max(map(len, labels))
        lines += ["", short_header(width, record["scores"])]
        lines += [
            short_row(label, width, plane["scores"])
            for label, plane in zip(labels, planes, strict=True)
        ]
        lines += distance_lines(record["by_distance"])
    return "\n".join(lines)


def summary_table(summary: Record, data_ranges: Sequence[float]) -> str:
    """Lay out the means over several images, and those at each distance from focus."""
    counts = f"{_count(summary['planes'], 'plane')} of {_count(summary['files'], 'file')}"
    ranges = " or ".join(f"{each:g}" for each in data_ranges)
    heading = f"\nmean of {counts}, data range {ranges}{_left_out(summary)}"
    table = score_table(summary["scores"])
    return "\n".join([heading, table, *distance_lines(summary["by_distance"])])


def distance_lines(averages: Sequence[Record]) -> list[str]:
    """Lay out the means at each distance from focus, below an empty line; none if not known."""
    if not averages:
        return []
    labels = [f"{each['dz_um']:+g}" for each in averages]
    width = max(len(_DISTANCE_TITLE), *map(len, labels))
    counts = [str(each["planes"]) for each in averages]
    beside = max(len("planes"), *map(len, counts))
    title = f"{_DISTANCE_TITLE.ljust(width)}  {'planes'.ljust(beside)}"
    header = short_header(0, averages[0]["scores"]).lstrip()
    rows = [
        f"{label.ljust(width)}  {short_row(count, beside, each['scores'])}"
        for label, count, each in zip(labels, counts, averages, strict=True)
    ]
    return ["", f"{title}  {header}", *rows]


def plane_label(coordinates: Mapping[str, int]) -> str:
    """Name a plane by its place along each axis, such as ``Z=3 C=0``."""
    return " ".join(f"{axis}={index}" for axis, index in coordinates.items())


def column_names(measure: str) -> tuple[str, str, str]:
    """Name the columns of a measure: the output's value, the input's, and the gain."""
    return measure, f"{measure}_input", f"{measure}_gain"


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Write rows as CSV; None becomes an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().rstrip("\n")


def csv_rows(record: Record) -> list[list[object]]:
    """Make a row of each plane of a record; the titles are those of :func:`csv_titles`."""
    return [
        [
            record["output"],
            record["reference"],
            record["input"],
            plane_label(plane["plane"]),
            plane["dz_um"],
            record["data_range"],
            *(plane["lost_band_per_px"] or (None, None)),
            *plane["scores"].values(),
            *(plane["trust"] or {}).values(),
            *width_cells(plane["profile"]),
        ]
        for plane in record["planes"]
    ]


def csv_titles(record: Record) -> list[str]:
    """Name the columns of such rows."""
    first = record["planes"][0]
    return [
        "output", "reference", "input", "plane", "dz_um", "data_range", "band_from_per_px",
        "band_to_per_px", *record["scores"], *(f"trust_{name}" for name in first["trust"] or ()),
        *width_columns(first["profile"]),
    ]  # fmt: skip


def trust_lines(records: Sequence[Record]) -> str:
    """Lay out how well trust maps foretell errors: a row for each plane; empty without maps."""
    rows = [
        (
            f"{record['output']} {plane_label(plane['plane'])}".strip(),
            _number(plane["trust"]["correlation"], 3),
            f"{plane['trust']['expected']:.4g}",
            f"{plane['trust']['actual']:.4g}",
        )
        for record in records
        for plane in record["planes"]
        if plane["trust"] is not None
    ]
    titles = ("trust map", "correlation", "expected error", "true error")
    return format_table(titles, rows) if rows else ""


def width_table(at: str, profiles: Sequence[tuple[str, Record]]) -> str:
    """Lay out widths: a row for each plane and direction, a column for each role.

    Parameters
    ----------
    at : str
        Where they were measured.
    profiles : sequence of (str, dict)
        Names of planes, with widths by direction and role as ``fwhm_px`` and ``fwhm_um``.

    Returns
    -------
    str
        In micrometres if all that is known in pixels is known in micrometres, too.
    """
    pairs = [pair for _, profile in profiles for pair in zip(*_widths(profile), strict=True)]
    unit = "um" if all(math.isnan(px) or not math.isnan(um) for um, px in pairs) else "px"
    roles = list(next(iter(profiles[0][1]["fwhm_px"].values())))
    rows = [
        (label, direction, *(_number(found[role], 3) for role in roles))
        for label, profile in profiles
        for direction, found in profile[f"fwhm_{unit}"].items()
    ]
    return format_table((f"FWHM ({unit}) at {at}", "along", *roles), rows)


def width_columns(profile: Record | None) -> list[str]:
    """Name the columns of widths: of the image itself without a role, of others with it."""
    if profile is None:
        return []
    return [
        f"fwhm_{direction}_{unit}{'' if number == 0 else f'_{role}'}"
        for unit in ("um", "px")
        for direction, found in profile[f"fwhm_{unit}"].items()
        for number, role in enumerate(found)
    ]


def width_cells(profile: Record | None) -> list[float]:
    """List the widths in the order of such columns."""
    return [width for widths in _widths(profile) for width in widths] if profile else []


def json_value(value: Any) -> Any:
    """Replace what JSON has no numbers for: NaN by null, infinity by the text inf or -inf."""
    if isinstance(value, dict):
        return {key: json_value(each) for key, each in value.items()}
    if isinstance(value, list):
        return [json_value(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _number(value: float | None, digits: int, *, sign: str = "") -> str | None:
    return None if value is None or math.isnan(value) else f"{value:{sign}.{digits}f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _left_out(averages: Record) -> str:
    """Say how many planes are identical to their reference, which no mean survives."""
    infinite = averages["left_out"].get("psnr", 0)
    return f"; {infinite} infinite PSNR left out" if infinite else ""


def _widths(profile: Record) -> tuple[list[float], list[float]]:
    """List the widths of a plane in micrometres and in pixels, in the same order."""
    in_um, in_px = (
        [width for found in profile[name].values() for width in found.values()]
        for name in ("fwhm_um", "fwhm_px")
    )
    return in_um, in_px
