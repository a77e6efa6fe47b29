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
            record["data_range"],
            *(plane["lost_band_per_px"] or (None, None)),
            *plane["scores"].values(),
        ]
        for plane in record["planes"]
    ]


def csv_titles(record: Record) -> list[str]:
    """Name the columns of such rows."""
    return [
        "output", "reference", "input", "plane", "data_range", "band_from_per_px",
        "band_to_per_px", *record["scores"],
    ]  # fmt: skip


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
