"""Compare every model: `python benchmarks/bench_models.py --data DIR --runs RUNS`.

Each network of the registry that has weights, shipped ones or those of a run of
papers/train_models.py, and each method without learning deblurs the same images through
`focusfix deblur`: held-out fields out of focus (bench_quality.py), real focal stacks, and a large
image for speed (computing time less that of a small image, which is mostly start-up; none where
the two hardly differ) and memory. Nobody is told the distance from focus. Prints and writes one
table, in which the rows of models that were not asked for stay as they are.
"""

import argparse
import csv
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from bench_quality import held_out_fields, lost_band, score
from bench_stacks import CLEARLY_BLURRED, read_stack
from bench_stacks import score as score_plane
from deblur_runs import NOTHING, Method, all_methods, deblur

from focusfix.data.screening import SCREENING_OPTICS, screening_pair
from focusfix.metrics.focus import measure_sharpness

DISTANCES_UM = (4, 8, 16, 24, 32)
STACKS = ("nucleus_widefield_z45.tif", "chromosomes_z40.tif")
SPEED_SIDE_PX, SMALL_SIDE_PX = 1536, 128
LEAST_SECONDS = 1.0
OPTICS = (
    "--numerical-aperture",
    str(SCREENING_OPTICS.numerical_aperture),
    "--wavelength-um",
    str(SCREENING_OPTICS.wavelength_um),
)
STACK_OPTICS = (
    "--pixel-size-um", "0.1", "--numerical-aperture", "1.3", "--refractive-index", "1.515"
)  # fmt: skip
"""The stacks do not say theirs: usual values of an oil immersion objective."""

COLUMNS = (
    "model", "parameters", "steps", *(f"psnr_{dz}um" for dz in DISTANCES_UM), "gain_db", "ssim",
    "band_coherence", *(f"{name.split('_')[0]}_gain_db" for name in STACKS), "mpx_per_cpu_s",
    "peak_mib",
)  # fmt: skip
TITLES = (
    "model", "parameters", "steps", *(f"{dz} µm" for dz in DISTANCES_UM), "gain (dB)", "SSIM",
    "band coherence", "nucleus (dB)", "chromosomes (dB)", "Mpx per processor s", "peak MiB",
)  # fmt: skip
RESULTS = Path(__file__).parents[1] / "docs" / "results"


@dataclass(frozen=True)
class Truth:
    """One image out of focus, and what it should be."""

    name: str
    dz_um: float
    blurry: np.ndarray
    sharp: np.ndarray


