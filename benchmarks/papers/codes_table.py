"""Tables 5.1 to 5.4 of Ritsema's thesis, one by one.

`python benchmarks/papers/codes_table.py WHICH --data PLATE`, where WHICH is

- `reconstruction` (5.1): PSNR and SSIM of images decoded from their own codes;
- `ml-vae-score` (5.2): what classifiers read from either code;
- `deblurring` (5.3): the identity code of an image with the blur code of an image in focus, of
  another field drawn at random or stored with the weights;
- `ablation` (5.4): the same for the manifold model without one of its losses.

Fields are cut into crops of 128 pixels beside each other, continued by reflection: networks learn
nothing of the border of crops. Doing nothing is in every table of deblurring.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scored_models import (
    ScoredModel,
    crops_of,
    describe,
    markdown,
    measure_once,
    parser_of,
    read_fields,
    read_models,
    write_csv,
    write_markdown,
)

from focusfix.metrics.code_swapping import DONOR, FOCUS_CODE
from focusfix.metrics.ladder import (
    DEBLURRING,
    NOTHING,
    RECONSTRUCTION,
    SYNTHESIS,
    Comparison,
    Ladder,
    summarise,
)
from focusfix.metrics.probe import ProbeScore, probe_codes
from focusfix.training.evaluation import PROBES, code_crops, evaluate

MODELS = ("ml-vae", "manifold", "manifold-1d")
ABLATION = (
    "manifold-all-terms", "manifold-no-cross", "manifold-no-contrastive", "manifold-no-consistency"
)  # fmt: skip
IMAGE_COLUMNS = ("model", "steps", "task", "method", "distance", "images", "psnr_db", "ssim")
PROBE_COLUMNS = (
    "model", "steps", "classifier", "identities", "images", "identity_accuracy", "blur_accuracy",
    "ml_vae_score", "chance",
)  # fmt: skip
SEED = 0
Table = tuple[Sequence[str], list[list[object]], str]


def image_rows(model: ScoredModel, crops: Sequence[Ladder], kept: Path) -> list[list[object]]:
    """Measure one model; every figure at every distance, and over those out of focus."""
    measured = measure_once(
        kept / f"{model.name}_{model.steps}_{len(crops)}.json",
        lambda: evaluate(model.network, crops, seed=SEED, with_probes=False).comparisons,
    )
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    for row in measured:
        groups.setdefault((row.task, row.method, f"{-row.level:g}"), []).append(row)
        if row.task == RECONSTRUCTION or (
            row.level < 0 and not (row.task == SYNTHESIS and row.is_end)
        ):
            groups.setdefault((row.task, row.method, "all"), []).append(row)
    found = {key: summarise(rows) for key, rows in groups.items()}
    return [
        [model.name, model.steps, *key, each.n_images, each.psnr_db, each.ssim]
        for key, each in found.items()
    ]


def reconstruction(
    models: Sequence[ScoredModel], crops: Sequence[Ladder], kept: Path, _unit: str
) -> Table:
    """Table 5.1."""
    rows = [row for model in models for row in image_rows(model, crops, kept)]
    kept = [row for row in rows if row[2] == RECONSTRUCTION]
    shown = [[row[0], row[5], row[6], f"{row[7]:.4f}"] for row in kept if row[4] == "all"]
    titles = ("model", "images", "PSNR (dB)", "SSIM")
    return IMAGE_COLUMNS, kept, markdown(titles, shown)


def deblurring(
    models: Sequence[ScoredModel], crops: Sequence[Ladder], kept: Path, unit: str
) -> Table:
    """Tables 5.3 and 5.4."""
    rows = [row for model in models for row in image_rows(model, crops, kept)]
    kept = [row for row in rows if row[2] in (DEBLURRING, SYNTHESIS)]
    distances = sorted({float(row[4]) for row in kept if row[2] == DEBLURRING and row[4] != "all"})
    shown = []
    names = {DONOR: "random donor", FOCUS_CODE: "stored focus code", NOTHING: "doing nothing"}
    first = models[0].name
    for name in (model.name for model in models):
        for method in (NOTHING, DONOR, FOCUS_CODE):
            of_it = {
                row[4]: row
                for row in kept
                if row[:1] == [name] and row[2:4] == [DEBLURRING, method]
            }
            if of_it and (method != NOTHING or name == first):
                label = names[method] if method == NOTHING else f"{name}, {names[method]}"
                each = [of_it[f"{d:g}"][6] for d in reversed(distances) if d]
                whole = of_it["all"]
                shown.append([label, *each, whole[6], f"{whole[7]:.4f}"])
    titles = ("method", *(f"{d:g} {unit}" for d in reversed(distances) if d), "mean", "SSIM")
    return IMAGE_COLUMNS, kept, markdown(titles, shown)


def ml_vae_score(
    models: Sequence[ScoredModel], crops: Sequence[Ladder], _kept: Path, _unit: str
) -> Table:
    """Table 5.2; raw pixels, averaged over 8 x 8, are the row to compare with."""
    rows: list[list[object]] = []
    for model in models:
        codes = code_crops(model.network, crops, most=len(crops))
        ask = partial(probe_codes, codes.identity, codes.blur, codes.identities.tolist(), seed=SEED)
        if not rows:
            pixels = np.concatenate([each.images for each in crops])
            small = pixels.reshape(len(pixels), 16, 8, 16, 8).mean(axis=(2, 4)).reshape(-1, 256)
            for kind in PROBES:
                score = probe_codes(small, small, codes.identities.tolist(), kind=kind, seed=SEED)
                rows.append(["pixels", 0, kind, len(crops), len(pixels), *cells(score)])
        for kind in PROBES:
            score = ask(kind=kind)
            sizes = [len(crops), len(codes.distances)]
            rows.append([model.name, model.steps, kind, *sizes, *cells(score)])
            print(rows[-1], flush=True)
    shown = [[row[0], row[2], *(f"{each:.3f}" for each in row[5:])] for row in rows]
    titles = ("codes of", "classifier", "from identity", "from blur", "ML-VAE score", "chance")
    return PROBE_COLUMNS, rows, markdown(titles, shown)


def cells(score: ProbeScore) -> list[float]:
    """Lay out one score."""
    return [score.identity, score.blur, score.ml_vae_score, score.chance]


TABLES = {
    "reconstruction": ("5_1", reconstruction, MODELS),
    "ml-vae-score": ("5_2", ml_vae_score, MODELS),
    "deblurring": ("5_3", deblurring, MODELS),
    "ablation": ("5_4", deblurring, ABLATION),
}


def main() -> None:
    """Parse the command line and write one table."""
    parser = parser_of(__doc__, ())
    parser.add_argument("which", choices=list(TABLES))
    parser.add_argument("--crops", type=int, default=0, help="most crops; 0 for all")
    options = parser.parse_args()
    number, make, names = TABLES[options.which]
    options.models = options.models or list(names)
    models = list(read_models(options))
    fields = read_fields(options, models)
    crops = [crop for field in fields for crop in crops_of(field)]
    if options.crops:
        crops = crops[:: max(1, len(crops) // options.crops)][: options.crops]
    columns, rows, table = make(models, crops, options.runs / "measured" / "codes", options.unit)
    name = f"codes_table_{number}"
    write_csv(options.output / f"{name}.csv", columns, rows)
    steps = ", ".join(f"{model.name} {model.steps}" for model in models)
    facts = (
        f"{len(crops)} crops of {describe(options, len(fields))}, at "
        f"{len(crops[0].levels)} levels; seed {SEED}. Steps trained: {steps}."
    )
    command = f"benchmarks/papers/codes_table.py {options.which}"
    write_markdown(options.output / f"{name}.md", command, facts, [table])


if __name__ == "__main__":
    main()
