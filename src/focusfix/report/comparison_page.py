"""The report of images that were compared with references."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from focusfix.metrics.scorecard import MEASURES, Measure
from focusfix.report.charts import Chart, Series, draw_chart
from focusfix.report.figures import PAGE, inline_svg
from focusfix.report.page import Card, Example, Page, Section, Table
from focusfix.report.profiles import ProfilePanel, profile_sections
from focusfix.report.provenance import Provenance, provenance_section

_CHARTED = ("psnr", "ssim", "band_coherence", "sharpness_ratio")
_NAMES = {"psnr": "PSNR", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "nrmse": "NRMSE"}
_BEST = {"high": "more is better", "low": "less is better", "one": "1 is best"}
_MINUS = "\N{MINUS SIGN}"

Record = Mapping[str, Any]


def compose_comparison(
    records: Sequence[Record],
    summary: Record,
    *,
    examples: Sequence[Example],
    panels: Sequence[ProfilePanel],
    provenance: Provenance,
) -> Page:
    """Lay out the report.

    Parameters
    ----------
    records : sequence of mapping
        One for each image, as ``focusfix score --format json`` prints them, numbers as they are.
    summary : mapping
        Means over all planes of all images, in the same form.
    examples : sequence of Example
        Planes in pictures.
    panels : sequence of ProfilePanel
        Profiles, if any.
    provenance : Provenance
        What was done to which files.

    Returns
    -------
    Page
    """
    scores = summary["scores"]
    counts = f"{_count(summary['planes'], 'plane')} of {_count(summary['files'], 'file')}"
    ranges = " or ".join(sorted({f"{each['data_range']:,g}" for each in records}))
    name = records[0]["output"] if len(records) == 1 else f"{len(records)} images"
    n_planes = summary["planes"]
    how = f"{_CHOSEN if len(examples) < n_planes else ''}{_EXAMPLES}"
    sections = [
        Section(
            "Scores",
            "Means over all planes. A positive gain is better for every measure."
            if _has_input(scores)
            else "Means over all planes. Without --input the gain over doing nothing is not known.",
            tables=[_score_table(scores)],
            note=_left_out(summary),
        ),
        *_distances(summary),
        *_stack(records),
        *([Section("Pictures", how, examples=examples)] if examples else []),
        *profile_sections(panels),
        *([Section("Every plane", tables=[_plane_table(records)])] if n_planes > 1 else []),
        provenance_section(provenance),
    ]
    return Page(
        title=f"{name} against the truth",
        subtitle=f"{counts}, data range {ranges}",
        verdict=_verdict(records, scores),
        cards=[_card(MEASURES[each], scores) for each in _CHARTED],
        sections=sections,
    )


_CHOSEN = "Of many planes three are shown, chosen by their scores and not by their looks. "
_EXAMPLES = (
    "Black and white are the same grey values in all images of a plane, and the enlarged part is "
    "where the reference has the most detail."
)


def _verdict(records: Sequence[Record], scores: Mapping[str, float]) -> str:
    if not _has_input(scores):
        return f"PSNR {_number(scores['psnr'], 2)} dB, SSIM {_number(scores['ssim'], 4)}."
    gains = [plane["scores"]["psnr_gain"] for each in records for plane in each["planes"]]
    better, worse = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    change = _number(scores["psnr_gain"], 2, sign="+")
    if len(gains) == 1:
        return f"PSNR changes by {change} dB over doing nothing."
    return (
        f"PSNR changes by {change} dB over doing nothing on average: "
        f"{better} of {_count(len(gains), 'plane')} gained, {worse} lost."
    )


def _card(measure: Measure, scores: Mapping[str, float]) -> Card:
    value = _number(scores[measure.name], measure.digits)
    unit = f" {measure.unit}" if measure.unit and value != _NOTHING else ""
    gain = scores.get(f"{measure.name}_gain", math.nan)
    if math.isnan(gain):
        return Card(measure_title(measure.name), f"{value}{unit}", _BEST[measure.best])
    text = _number(gain, measure.digits, sign="+")
    mood = "better" if gain > 0 else "worse" if gain < 0 else ""
    return Card(
        measure_title(measure.name), f"{value}{unit}", f"{text}{unit} over doing nothing", mood
    )


def _score_table(scores: Mapping[str, float]) -> Table:
    with_input = _has_input(scores)
    rows = []
    for measure in (each for each in MEASURES.values() if each.name in scores):
        title = (
            f"{measure_title(measure.name)} ({measure.unit})"
            if measure.unit
            else measure_title(measure.name)
        )
        before, after, gain = (
            scores.get(f"{measure.name}{end}", math.nan) for end in ("_input", "", "_gain")
        )
        cells = [title, _BEST[measure.best]]
        if with_input:
            cells.append(_number(before, measure.digits))
        cells.append(_number(after, measure.digits))
        if with_input:
            cells.append(_number(gain, measure.digits, sign="+"))
        rows.append(cells)
    titles = ["measure", "", "input", "output", "gain"]
    return Table(
        titles if with_input else ["measure", "", "output"],
        rows,
        signed=(4,) if with_input else (),
        text_columns=2,
        hints=True,
    )


def _distances(summary: Record) -> list[Section]:
    groups = summary["by_distance"]
    if not groups:
        return []
    places = [group["dz_um"] for group in groups]
    charts = [
        _chart(name, "distance from focus (\N{MICRO SIGN}m)", places, groups)
        for name in _CHARTED
        if len(groups) > 1 and _known(groups, name)
    ]
    table = _rows_table(
        ["distance (\N{MICRO SIGN}m)", "planes"],
        [[f"{each['dz_um']:+g}", str(each["planes"])] for each in groups],
        [each["scores"] for each in groups],
        _CHARTED,
    )
    return [Section("By distance from focus", charts=charts, tables=[table])]


def _stack(records: Sequence[Record]) -> list[Section]:
    """Chart the planes of a single stack whose distances are not known."""
    planes = records[0]["planes"]
    along = [plane["plane"].get("Z") for plane in planes]
    single = len(records) == 1 and len(set(along)) == len(planes) > 2
    if not single or None in along or records[0]["by_distance"]:
        return []
    charts = [_chart(name, "z level", along, planes) for name in _CHARTED if _known(planes, name)]
    return [Section("Plane by plane", charts=charts)]


def _chart(name: str, x_label: str, places: Sequence[float], groups: Sequence[Record]) -> str:
    measure = MEASURES[name]
    label = f"{measure_title(name)} ({measure.unit})" if measure.unit else measure_title(name)
    series = [
        Series(role, [group["scores"][f"{name}{end}"] for group in groups])
        for role, end in (("input", "_input"), ("output", ""))
        if f"{name}{end}" in groups[0]["scores"]
    ]
    figure = draw_chart(Chart(x_label, label, places, series), PAGE)
    return inline_svg(figure, f"chart-{name}", f"{label} against {x_label}")


def _plane_table(records: Sequence[Record]) -> Table:
    planes = [(each, plane) for each in records for plane in each["planes"]]
    with_distance = any(plane["dz_um"] is not None for _, plane in planes)
    labels = []
    for record, plane in planes:
        coordinates = " ".join(f"{axis}={index}" for axis, index in plane["plane"].items())
        distance = "" if plane["dz_um"] is None else f"{plane['dz_um']:+g}"
        labels.append(
            [Path(record["output"]).name, coordinates, *([distance] if with_distance else [])]
        )
    titles = ["image", "plane", *(["distance (\N{MICRO SIGN}m)"] if with_distance else [])]
    table = _rows_table(titles, labels, [plane["scores"] for _, plane in planes], MEASURES)
    return replace(table, text_columns=2, folded=_count(len(planes), "row"))


def _rows_table(
    titles: Sequence[str],
    labels: Sequence[Sequence[str]],
    scores: Sequence[Mapping[str, float]],
    names: Iterable[str],
) -> Table:
    """Lay out rows with a column for each measure, and one for its gain."""
    columns = [
        (measure, end)
        for measure in map(MEASURES.__getitem__, names)
        for end in ("", "_gain")
        if f"{measure.name}{end}" in scores[0]
    ]
    heads = ["gain" if end else measure_title(measure.name) for measure, end in columns]
    rows = [
        [
            *label,
            *(
                _number(row[f"{measure.name}{end}"], measure.digits, sign="+" if end else "")
                for measure, end in columns
            ),
        ]
        for label, row in zip(labels, scores, strict=True)
    ]
    signed = [len(titles) + at for at, (_, end) in enumerate(columns) if end]
    return Table([*titles, *heads], rows, signed)


def _known(groups: Sequence[Record], name: str) -> bool:
    return any(math.isfinite(group["scores"][name]) for group in groups)


def _has_input(scores: Mapping[str, float]) -> bool:
    return "psnr_gain" in scores


def _left_out(averages: Record) -> str:
    left_out = ", ".join(
        f"{measure_title(name)} of {_count(count, 'plane')}"
        for name, count in averages["left_out"].items()
        if name in MEASURES
    )
    return f"Infinite or not defined, and not in the means: {left_out}." if left_out else ""


def measure_title(measure: str) -> str:
    """Name a measure as people write it."""
    return _NAMES.get(measure, measure.replace("_", " "))


_NOTHING = "-"


def _number(value: float, digits: int, *, sign: str = "") -> str:
    return _NOTHING if math.isnan(value) else f"{value:{sign}.{digits}f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