def make_fields(data: Path, count: int, folder: Path) -> list[Truth]:
    """Write fields out of focus, as files for the command."""
    made = []
    for number, field in enumerate(held_out_fields(data / "sharp", count)):
        for dz in DISTANCES_UM:
            blurry, sharp = screening_pair(field, dz, seed=1000 * dz + number)
            truth = Truth(f"field{number}_{dz:02d}um", dz, blurry, sharp)
            write_image(folder / f"{truth.name}.tif", blurry)
            made.append(truth)
    return made


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write one plane of 16-bit grey values with the pixel size of the screening microscope."""
    per_um = 1 / SCREENING_OPTICS.pixel_size_um
    tifffile.imwrite(
        path,
        np.clip(np.round(pixels), 0, 65535).astype(np.uint16),
        imagej=True,
        resolution=(per_um, per_um),
        metadata={"unit": "um"},
    )


def score_fields(truths: Sequence[Truth], folder: Path | None) -> list[np.ndarray]:
    """Score results by name, or the images themselves; PSNR, SSIM, band coherence."""
    found = []
    for truth in truths:
        path = None if folder is None else folder / f"{truth.name}.tif"
        image = truth.blurry if path is None else tifffile.imread(path).astype(np.float64)
        found.append(score(image, truth.sharp, lost_band(SCREENING_OPTICS, truth.dz_um)))
    return found


def score_stack(planes: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """Score clearly blurred planes by the sharpest one: mean gain in dB and in SSIM."""
    curve = np.array([measure_sharpness(plane.mean(axis=-1)) for plane in planes])
    truth = planes[int(curve.argmax())]
    data_range = float(np.ptp(truth))
    blurred = np.flatnonzero(curve < CLEARLY_BLURRED * curve.max())
    gains = [
        score_plane(restored[i], truth, data_range) - score_plane(planes[i], truth, data_range)
        for i in blurred
    ]
    return np.mean(gains, axis=0)


def compare(options: argparse.Namespace, work: Path) -> Iterator[dict[str, object]]:
    """Run every method; one row each."""
    fields, large, small = work / "fields", work / "large.tif", work / "small.tif"
    fields.mkdir()
    truths = make_fields(options.data, options.fields, fields)
    tiled = np.tile(truths[1].blurry, (3, 3))[:SPEED_SIDE_PX, :SPEED_SIDE_PX]
    write_image(large, tiled)
    write_image(small, truths[1].blurry[:SMALL_SIDE_PX, :SMALL_SIDE_PX])
    nothing = score_fields(truths, None)
    yield {"model": NOTHING, **field_columns(truths, nothing, nothing)}
    for method in all_methods(options.runs):
        if options.models and method.name not in options.models:
            continue
        output = work / method.name
        output.mkdir()
        deblur(method, fields, output, OPTICS)
        found = score_fields(truths, output)
        costs = [
            deblur(method, each, work / f"{method.name}.tif", OPTICS) for each in (small, large)
        ]
        seconds = costs[1].cpu_seconds - costs[0].cpu_seconds
        speed = (SPEED_SIDE_PX**2 - SMALL_SIDE_PX**2) / 1e6 / max(seconds, LEAST_SECONDS)
        yield {
            "model": method.name,
            "parameters": method.parameters,
            "steps": method.steps,
            **field_columns(truths, found, nothing),
            **stack_columns(options.data, method, work),
            "mpx_per_cpu_s": round(speed, 3) if seconds > LEAST_SECONDS else None,
            "peak_mib": round(costs[1].peak_mib),
        }


def field_columns(
    truths: Sequence[Truth], found: Sequence[np.ndarray], nothing: Sequence[np.ndarray]
) -> dict[str, float]:
    """Average the scores of fields: PSNR by distance, then all of them."""
    columns = {}
    for dz in DISTANCES_UM:
        at = [each[0] for truth, each in zip(truths, found, strict=True) if truth.dz_um == dz]
        columns[f"psnr_{dz}um"] = round(float(np.mean(at)), 2)
    mean, base = (np.mean(each, axis=0) for each in (found, nothing))
    columns["gain_db"] = round(float(mean[0] - base[0]), 2)
    columns["ssim"] = round(float(mean[1]), 4)
    columns["band_coherence"] = round(float(mean[2]), 3)
    return columns


def stack_columns(data: Path, method: Method, work: Path) -> dict[str, float]:
    """Deblur the real stacks, plane by plane."""
    columns = {}
    for name in STACKS:
        output = work / f"{method.name}_{name}"
        deblur(method, data / "stacks" / name, output, (*STACK_OPTICS, *method.foreign))
        gain = score_stack(read_stack(data / "stacks" / name), read_stack(output))
        columns[f"{name.split('_')[0]}_gain_db"] = round(float(gain[0]), 2)
    return columns


def main() -> None:
    """Parse the command line, run, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/papers"))
    parser.add_argument("--models", nargs="*", help="only these")
    parser.add_argument("--fields", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS / "models.csv")
    options = parser.parse_args()
    rows = read_table(options.output) if options.models else {}
    with tempfile.TemporaryDirectory() as folder:
        for row in compare(options, Path(folder)):
            rows[str(row["model"])] = row
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
            write_table(options.output, list(rows.values()))


def read_table(path: Path) -> dict[str, dict[str, object]]:
    """Read the rows that there are, by model."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["model"]: dict(row) for row in csv.DictReader(file)}


def write_table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write all rows, doing nothing first."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    lines = [list(TITLES), ["---"] * len(TITLES)]
    lines += [[str(row.get(key) or "-") for key in COLUMNS] for row in rows]
    page = "<!-- made by benchmarks/bench_models.py -->\n\n"
    page += "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
    path.with_suffix(".md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
