"""Table 2 of Mazilu et al.: synthesising blur, and deblurring from two levels.

`python benchmarks/papers/line_table_2.py --data PLATE` measures, on one scale for each field and on
the paper's, which stretches every image to its own full range before the model sees it:

- the reconstruction of every level, which caps all else in models without shortcuts;
- the synthesis of every level from the two ends, against reconstructions and against the images,
  with and without the ends themselves, which are given;
- the image in focus from the blurriest level and each of the others.

Models see whole fields, continued by reflection for 64 pixels. Doing nothing takes the sharper
input for the result; the line of pixels mixes, or continues, the images themselves. Weights that
deblur one image are a row of their own. What was measured is kept below the runs' folder, in
measured/; remove that to measure again.
"""

import argparse
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from scored_models import (
    CROP_PX,
    PixelLine,
    ScoredModel,
    markdown,
    parser_of,
    read_fields,
    read_models,
    write_csv,
    write_markdown,
)

from focusfix.footprint import Footprint
from focusfix.metrics.ladder import (
    DEBLURRING,
    MODEL,
    NOTHING,
    RECONSTRUCTION,
    SYNTHESIS,
    Comparison,
    Ladder,
    Made,
    Summary,
    compare,
    run_padded,
    summarise,
)
from focusfix.metrics.latent_space import PIXELS, SYNTHESIS_OF_CODES, make_images
from focusfix.models.base import LatentLineModel

if TYPE_CHECKING:
    from focusfix.models.base import Restorer

MODELS = (
    "linear-ae-baseline",
    "linear-ae-indirect",
    "linear-ae-direct",
    "latent-line",
    "fluorescence",
)
COLUMNS = (
    "scale", "part", "model", "steps", "task", "distance_um", "images", "psnr_db",
    "pooled_psnr_db", "ssim",
)  # fmt: skip
SYNTHESIS_TITLES = (
    "model", "reconstruction", "synthesis against reconstructions: with ends, pooled",
    "without ends", "synthesis against images: with ends, pooled", "without ends", "SSIM",
)  # fmt: skip
TITLES = {"field": "One scale for each field", "stretched": "Every image stretched"}
MIDDLE, WHOLE = "middle 128 pixels", "whole fields"
MARGIN_PX = 64
Rows = list[Comparison]


