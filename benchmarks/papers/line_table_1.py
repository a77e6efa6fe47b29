"""Table 1 of Mazilu et al.: how straight and even the codes' paths are.

`python benchmarks/papers/line_table_1.py --data PLATE` scores codes of the centre crops (128
pixels) and of whole fields by the paper's equations and as its published code computes them.
Pixels, which are their own codes, are the row to compare with.
"""

from scored_models import (
    CROP_PX,
    PixelLine,
    describe,
    markdown,
    parser_of,
    read_fields,
    read_models,
    write_csv,
    write_markdown,
)

from focusfix.metrics.ladder import Ladder
from focusfix.metrics.latent_space import (
    LineModel,
    PathScores,
    average_paths,
    encode_ladder,
    path_scores,
)

MODELS = ("linear-ae-baseline", "linear-ae-indirect", "linear-ae-direct", "latent-line")
COLUMNS = ("model", "steps", "part", "fields", "lds", "apd", "lds_sq", "apd_sq")
TITLES = ("codes of", "part", "LDS (eq. 5)", "APD (eq. 6)", "LDS of squares", "APD of squares")


def score(model: LineModel, ladders: list[Ladder]) -> PathScores:
    """Score the paths of all fields."""
    return average_paths([path_scores(encode_ladder(model, each)[None]) for each in ladders])


def main() -> None:
    """Parse the command line and write the table."""
    parser = parser_of(__doc__, MODELS)
    parser.add_argument("--name", default="line_table_1", help="of the files")
    options = parser.parse_args()
    models = list(read_models(options))
    fields = read_fields(options, models)
    parts = {"centre crop": [each.middle(CROP_PX) for each in fields]}
    if min(min(each.images.shape[1:]) for each in fields) >= 2 * CROP_PX:
        parts["whole field"] = fields
    coders: list[tuple[str, int, LineModel]] = [("pixels", 0, PixelLine())]
    coders += [(model.name, model.steps, model.network) for model in models]
    rows = []
    for name, steps, coder in coders:
        for part, ladders in parts.items():
            scores = score(coder, ladders)
            rows.append([name, steps, part, len(ladders), *(each.mean for each in scores)])
    shown = [
        [f"{name}, {steps} steps" if steps else name, part, *(f"{each:.3f}" for each in scores)]
        for name, steps, part, _, *scores in rows
    ]
    write_csv(options.output / f"{options.name}.csv", COLUMNS, rows)
    levels = ", ".join(f"{-level:g}" for level in fields[0].levels)
    write_markdown(
        options.output / f"{options.name}.md",
        "benchmarks/papers/line_table_1.py",
        f"{describe(options, len(fields))}, {levels} {options.unit} from focus.",
        [markdown(TITLES, shown)],
    )


if __name__ == "__main__":
    main()
