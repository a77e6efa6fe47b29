"""Table 2 of Mazilu et al.: synthesising blur, and deblurring from two levels.

`python benchmarks/papers/line_table_2.py --data PLATE` measures, on one scale for each field and on
the paper's, which stretches every image to its own full range before the model sees it:

- the reconstruction of every level, which caps all else in models without shortcuts;
- the synthesis of every level from the two ends, against reconstructions and against the images,
  with and without the ends themselves, which are given;
- the image in focus from the blurriest level and each of the others.

Doing nothing takes the sharper input for the result; the line of pixels mixes, or continues, the
images themselves. Weights that deblur one image are a row of their own.
"""

import argparse
from collections.abc import Sequence

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

from focusfix.metrics.ladder import (
    DEBLURRING,
    MODEL,
    NOTHING,
    RECONSTRUCTION,
    SYNTHESIS,
    Comparison,
    Ladder,
    Summary,
    compare,
    summarise,
)
from focusfix.metrics.latent_space import PIXELS, SYNTHESIS_OF_CODES, make_images
from focusfix.training.evaluation import evaluate

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
Rows = list[Comparison]


def score_model(model: ScoredModel, ladders: Sequence[Ladder]) -> Rows:
    """Score one model; keep of deblurring only levels that line models deblur, too."""
    rows = evaluate(model.network, ladders, with_probes=False).comparisons
    ends = {ladders[0].levels[0], ladders[0].levels[-1]}
    return [r for r in rows if r.method == MODEL and (r.task != DEBLURRING or r.level not in ends)]


def score_baselines(ladders: Sequence[Ladder]) -> dict[str, Rows]:
    """Score doing nothing and the line of pixels."""
    rows = [row for each in ladders for row in compare(each, make_images(PixelLine(), each))]
    return {method: [row for row in rows if row.method == method] for method in (NOTHING, PIXELS)}


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
        f"{made.ssim:.4f}",
    ]


def deblurring_row(name: str, rows: Rows, levels: Sequence[float]) -> list[object]:
    """Lay out what a model makes of each level, the mean, and the pooled PSNR."""
    each = [pick(rows, DEBLURRING, level=level) for level in levels]
    whole = pick(rows, DEBLURRING)
    assert whole is not None
    mean = [whole.psnr_db, whole.pooled_psnr_db, f"{whole.ssim:.4f}"]
    return [name, *(found.psnr_db if found else None for found in each), *mean]


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
    parser.add_argument("--whole", action="store_true", help="measure whole fields, too")
    options = parser.parse_args()
    models = list(read_models(options))
    fields = read_fields(options, models)
    write_tables(options, models, fields)


def write_tables(
    options: argparse.Namespace, models: Sequence[ScoredModel], fields: Sequence[Ladder]
) -> None:
    """Measure everything, write the CSV and the Markdown tables."""
    stretched = [each.stretched() for each in fields]
    views = {
        ("field", "centre crop"): [each.middle(CROP_PX) for each in fields],
        ("stretched", "centre crop"): [each.middle(CROP_PX) for each in stretched],
    }
    if options.whole:
        views["field", "whole field"] = list(fields)
    figures: list[list[object]] = []
    tables = []
    levels = fields[0].levels[1:-1]
    for (scale, part), ladders in views.items():
        scored = {(name, 0): rows for name, rows in score_baselines(ladders).items()}
        for model in models:
            scored[model.name, model.steps] = score_model(model, ladders)
            print(f"{scale}, {part}: {model.name}", flush=True)
        for (name, steps), rows in scored.items():
            figures += csv_rows(scale, part, name, steps, rows)
        made = [synthesis_row(name, rows) for (name, _), rows in scored.items()]
        title = {"field": "One scale for each field", "stretched": "Every image stretched"}[scale]
        titles = ("method", *(f"{-level:g} µm" for level in levels), "mean", "pooled", "SSIM")
        tables += [
            f"**{title}, {part}s: synthesis (dB)**",
            markdown(SYNTHESIS_TITLES, [row for row in made if row]),
            f"**{title}, {part}s: the image in focus, by distance of the sharper input (dB)**",
            markdown(titles, [deblurring_row(n, rows, levels) for (n, _), rows in scored.items()]),
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