def score(made: Iterable[Made], ladder: Ladder) -> dict[str, Rows]:
    """Compare what was made of a field: whole, and its middle, where SSIM is measured as well."""
    images = list(made)
    y, x = ((size - CROP_PX) // 2 for size in ladder.images.shape[1:])
    window = (slice(y, y + CROP_PX), slice(x, x + CROP_PX))
    middles = [m._replace(image=m.image[window], reference=m.reference[window]) for m in images]
    whole = compare(ladder, images, with_ssim=False)
    return {MIDDLE: compare(ladder, middles), WHOLE: whole}


def make(network: "Restorer", ladder: Ladder) -> Iterator[Made]:
    """Let a model do its tasks on one field; networks for one image deblur every level."""
    stride = network.footprint.stride_px
    seen = Footprint(reach_px=MARGIN_PX, stride_px=stride)
    if isinstance(network, LatentLineModel):
        made = make_images(network, ladder, footprint=seen)
        yield from (each for each in made if each.method == MODEL)
        return
    for place in range(1, len(ladder.levels) - 1):
        restored = run_padded(seen, network, ladder.images[place])
        yield Made(DEBLURRING, MODEL, place, restored, ladder.images[-1])


def score_all(
    models: Sequence[ScoredModel], ladders: Sequence[Ladder], kept: Path
) -> dict[str, dict[tuple[str, int], Rows]]:
    """Score methods without a model and all models; by part of the field, name and steps."""
    found: dict[str, dict[tuple[str, int], Rows]] = {MIDDLE: {}, WHOLE: {}}
    for ladder in ladders:
        simple = list(make_images(PixelLine(), ladder))
        for method in (NOTHING, PIXELS):
            add(found, (method, 0), score((m for m in simple if m.method == method), ladder))
    for model in models:
        for number, ladder in enumerate(ladders):
            place = kept / f"{model.name}_{model.steps}_{number}.json"
            add(found, (model.name, model.steps), score_once(place, model, ladder))
        print(f"measured {model.name}", flush=True)
    return found


def score_once(place: Path, model: ScoredModel, ladder: Ladder) -> dict[str, Rows]:
    """Score one model on one field, or read what was measured before a command was stopped."""
    if place.exists():
        stored = json.loads(place.read_text(encoding="utf-8"))
        return {part: [Comparison(**row) for row in rows] for part, rows in stored.items()}
    found = score(make(model.network, ladder), ladder)
    place.parent.mkdir(parents=True, exist_ok=True)
    plain = {part: [asdict(row) for row in rows] for part, rows in found.items()}
    place.write_text(json.dumps(plain), encoding="utf-8")
    return found


def add(
    found: dict[str, dict[tuple[str, int], Rows]], name: tuple[str, int], rows: dict[str, Rows]
) -> None:
    """Add the rows of one field."""
    for part, each in rows.items():
        found[part].setdefault(name, []).extend(each)


def pick(rows: Rows, task: str, *, ends: bool = True, level: float | None = None) -> Summary | None:
    """Average the rows of one task."""
    kept = [
        row
        for row in rows
        if row.task == task and (ends or not row.is_end) and (level is None or row.level == level)
    ]
    return summarise(kept) if kept else None


def synthesis_row(name: str, rows: Rows) -> list[object] | None:
    """Lay out what a model reconstructs and synthesises."""
    made = pick(rows, SYNTHESIS, ends=False)
    if made is None:
        return None
    rebuilt, codes = pick(rows, RECONSTRUCTION), pick(rows, SYNTHESIS_OF_CODES, ends=False)
    with_ends, codes_with = pick(rows, SYNTHESIS), pick(rows, SYNTHESIS_OF_CODES)
    return [
        name,
        rebuilt.psnr_db if rebuilt else None,
        codes_with.pooled_psnr_db if codes_with else None,
        codes.psnr_db if codes else None,
        with_ends.pooled_psnr_db if with_ends else None,
        made.psnr_db,
        ssim_cell(made),
    ]


def deblurring_row(name: str, rows: Rows, levels: Sequence[float]) -> list[object]:
    """Lay out what a model makes of each level, the mean, and the pooled PSNR."""
    each = [pick(rows, DEBLURRING, level=level) for level in levels]
    whole = pick(rows, DEBLURRING)
    assert whole is not None
    mean = [whole.psnr_db, whole.pooled_psnr_db, ssim_cell(whole)]
    return [name, *(found.psnr_db if found else None for found in each), *mean]


def ssim_cell(made: Summary) -> str | None:
    """Write an SSIM; nothing where it was not measured."""
    return None if math.isnan(made.ssim) else f"{made.ssim:.4f}"


def csv_rows(scale: str, part: str, name: str, steps: int, rows: Rows) -> list[list[object]]:
    """List every figure: each task at each level, and over all of them."""
    found: list[list[object]] = []
    for task in dict.fromkeys(row.task for row in rows):
        for level in [*sorted({r.level for r in rows if r.task == task}), None]:
            made = pick(rows, task, level=level)
            assert made is not None
            label = "all" if level is None else f"{-level:g}"
            found.append(
                [scale, part, name, steps, task, label, made.n_images, made.psnr_db,
                 made.pooled_psnr_db, made.ssim]
            )  # fmt: skip
        if task in (SYNTHESIS, SYNTHESIS_OF_CODES):
            made = pick(rows, task, ends=False)
            assert made is not None
            found.append(
                [scale, part, name, steps, task, "all but ends", made.n_images, made.psnr_db,
                 made.pooled_psnr_db, made.ssim]
            )  # fmt: skip
    return found


def main() -> None:
    """Parse the command line and write the tables."""
    parser = parser_of(__doc__, MODELS)
    parser.add_argument("--name", default="line_table_2", help="of the files")
    options = parser.parse_args()
    models = list(read_models(options))
    fields = read_fields(options, models)
    write_tables(options, models, fields)


def write_tables(
    options: argparse.Namespace, models: Sequence[ScoredModel], fields: Sequence[Ladder]
) -> None:
    """Measure everything, write the CSV and the Markdown tables."""
    scales = {"field": list(fields), "stretched": [each.stretched() for each in fields]}
    figures: list[list[object]] = []
    tables = []
    levels = fields[0].levels[1:-1]
    kept = options.runs / "measured" / options.name
    for scale, ladders in scales.items():
        for part, scored in score_all(models, ladders, kept / scale).items():
            for (name, steps), rows in scored.items():
                figures += csv_rows(scale, part, name, steps, rows)
            made = [synthesis_row(name, rows) for (name, _), rows in scored.items()]
            shown = [deblurring_row(n, rows, levels) for (n, _), rows in scored.items()]
            titles = ("method", *(f"{-level:g} µm" for level in levels), "mean", "pooled", "SSIM")
            tables += [
                f"**{TITLES[scale]}, {part}: synthesis (dB)**",
                markdown(SYNTHESIS_TITLES, [row for row in made if row]),
                f"**{TITLES[scale]}, {part}: deblurring, by distance of the sharper input (dB)**",
                markdown(titles, shown),
            ]
    write_csv(options.output / f"{options.name}.csv", COLUMNS, figures)
    steps = ", ".join(f"{model.name} {model.steps}" for model in models)
    facts = (
        f"{len(fields)} test fields of channel {options.channel}; blurriest level "
        f"{-fields[0].levels[0]:g} µm from focus. Steps trained: {steps}."
    )
    command = "benchmarks/papers/line_table_2.py"
    write_markdown(options.output / f"{options.name}.md", command, facts, tables)


if __name__ == "__main__":
    main()
