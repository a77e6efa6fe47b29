"""Scores of weights as records, tables and CSV."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from focusfix.cli.tables import format_table

if TYPE_CHECKING:
    from focusfix.metrics.ladder import Comparison

Record = dict[str, Any]

CSV_TITLES = (
    "channel", "measure", "method", "distance", "images", "psnr_db", "pooled_psnr_db", "ssim",
    "value",
)  # fmt: skip

_NOTHING = "doing nothing"
_PATHS = {"lds": "LDS", "apd": "APD", "lds_sq": "LDS of squares", "apd_sq": "APD of squares"}


def field_rows(comparisons: "Iterable[Comparison]") -> list[Record]:
    """Average comparisons by task, method and distance, and over the distances.

    Parameters
    ----------
    comparisons : iterable of Comparison
        Of one channel.

    Returns
    -------
    list of dict
        ``task``, ``method``, ``distance`` (None for the mean), ``images``, ``psnr_db``,
        ``pooled_psnr_db`` and ``ssim``. The mean of a synthesis leaves out the ends of ladders,
        which are given; a task of its own includes them. That of deblurring leaves out images in
        focus.
    """
    from focusfix.metrics.ladder import summarise

    groups: dict[tuple[str, str, float | None], list[Comparison]] = {}
    for each in comparisons:
        groups.setdefault((each.task, each.method, abs(each.level)), []).append(each)
        if each.task.startswith("synthesis"):
            groups.setdefault((_with_ends(each.task), each.method, None), []).append(each)
        if not _is_given(each):
            groups.setdefault((each.task, each.method, None), []).append(each)
    rows = []
    for (task, method, distance), found in groups.items():
        made = summarise(found)
        rows.append(
            {
                "task": task,
                "method": method,
                "distance": distance,
                "images": made.n_images,
                "psnr_db": made.psnr_db,
                "pooled_psnr_db": made.pooled_psnr_db,
                "ssim": made.ssim,
            }
        )
    return sorted(rows, key=_order)


def _is_given(each: "Comparison") -> bool:
    """Tell whether an image needs nothing done: an end of a ladder, or one in focus."""
    if each.task.startswith("synthesis"):
        return each.is_end
    return each.task == "deblurring" and each.level == 0


def _with_ends(task: str) -> str:
    return f"{task}, ends included"


def _order(row: Record) -> tuple[Any, ...]:
    distance = math.inf if row["distance"] is None else row["distance"]
    return row["task"], row["method"] == _NOTHING, row["method"], distance


def heading(record: Record) -> str:
    """Say what was scored, and on which scale."""
    fields = len(record["fields"])
    where = f"middle {record['crop_size']} px of " if record["crop_size"] else ""
    return (
        f"{record['checkpoint']} ({record['model']}, {record['steps']} steps)\n"
        f"{where}{fields} field{'s'[: fields != 1]} ({record['split']}); data range 1 on the "
        "scale of each field"
    )


def score_lines(channel: Record, unit: str) -> str:
    """Lay out the scores of one channel.

    Parameters
    ----------
    channel : dict
        With ``rows`` of :func:`field_rows`, ``paths`` or None, and ``probes``, which may be empty.
    unit : str
        Of the distances.

    Returns
    -------
    str
        Lines.
    """
    rows = channel["rows"]
    nothing = {(r["task"], r["distance"]): r for r in rows if r["method"] == _NOTHING}
    cells = []
    for row in rows:
        untouched = nothing.get((row["task"], row["distance"]))
        if row["method"] == _NOTHING:
            continue
        distance = "mean" if row["distance"] is None else f"{row['distance']:g} {unit}"
        cells.append(
            (row["task"], row["method"], distance, row["images"], *_measures(row, untouched))
        )
    titles = ("task", "method", "distance", "images", "PSNR", "nothing", "gain", "SSIM", "nothing")
    lines = ["", f"channel {channel['channel']}".rstrip(), format_table(titles, cells)]
    if channel["paths"]:
        named = (f"{_PATHS[name]} {value:.4f}" for name, value in channel["paths"].items())
        lines += ["", ", ".join(named)]
    for kind, probe in channel["probes"].items():
        lines.append(
            f"ML-VAE score ({kind}) {probe['ml_vae_score']:.3f}: identity code "
            f"{probe['identity_accuracy']:.3f}, blur code {probe['blur_accuracy']:.3f}, "
            f"chance {probe['chance']:.3f}"
        )
    return "\n".join(lines)


def _measures(row: Record, untouched: Record | None) -> list[str | None]:
    psnr, ssim = row["psnr_db"], row["ssim"]
    shown = None if math.isnan(ssim) else f"{ssim:.4f}"
    if untouched is None:
        return [f"{psnr:.2f}", None, None, shown, None]
    before, ssim_before = untouched["psnr_db"], untouched["ssim"]
    gain = psnr - before
    return [
        f"{psnr:.2f}",
        f"{before:.2f}",
        f"{gain:+.2f}" if math.isfinite(gain) else None,
        shown,
        None if math.isnan(ssim_before) else f"{ssim_before:.4f}",
    ]


def csv_cells(channel: Record) -> list[list[object]]:
    """Make rows of one channel under ``CSV_TITLES``; measures of codes have only a value."""
    name = channel["channel"]
    rows: list[list[object]] = [
        [
            name,
            row["task"],
            row["method"],
            *(row[key] for key in ("distance", "images", "psnr_db", "pooled_psnr_db", "ssim")),
            None,
        ]
        for row in channel["rows"]
    ]
    rows += [[name, m, "model", *[None] * 5, v] for m, v in (channel["paths"] or {}).items()]
    for kind, probe in channel["probes"].items():
        rows += [[name, measure, kind, *[None] * 5, value] for measure, value in probe.items()]
    return rows


def mean_of(channels: Sequence[Record]) -> dict[str, float]:
    """Collect what ``--fail-under`` may check, averaged over the channels.

    Parameters
    ----------
    channels : sequence of dict
        Records of all channels.

    Returns
    -------
    dict of str to float
        NaN where the model has no such measure. Deblurring is that of the stored focus code where
        there are several ways.
    """
    each = [_headline(channel) for channel in channels]
    return {name: sum(one[name] for one in each) / len(each) for name in each[0]}


def _headline(channel: Record) -> dict[str, float]:
    rows = {(r["task"], r["method"]): r for r in channel["rows"] if r["distance"] is None}
    ways = [rows[key] for key in _DEBLURRED if key in rows]
    deblurred = ways[0] if ways else _NO_ROW
    nothing = rows.get(("deblurring", _NOTHING), _NO_ROW)
    mlp: Mapping[str, float] = channel["probes"].get("mlp", {})
    return {
        "psnr": deblurred["psnr_db"],
        "psnr_gain": deblurred["psnr_db"] - nothing["psnr_db"],
        "ssim": deblurred["ssim"],
        "ssim_gain": deblurred["ssim"] - nothing["ssim"],
        "reconstruction_psnr": rows.get(("reconstruction", "model"), _NO_ROW)["psnr_db"],
        "synthesis_psnr": rows.get(("synthesis", "model"), _NO_ROW)["psnr_db"],
        "lds": (channel["paths"] or {}).get("lds", math.nan),
        "ml_vae_score": mlp.get("ml_vae_score", math.nan),
    }


_NO_ROW = {"psnr_db": math.nan, "ssim": math.nan}
_DEBLURRED = (
    ("deblurring", "stored focus code"),
    ("deblurring", "model"),
    ("deblurring", "random in-focus donor"),
)
