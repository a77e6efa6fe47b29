"""Table 2 of Mazilu et al.: synthesising blur, and deblurring from two levels.

`python benchmarks/papers/line_table_2.py --data PLATE` measures, on one scale for each field and on
the paper's, which stretches every image to its own full range before the model sees it:

- the reconstruction of every level, which caps all else in models without shortcuts;
- the synthesis of every level from the two ends, against reconstructions and against the images,
  with and without the ends themselves, which are given;
- the image in focus from the blurriest level and each of the others.

Models see the middle 384 pixels of a field, of which the middle 128 are measured, the paper's
crop. Doing nothing takes the sharper input for the result; the line of pixels mixes, or continues,
the images themselves. Weights that deblur one image are a row of their own; weights that ship are
not made for stretched images and are left out there. What was measured is kept below the runs'
folder, in measured/; remove that to measure again.
"""

import argparse
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scored_models import (
    CROP_PX,
    PixelLine,
    ScoredModel,
    describe,
    markdown,
    measure_once,
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
from focusfix.models.line_model import LatentLineModel
from focusfix.training.remembered import remembered

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
    "scale", "model", "steps", "task", "distance", "images", "psnr_db",
    "pooled_psnr_db", "ssim",
)  # fmt: skip
SYNTHESIS_TITLES = (
    "model", "reconstruction", "synthesis against reconstructions: with ends, pooled",
    "without ends", "synthesis against images: with ends, pooled", "without ends", "SSIM",
)  # fmt: skip
TITLES = {"field": "One scale for each field", "stretched": "Every image stretched"}
SEEN_PX = 384
Rows = list[Comparison]


def score(made: Iterable[Made], ladder: Ladder) -> Rows:
    """Compare the middle of what was made of a field."""
    side = min(CROP_PX, *ladder.images.shape[1:])
    y, x = ((size - side) // 2 for size in ladder.images.shape[1:])
    window = (slice(y, y + side), slice(x, x + side))
    middles = (m._replace(image=m.image[window], reference=m.reference[window]) for m in made)
    return compare(ladder, middles)


def make(network: "Restorer", ladder: Ladder) -> Iterator[Made]:
    """Let a model do its tasks on one field; networks for one image deblur every level."""
    seen = Footprint(reach_px=0, stride_px=network.footprint.stride_px)
    if isinstance(network, LatentLineModel):
        with remembered(network):
            made = make_images(network, ladder, footprint=seen)
            yield from (each for each in made if each.method == MODEL)
        return
    for place in range(1, len(ladder.levels) - 1):
        restored = run_padded(seen, network, ladder.images[place])
        yield Made(DEBLURRING, MODEL, place, restored, ladder.images[-1])


def score_all(
    models: Sequence[ScoredModel], ladders: Sequence[Ladder], kept: Path
) -> dict[tuple[str, int], Rows]:
    """Score methods without a model and all models; by name and steps."""
    found: dict[tuple[str, int], Rows] = {}
    for ladder in ladders:
        simple = list(make_images(PixelLine(), ladder))
        for method in (NOTHING, PIXELS):
            rows = score((made for made in simple if made.method == method), ladder)
            found.setdefault((method, 0), []).extend(rows)
    for model in models:
        found[model.name, model.steps] = [
            row
            for number, ladder in enumerate(ladders)
            for row in measure_once(
                kept / f"{model.name}_{model.steps}_{number}.json",
                lambda ladder=ladder, model=model: score(make(model.network, ladder), ladder),
            )
        ]
        print(f"measured {model.name}", flush=True)
    return found


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


def csv_rows(scale: str, name: str, steps: int, rows: Rows) -> list[list[object]]:
    """List every figure: each task at each level, and over all of them."""
    found: list[list[object]] = []
    for task in dict.fromkeys(row.task for row in rows):
        for level in [*sorted({r.level for r in rows if r.task == task}), None]:
            made = pick(rows, task, level=level)
            assert made is not None
            label = "all" if level is None else f"{-level:g}"
            found.append(
                [scale, name, steps, task, label, made.n_images, made.psnr_db,
                 made.pooled_psnr_db, made.ssim]
            )  # fmt: skip
        if task in (SYNTHESIS, SYNTHESIS_OF_CODES):
            made = pick(rows, task, ends=False)
            assert made is not None
            found.append(
                [scale, name, steps, task, "all but ends", made.n_images, made.psnr_db,
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
    side = min(SEEN_PX, *(min(each.images.shape[1:]) for each in fields))
    scales = {
        "field": [each.middle(side) for each in fields],
        "stretched": [each.stretched().middle(side) for each in fields],
    }
    figures: list[list[object]] = []
    tables = []
    levels = fields[0].levels[1:-1]
    kept = options.runs / "measured" / options.name
    for scale, ladders in scales.items():
        asked = models if scale == "field" else [model for model in models if model.fields]
        scored = score_all(asked, ladders, kept / scale)
        for (name, steps), rows in scored.items():
            figures += csv_rows(scale, name, steps, rows)
        made = [synthesis_row(name, rows) for (name, _), rows in scored.items()]
        shown = [deblurring_row(name, rows, levels) for (name, _), rows in scored.items()]
        distances = [f"{-level:g} {options.unit}" for level in levels]
        titles = ("method", *distances, "mean", "pooled", "SSIM")
        tables += [
            f"**{TITLES[scale]}: synthesis (dB)**",
            markdown(SYNTHESIS_TITLES, [row for row in made if row]),
            f"**{TITLES[scale]}: deblurring, by distance of the sharper input (dB)**",
            markdown(titles, shown),
        ]
    write_csv(options.output / f"{options.name}.csv", COLUMNS, figures)
    steps = ", ".join(f"{model.name} {model.steps}" for model in models)
    facts = (
        f"{describe(options, len(fields))}; blurriest level {-fields[0].levels[0]:g} "
        f"{options.unit} from focus; middle {CROP_PX} pixels. Steps trained: {steps}."
    )
    command = "benchmarks/papers/line_table_2.py"
    write_markdown(options.output / f"{options.name}.md", command, facts, tables)


if __name__ == "__main__":
    main()
