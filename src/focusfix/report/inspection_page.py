"""The report of images that were measured without a reference."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from focusfix.report.charts import Chart, Series, draw_chart
from focusfix.report.figures import PAGE, inline_svg
from focusfix.report.page import Card, Example, Page, Section, Table
from focusfix.report.profiles import ProfilePanel, profile_sections
from focusfix.report.provenance import Provenance, provenance_section

_MICRO = "\N{MICRO SIGN}m"
_TITLES = (
    "image", "plane", "sharpness", f"resolution ({_MICRO})", "(px)", "noise", "at 0", "at top",
    f"|\N{GREEK CAPITAL LETTER DELTA}z| ({_MICRO})", "\N{PLUS-MINUS SIGN}", "",
)  # fmt: skip
_FOLD_ABOVE = 24

Record = Mapping[str, Any]


def compose_inspection(
    records: Sequence[Record],
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
    planes = [plane for record in records for plane in record["planes"]]
    name = records[0]["input"] if len(records) == 1 else f"{len(records)} images"
    curves = [chart for record in records for chart in _focus_curves(record)]
    sections = [
        *([Section("Focus", _FOCUS, charts=curves)] if curves else []),
        *([Section("Pictures", _PICTURES, examples=examples)] if examples else []),
        *profile_sections(panels),
        Section("Every plane", tables=[_plane_table(records)]),
        provenance_section(provenance),
    ]
    return Page(
        title=f"{name} without a reference",
        subtitle=f"planes: {len(planes)}, images: {len(records)}",
        verdict=_verdict(records),
        cards=_cards(planes),
        sections=sections,
    )


_FOCUS = "Sharpness of each z level; dotted where it is the highest."
_PICTURES = (
    "The sharpest plane of each stack. Black and white are the 0.1 and 99.9 percentiles of the "
    "plane; the enlarged part is where it has the most detail."
)


def _verdict(records: Sequence[Record]) -> str:
    best = [
        " ".join(f"{axis}={index}" for axis, index in plane.items())
        for record in records
        for plane in record["sharpest_planes"]
    ]
    if len(best) == 1:
        return f"The sharpest plane is {best[0]}."
    return "These numbers say nothing of whether detail is true; only a reference does."


def _cards(planes: Sequence[Record]) -> list[Card]:
    """Show the medians over planes, which a few bad ones do not change."""
    in_um = any(math.isfinite(plane["resolution_um"]) for plane in planes)
    resolution = ("resolution_um", f" {_MICRO}") if in_um else ("resolution_px", " px")
    cards = []
    measures = [("sharpness", ""), resolution, ("noise", "")]
    if any(math.isfinite(plane["dz_abs_um"]) for plane in planes):
        measures.append(("dz_abs_um", f" {_MICRO}"))
    for name, unit in measures:
        values = sorted(each[name] for each in planes if math.isfinite(each[name]))
        note = f"median; {values[0]:.3g} to {values[-1]:.3g}" if len(values) > 1 else ""
        value = f"{values[len(values) // 2]:.3g}{unit}" if values else "-"
        title = "from focus" if name == "dz_abs_um" else name.partition("_")[0]
        cards.append(Card(title, value, note))
    return cards


def _focus_curves(record: Record) -> list[str]:
    """Draw the sharpness along z for each channel and time of an image."""
    stacks: dict[str, list[Record]] = {}
    for plane in record["planes"]:
        others = [f"{axis}={at}" for axis, at in plane["plane"].items() if axis != "Z"]
        if "Z" in plane["plane"]:
            stacks.setdefault(" ".join(others), []).append(plane)
    charts = []
    for label, planes in stacks.items():
        if len(planes) < 3:
            continue
        levels = [plane["plane"]["Z"] for plane in planes]
        chart = Chart(
            f"z level {label}".strip(),
            "sharpness (cycles per pixel)",
            levels,
            [Series("image", [plane["sharpness"] for plane in planes])],
            [plane["plane"]["Z"] for plane in planes if plane["sharpest"]],
        )
        name = f"focus-{record['input']}-{label}"
        charts.append(inline_svg(draw_chart(chart, PAGE), _identifier(name), "Focus curve"))
    return charts


def _plane_table(records: Sequence[Record]) -> Table:
    rows = []
    for record in records:
        for plane in record["planes"]:
            label = " ".join(f"{axis}={index}" for axis, index in plane["plane"].items())
            least = "\N{LESS-THAN OR EQUAL TO} " if plane["resolution_at_limit"] else ""
            rows.append(
                [
                    Path(record["input"]).name,
                    label,
                    _number(plane["sharpness"], ".4f"),
                    _number(plane["resolution_um"], ".3f", least),
                    _number(plane["resolution_px"], ".1f", least),
                    _number(plane["noise"], ".4g"),
                    _number(plane["clipped_low"], ".2%"),
                    _number(plane["clipped_high"], ".2%"),
                    _number(plane["dz_abs_um"], ".2f"),
                    _number(plane["dz_abs_error_um"], ".2f"),
                    "sharpest" if plane["sharpest"] else "",
                ]
            )
    folded = f"{len(rows)} rows" if len(rows) > _FOLD_ABOVE else ""
    return Table(_TITLES, rows, text_columns=2, folded=folded)


def _identifier(text: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in text)


def _number(value: float, form: str, before: str = "") -> str:
    return "-" if math.isnan(value) else f"{before}{value:{form}}"
