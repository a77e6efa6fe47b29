"""The report of ``focusfix score``: which planes are shown, and what they were made from."""

import json
import math
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.cli.console import Console
from focusfix.cli.files import Record
from focusfix.cli.image_pairs import match_planes, read_intensities
from focusfix.cli.score_options import ScoreFormat, ScoreOptions
from focusfix.cli.score_tables import plane_label
from focusfix.cli.sidecar import check_folder, sidecar_path
from focusfix.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.report.page import Example, Page
    from focusfix.report.profiles import ProfilePanel
    from focusfix.report.provenance import Provenance

_ALL_UP_TO = 4
_MOST_IMAGES = 8
_SUFFIXES = (".html", ".htm")
_SHOWN_SCORES = ("psnr", "ssim", "band_coherence")


class WithoutResults(Console):
    """The same streams, on which results are not printed one by one."""

    def result(self, text: str) -> None:
        """Print nothing."""


def console_for(options: ScoreOptions, console: Console) -> Console:
    """Keep stdout free for a page, if one is to be printed there."""
    return WithoutResults(**vars(console)) if options.format == ScoreFormat.HTML else console


def check_report(options: ScoreOptions) -> None:
    """Refuse a report that cannot be written, before any work.

    Raises
    ------
    UsageError
        If its name does not end in .html, or a page would be printed on a terminal.
    OutputError
        If its folder does not exist.
    """
    if options.report is not None:
        if options.report.suffix.lower() not in _SUFFIXES:
            raise UsageError(
                f"--report writes an HTML page, not {options.report.name}.",
                f"Give a name such as {options.report.stem or 'score'}.html; --format json or csv "
                "prints numbers.",
            )
        check_folder(options.report)
    if options.format == ScoreFormat.HTML and sys.stdout.isatty():
        raise UsageError(
            "--format html prints a whole page, which a terminal does not show.",
            "Give --report FILE.html, or redirect the output: > FILE.html.",
        )


