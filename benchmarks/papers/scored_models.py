"""Which models the tables compare, on which fields, and how the tables are written."""

import argparse
import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.data.held_out import choose_held_out, read_ladders
from focusfix.data.layouts import index_data
from focusfix.data.planes import PlaneStore
from focusfix.data.series_scale import fit_series
from focusfix.footprint import Footprint
from focusfix.io.checkpoint import load_checkpoint
from focusfix.io.weights import find_weights
from focusfix.latent.line import extrapolate_latents, interpolate_latents
from focusfix.metrics.ladder import Comparison, Ladder

if TYPE_CHECKING:
    from torch import Tensor

    from focusfix.models.base import Restorer

RESULTS = Path(__file__).parents[2] / "docs" / "results"
CROP_PX = 128


@dataclass(frozen=True)
class ScoredModel:
    """A model of the tables: trained by train_models.py, or shipped."""

    name: str
    network: "Restorer"
    steps: int
    fields: tuple[str, ...]
    """Those that it was not trained on; none for shipped weights, which saw no plate."""


class PixelLine:
    """Images as their own codes: what a line gives without a model."""

    footprint = Footprint(reach_px=0, stride_px=1)

    def encode(self, image: "Tensor") -> "Tensor":
        """Return the image."""
        return image

    def __call__(self, image: "Tensor") -> "Tensor":
        """Return the image."""
        return image

    def interpolate_images(
        self, sharper: "Tensor", blurrier: "Tensor", *, alpha: float
    ) -> "Tensor":
        """Mix two images."""
        return interpolate_latents(sharper, blurrier, alpha=alpha)

    def extrapolate_images(
        self, sharper: "Tensor", blurrier: "Tensor", *, alpha: float
    ) -> "Tensor":
        """Continue the line through two images."""
        return extrapolate_latents(sharper, blurrier, alpha=alpha)


def parser_of(description: str | None, models: Sequence[str]) -> argparse.ArgumentParser:
    """Make the command line that all tables have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="a plate like BBBC006")
    parser.add_argument("--runs", type=Path, default=Path("runs/papers"))
    parser.add_argument("--models", nargs="*", default=list(models))
    parser.add_argument("--channel", default="w1")
    parser.add_argument("--level-step", type=int, default=2)
    parser.add_argument(
        "--every-field", action="store_true", help="score all fields: no model has seen the data"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the tables")
    parser.add_argument("--threads", type=int, default=2)
    return parser


def read_models(options: argparse.Namespace) -> Iterator[ScoredModel]:
    """Read the models that there are: runs by their last step, otherwise weights by name."""
    import torch

    torch.set_num_threads(options.threads)
    for name in options.models:
        path = options.runs / name / "last.safetensors"
        network, header = load_checkpoint(path if path.exists() else find_weights(name))
        yield ScoredModel(name, network, header.steps, header.held_out.get("test", ()))


def read_fields(options: argparse.Namespace, models: Sequence[ScoredModel]) -> list[Ladder]:
    """Read the fields that no model was trained on, whole, up to the level in focus.

    Sets ``options.unit``, that of their distances from focus.
    """
    index = index_data(options.data, channels=[options.channel] if options.channel else ())
    kept = [set(model.fields) for model in models if model.fields]
    names = (
        set.intersection(*kept) if kept else {s.field for s in index.series if s.split == "test"}
    )
    split = "all" if options.every_field else "test"
    chosen = choose_held_out(index.series, {"test": sorted(names)}, split)
    known = all(each.z_um is not None for each in chosen)
    options.unit = "µm" if known else "levels"
    with closing(PlaneStore(0)) as planes:
        return [
            ladder
            for fitted in fit_series(chosen)
            for ladder in read_ladders(fitted, planes, step=options.level_step)
        ]


def describe(options: argparse.Namespace, count: int) -> str:
    """Say which fields were measured."""
    if options.every_field:
        return f"{count} field{'s'[: count != 1]} of {options.data.name}"
    return f"{count} test fields of channel {options.channel}"


def measure_once(place: Path, measure: "Callable[[], Sequence[Comparison]]") -> list[Comparison]:
    """Measure, or read what was measured before: a command that was stopped goes on."""
    if not place.exists():
        rows = [asdict(row) for row in measure()]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(rows), encoding="utf-8")
    return [Comparison(**row) for row in json.loads(place.read_text(encoding="utf-8"))]


def crops_of(ladder: Ladder) -> list[Ladder]:
    """Cut a field into crops beside each other, each a field of its own."""
    height, width = ladder.images.shape[1:]
    return [
        Ladder(
            f"{ladder.field} {y} {x}",
            ladder.levels,
            ladder.images[:, y : y + CROP_PX, x : x + CROP_PX].copy(),
        )
        for y in range(0, height - CROP_PX + 1, CROP_PX)
        for x in range(0, width - CROP_PX + 1, CROP_PX)
    ]


def show(value: object) -> str:
    """Write a cell: two decimals for decibels and the like, a dash for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write every figure that was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(
            [round(cell, 8) if isinstance(cell, float) else cell for cell in row] for row in rows
        )
    print(f"wrote {path}", flush=True)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out a table in Markdown."""
    lines = [list(columns), ["---"] * len(columns), *([show(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write_markdown(path: Path, command: str, facts: str, tables: Sequence[str]) -> None:
    """Write tables for the documentation, with the command that made them."""
    text = "\n\n".join([f"<!-- made by {command} -->", facts, *tables]) + "\n"
    path.write_text(text, encoding="utf-8")
    print(text, flush=True)
