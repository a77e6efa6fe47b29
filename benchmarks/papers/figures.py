"""Draw the figures of the papers' page: `python benchmarks/papers/figures.py --data PLATE`.

A blur ladder made by interpolation and images deblurred by extrapolation, the paths that codes
take over the levels, maps of identity and blur codes, and the one-number blur code against the
distance from focus: of whichever models there are.
"""

from pathlib import Path

import numpy as np
from scored_models import CROP_PX, ScoredModel, parser_of, read_fields, read_models

from focusfix.footprint import Footprint
from focusfix.metrics.ladder import DEBLURRING, MODEL, SYNTHESIS, Ladder
from focusfix.metrics.latent_space import make_images
from focusfix.models.line_model import LatentLineModel
from focusfix.models.two_code_model import DisentangledModel
from focusfix.report.figures import new_figure, save_figure
from focusfix.report.latent import write_code_maps, write_code_paths
from focusfix.training.evaluation import code_crops, line_codes

MODELS = (
    "linear-ae-baseline",
    "linear-ae-direct",
    "latent-line",
    "ml-vae",
    "manifold",
    "manifold-1d",
)
FIELDS_OF_MAP = 8
PANEL_INCHES = 1.15
SEEN_PX, SHOWN_PX = 384, 160


def draw_ladder(path: Path, models: list[ScoredModel], field: Ladder, unit: str) -> None:
    """Show the images of one field, and what models synthesise and deblur of it."""
    rows: list[tuple[str, dict[int, np.ndarray]]] = [("camera", dict(enumerate(field.images)))]
    for model in models:
        seen = Footprint(reach_px=0, stride_px=model.network.footprint.stride_px)
        made = make_images(model.network, field, footprint=seen)
        kept = [each for each in made if each.method == MODEL]
        for task, verb in ((SYNTHESIS, "synthesises"), (DEBLURRING, "deblurs")):
            images = {each.place: each.image for each in kept if each.task == task}
            rows.append((f"{model.name}\n{verb}", images))
    columns = len(field.levels)
    figure = new_figure(columns * PANEL_INCHES + 0.6, len(rows) * PANEL_INCHES + 0.2)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    y, x = ((size - SHOWN_PX) // 2 for size in field.images.shape[1:])
    high = float(np.percentile(field.images[-1], 99.8))
    for axes, (label, images) in zip(grid, rows, strict=True):
        for place, panel in enumerate(axes):
            panel.set_xticks([])
            panel.set_yticks([])
            panel.set_frame_on(False)
            if place in images:
                window = images[place][y : y + SHOWN_PX, x : x + SHOWN_PX]
                panel.imshow(window, cmap="gray", vmin=0, vmax=high, interpolation="nearest")
        axes[0].set_ylabel(label, fontsize=7)
    for place, level in enumerate(field.levels):
        grid[0, place].set_title(f"{-level:g} {unit}", fontsize=8)
    save_figure(figure, path)
    print(f"wrote {path}", flush=True)


def main() -> None:
    """Parse the command line and draw what there are models for."""
    parser = parser_of(__doc__, MODELS)
    parser.set_defaults(output=Path(__file__).parents[2] / "docs" / "images" / "papers")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    models = list(read_models(options))
    fields = read_fields(options, models)
    lines = [model for model in models if isinstance(model.network, LatentLineModel)]
    if lines:
        draw_ladder(
            options.output / "ladder.png",
            lines[1:] or lines,
            fields[0].middle(SEEN_PX),
            options.unit,
        )
    for model in lines:
        path = options.output / f"paths_{model.name}.svg"
        write_code_paths(path, line_codes(model.network, fields), options.unit)
        print(f"wrote {path}", flush=True)
    middles = [field.middle(CROP_PX) for field in fields]
    for model in models:
        if isinstance(model.network, DisentangledModel):
            path = options.output / f"codes_{model.name}.svg"
            codes = code_crops(model.network, middles, most=FIELDS_OF_MAP)
            write_code_maps(path, codes, options.unit)
            print(f"wrote {path}", flush=True)


if __name__ == "__main__":
    main()