def write_report(options: ScoreOptions, console: Console, compose: "Callable[[], Page]") -> None:
    """Make the page if it is wanted, and write or print it.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    to_stdout = options.format == ScoreFormat.HTML
    if options.report is None and not to_stdout:
        return
    from focusfix.report.page import render_page, save_page

    page = compose()
    if to_stdout:
        console.result(render_page(page))
    if options.report is not None:
        save_page(page, options.report)
        console.note(f"report: {options.report}")


def compose_comparisons(
    records: Sequence[Record],
    summary: Record,
    panels: "Sequence[ProfilePanel]",
    options: ScoreOptions,
) -> "Page":
    """Lay out the report of images with references.

    Parameters
    ----------
    records : sequence of dict
        One for each image that was scored; at least one.
    summary : dict
        Means over all of them.
    panels : sequence of ProfilePanel
        Profiles, if any.
    options : ScoreOptions
        As the user gave them.

    Returns
    -------
    Page
    """
    from focusfix.report.comparison_page import compose_comparison

    examples = [
        _show_plane(why, record, number, options) for why, record, number in choose_planes(records)
    ]
    facts = [
        ("data range", f"{each['data_range']:g}, {each['data_range_from']}") for each in records
    ]
    facts += [("affine fit", "yes, one gain and offset for each plane")] * options.affine_fit
    return compose_comparison(
        records,
        summary,
        examples=examples,
        panels=panels,
        provenance=_provenance(records, ("output", "input", "reference", "trust_map"), facts),
    )


def compose_inspections(
    records: Sequence[Record],
    panels: "Sequence[ProfilePanel]",
    maps: "Mapping[Path, Sequence[np.ndarray]]",
    options: ScoreOptions,
) -> "Page":
    """Lay out the report of images without references.

    Parameters
    ----------
    records : sequence of dict
        One for each image that was scored; at least one.
    panels : sequence of ProfilePanel
        Profiles, if any.
    maps : mapping of Path to sequence of ndarray
        Distance from focus and its error for the planes of images, where they were measured.
    options : ScoreOptions
        As the user gave them.

    Returns
    -------
    Page
    """
    from focusfix.report.examples import compose_example
    from focusfix.report.inspection_page import compose_inspection

    examples = []
    for record in records[:_MOST_IMAGES]:
        sharpest = [n for n, plane in enumerate(record["planes"]) if plane["sharpest"]]
        for number in sharpest or [0]:
            plane = record["planes"][number]
            title = f"{Path(record['input']).name} {plane_label(plane['plane'])}".strip()
            path = Path(record["input"])
            image = _read_plane(path, number, options.axes)
            distance = tuple(maps[path][number]) if path in maps else None
            examples.append(compose_example(title, "", {"image": image}, distance=distance))
    facts = [("pixel size", _pixel_size(each)) for each in records]
    return compose_inspection(
        records,
        examples=examples,
        panels=panels,
        provenance=_provenance(records, ("input", "repeat"), facts),
    )


def choose_planes(records: Sequence[Record]) -> list[tuple[str, Record, int]]:
    """Choose the planes that are shown: all of a few; of many the worst, the median and the best.

    Parameters
    ----------
    records : sequence of dict
        One for each image, with ``planes``.

    Returns
    -------
    list of (str, dict, int)
        Why it is shown, the record, and the number of the plane. Ranked by the gain in PSNR over
        the input, without one by the PSNR.
    """
    planes = [(record, number) for record in records for number in range(len(record["planes"]))]
    if len(planes) <= _ALL_UP_TO:
        return [("", *each) for each in planes]
    scores = planes[0][0]["planes"][0]["scores"]
    name, what = ("psnr_gain", "PSNR gain") if "psnr_gain" in scores else ("psnr", "PSNR")
    ranked = sorted(planes, key=lambda each: float(each[0]["planes"][each[1]]["scores"][name]))
    places = (("lowest", 0), ("median", len(ranked) // 2), ("highest", len(ranked) - 1))
    return [(f"{title} {what}: ", *ranked[at]) for title, at in places]


def _show_plane(why: str, record: Record, number: int, options: ScoreOptions) -> "Example":
    from focusfix.report.examples import compose_example

    plane = record["planes"][number]
    images = _read_planes(record, number, options.axes)
    trust = images.pop("trust_map", None)
    parts = [Path(record["output"]).name, plane_label(plane["plane"])]
    distance = plane["dz_um"]
    parts += [] if distance is None else [f"{distance:+g} \N{MICRO SIGN}m from focus"]
    return compose_example(
        why + ", ".join(part for part in parts if part),
        _scores_line(plane["scores"]),
        images,
        trust=trust,
    )


def _scores_line(scores: Record) -> str:
    from focusfix.metrics.scorecard import MEASURES
    from focusfix.report.comparison_page import measure_title

    texts = []
    for name in _SHOWN_SCORES:
        digits, gain = MEASURES[name].digits, scores.get(f"{name}_gain")
        change = "" if gain is None or math.isnan(gain) else f" ({gain:+.{digits}f})"
        if not math.isnan(scores[name]):
            texts.append(f"{measure_title(name)} {scores[name]:.{digits}f}{change}")
    return ", ".join(texts)


def _read_planes(record: Record, number: int, axes: str | None) -> "dict[str, np.ndarray]":
    """Read one plane of an image, its input and its reference once more."""
    from focusfix.io.image import open_image

    roles = [role for role in ("input", "output", "reference", "trust_map") if record[role]]
    with ExitStack() as files:
        readers = {
            role: files.enter_context(open_image(Path(record[role]), axes=axes)) for role in roles
        }
        image = readers["output"]
        return {
            role: read_intensities(reader, match_planes(image, reader)[number])
            for role, reader in readers.items()
        }


def _read_plane(path: Path, number: int, axes: str | None) -> "np.ndarray":
    from focusfix.io.image import open_image

    with open_image(path, axes=axes) as image:
        return read_intensities(image, image.metadata.planes[number].position)


def _pixel_size(record: Record) -> str:
    size = record["pixel_size_um"]
    return f"{size:g} \N{MICRO SIGN}m" if size else "not known, or not square"


def _provenance(
    records: Sequence[Record], roles: Sequence[str], facts: Sequence[tuple[str, str]]
) -> "Provenance":
    files = [Path(record[role]) for record in records for role in roles if record[role]]
    made_by = dict.fromkeys(fact for path in files for fact in _made_by(path))
    return describe_run([*dict.fromkeys(facts), *made_by], files)


def describe_run(facts: Sequence[tuple[str, str]], files: Sequence[Path]) -> "Provenance":
    """State the command and the time beside facts and files.

    Parameters
    ----------
    facts : sequence of (str, str)
        Settings, and where they come from.
    files : sequence of Path
        All files that were read.

    Returns
    -------
    Provenance
    """
    from focusfix.report.provenance import Provenance

    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    command = shlex.join(["focusfix", *sys.argv[1:]])
    return Provenance(command, now, facts, files)


def _made_by(path: Path) -> list[tuple[str, str]]:
    """Read from the sidecar of an output which model made it."""
    try:
        sidecar = json.loads(sidecar_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    models = sidecar.get("models", []) if isinstance(sidecar, dict) else []
    return [
        ("made with the model", f"{model.get('name')}, SHA-256 {model.get('sha256')}")
        for model in models
    ]
