"""The report of weights that were scored on focal series."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from focusfix.metrics.code_swapping import DONOR, FOCUS_CODE
from focusfix.metrics.ladder import DEBLURRING, MODEL, NOTHING, RECONSTRUCTION, SYNTHESIS
from focusfix.report.charts import Chart, Series, draw_chart
from focusfix.report.figures import PAGE, inline_svg
from focusfix.report.page import Card, Example, Page, Section, Table
from focusfix.report.provenance import Provenance, provenance_section

METHODS = (MODEL, FOCUS_CODE, DONOR)
"""Ways of a model to make an image; of those that it has, the first is shown."""

_MEASURES = (("psnr_db", "PSNR (dB)", 2), ("ssim", "SSIM", 4))
_UNITS = {"um": "\N{MICRO SIGN}m", "levels": "levels"}
_PATHS = (
    ("lds", "LDS", "more is better"),
    ("apd", "APD", "less is better"),
    ("lds_sq", "LDS of squares", "as the published code computes it"),
    ("apd_sq", "APD of squares", "as the published code computes it"),
)
_SCORES = (
    "Data range 1 on the intensity scale of each field; means over all distances. Deblurring "
    "leaves out images in focus, and synthesis the ends of each series, which are given."
)
_PICTURES = (
    "The field with the median error after deblurring, chosen by its score and not by its looks. "
    "Black and white are the same in all images of a row, and the enlarged part is where the truth "
    "has the most detail."
)
_CODES = "What the codes know of field and blur, without being asked for an image."
_NOTHING = "-"

Record = Mapping[str, Any]


def compose_model_page(
    record: Record,
    means: Mapping[str, float],
    *,
    facts: Sequence[tuple[str, str]],
    plots: Sequence[str],
    examples: Sequence[Example],
    provenance: Provenance,
) -> Page:
    """Lay out the report.

    Parameters
    ----------
    record : mapping
        As ``focusfix score --checkpoint --format json`` prints it, numbers as they are.
    means : mapping of str to float
        What ``--fail-under`` can check, over all channels; NaN where there is no such measure.
    facts : sequence of (str, str)
        What the weights say of themselves, and what they were measured on.
    plots : sequence of str
        Codes, as elements of the page.
    examples : sequence of Example
        One field in pictures.
    provenance : Provenance
        What was done to which files.

    Returns
    -------
    Page
    """
    count = len(record["fields"])
    fields = f"{count} field{'s'[: count != 1]} ({record['split']})"
    crop = f"the middle {record['crop_size']} px of " if record["crop_size"] else ""
    sections = [Section("What was measured", tables=[Table((), facts, text_columns=2)])]
    for number, channel in enumerate(record["channels"]):
        sections += _channel_sections(channel, number, _UNITS[record["distance_unit"]])
    sections += [Section("Codes", _CODES, charts=plots)] * bool(plots)
    sections += [Section("Pictures", _PICTURES, examples=examples)] * bool(examples)
    return Page(
        title=f"{record['model']} on focal series",
        subtitle=f"{record['checkpoint']}, {record['steps']:,} steps, on {crop}{fields}",
        verdict=_verdict(means),
        cards=_cards(means),
        sections=[*sections, provenance_section(provenance)],
    )


def _verdict(means: Mapping[str, float]) -> str:
    gain = means["psnr_gain"]
    if not math.isfinite(gain):
        return "There is nothing to deblur in these data."
    sharper = "better" if gain > 0 else "worse"
    return f"Deblurring changes PSNR by {gain:+.2f} dB: {sharper} than doing nothing."


def _cards(means: Mapping[str, float]) -> list[Card]:
    cards = []
    for name, title, unit, digits in (("psnr", "PSNR", " dB", 2), ("ssim", "SSIM", "", 4)):
        gain = means[f"{name}_gain"]
        if math.isfinite(gain):
            mood = "better" if gain > 0 else "worse" if gain < 0 else ""
            note = f"{gain:+.{digits}f}{unit} over doing nothing"
            cards.append(Card(f"{title} deblurred", f"{means[name]:.{digits}f}{unit}", note, mood))
    for name, title, unit, digits, note in (
        ("reconstruction_psnr", "PSNR reconstructed", " dB", 2, "more is better"),
        ("synthesis_psnr", "PSNR synthesised", " dB", 2, "more is better"),
        ("lds", "LDS", "", 3, "more is better"),
        ("ml_vae_score", "ML-VAE score", "", 3, "of the MLP; more is better"),
    ):
        if not math.isnan(means[name]):
            cards.append(Card(title, f"{means[name]:.{digits}f}{unit}", note))
    return cards


def _channel_sections(channel: Record, number: int, unit: str) -> list[Section]:
    rows = channel["rows"]
    ending = f" of {channel['channel']}" if channel["channel"] else ""
    means = [row for row in rows if row["distance"] is None]
    tables = [_score_table(means, rows, ""), *_code_tables(channel)]
    charts = [
        chart
        for task in (DEBLURRING, SYNTHESIS, RECONSTRUCTION)
        for chart in _charts(rows, task, f"channel{number}", unit)
    ]
    distances = [row for row in rows if row["distance"] is not None]
    return [
        Section(f"Scores{ending}", _SCORES, tables=tables),
        Section(
            f"By distance from focus{ending}",
            "Of deblurring, the distance is that of the (sharper) image that was given. The input "
            "is what doing nothing leaves.",
            charts=charts,
            tables=[_score_table(distances, rows, unit)],
        ),
    ]


def _score_table(shown: Sequence[Record], rows: Sequence[Record], unit: str) -> Table:
    """Lay out the rows of methods, doing nothing beside each; with a unit, with distances."""
    nothing = {(r["task"], r["distance"]): r for r in rows if r["method"] == NOTHING}
    titles = ["task", "method", *([f"distance ({unit})"] if unit else []), "images"]
    first = len(titles)
    cells = []
    for row in shown:
        if row["method"] == NOTHING:
            continue
        untouched = nothing.get((row["task"], row["distance"]), {})
        distance = [f"{row['distance']:g}"] if unit else []
        line = [row["task"], row["method"], *distance, str(row["images"])]
        for key, _, digits in _MEASURES:
            before, after = untouched.get(key, math.nan), row[key]
            gain = after - before
            line += [
                _number(before, digits),
                _number(after, digits),
                _number(gain, digits, "+") if math.isfinite(gain) else _NOTHING,
            ]
        cells.append(line)
    for _, title, _ in _MEASURES:
        titles += [f"{title} of input", "of method", "gain"]
    folded = f"{len(cells)} rows" if unit else ""
    return Table(titles, cells, signed=(first + 2, first + 5), text_columns=2, folded=folded)


def _code_tables(channel: Record) -> list[Table]:
    tables = []
    paths = channel["paths"]
    if paths:
        rows = [(title, hint, f"{paths[key]:.4f}") for key, title, hint in _PATHS]
        tables.append(Table(("codes", "", "value"), rows, text_columns=2, hints=True))
    if channel["probes"]:
        keys = ("ml_vae_score", "identity_accuracy", "blur_accuracy", "chance")
        rows = [
            (kind, *(f"{probe[key]:.3f}" for key in keys))
            for kind, probe in channel["probes"].items()
        ]
        titles = ("classifier", "ML-VAE score", "from identity code", "from blur code", "chance")
        tables.append(Table(titles, rows))
    return tables


def _charts(rows: Sequence[Record], task: str, prefix: str, unit: str) -> list[str]:
    """Draw the measures of one task against the distance, where there are two or more."""
    by_method: dict[str, dict[float, Record]] = {}
    for row in rows:
        if row["task"] == task and row["distance"] is not None:
            by_method.setdefault(row["method"], {})[row["distance"]] = row
    method = next((each for each in METHODS if each in by_method), None)
    if method is None or len(by_method[method]) < 2:
        return []
    places = sorted(by_method[method])
    charts = []
    for key, title, _ in _MEASURES:
        series = [
            Series(role, [by_method[name].get(at, {}).get(key, math.nan) for at in places])
            for role, name in (("input", NOTHING), ("model", method))
            if name in by_method
        ]
        x_label, y_label = f"distance from focus ({unit})", f"{task}: {title}"
        figure = draw_chart(Chart(x_label, y_label, places, series), PAGE)
        charts.append(inline_svg(figure, f"{prefix}-{task}-{key}", f"{y_label} against {x_label}"))
    return charts


def _number(value: float, digits: int, sign: str = "") -> str:
    return _NOTHING if math.isnan(value) else f"{value:{sign}.{digits}f}"
