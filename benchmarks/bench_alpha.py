"""Ask how good `--alpha auto` is: `python benchmarks/bench_alpha.py --data DIR`.

Held-out fields go out of focus through the screening microscope of bench_quality.py, and are
deblurred along the shipped latent line: from one image and its own blurred copy, and from two
images, the second one 8 um farther out. Compared are doing nothing, the alpha that is chosen
without the truth, and the best of all alphas tried, which only the truth tells.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from bench_quality import held_out_fields

from focusfix.data.screening import SCREENING_OPTICS, screening_pair
from focusfix.engine.normalize import fit_intensity_scale
from focusfix.io.checkpoint import load_checkpoint
from focusfix.io.weights import find_weights
from focusfix.metrics.fidelity import psnr
from focusfix.models.latent_line import LatentLine
from focusfix.operations.alpha import ALPHAS
from focusfix.operations.line_alpha import LineTrial
from focusfix.optics import blur_radius_px, defocus_psf
from focusfix.runtime.device import select_device

DISTANCES_UM = (0, 4, 8, 16, 24)
FARTHER_UM = 8
SIDE_PX = 384
BORDER_PX = 32
COPY_RADIUS_PX = 18.0
COLUMNS = ("from", "dz_um", "input_db", "auto_db", "best_db", "auto_alpha", "best_alpha")


def middle(plane: np.ndarray) -> np.ndarray:
    """Cut the middle of a field."""
    rows, columns = (slice((size - SIDE_PX) // 2, (size + SIDE_PX) // 2) for size in plane.shape)
    return plane[rows, columns]


def measure(network: LatentLine, field: np.ndarray, dz: int, number: int, *, pair: bool) -> dict:
    """Deblur one field by all alphas; dB on the scale of the field."""
    um_per_px = 1 / blur_radius_px(SCREENING_OPTICS, 1.0)
    blurry, truth = screening_pair(field, dz, seed=1000 * dz + number)
    farther, _ = screening_pair(field, dz + FARTHER_UM, seed=1000 * dz + 500 + number)
    scale = fit_intensity_scale([blurry, farther] if pair else [blurry])
    images = np.stack([scale.apply(middle(each)) for each in (blurry, farther)[: 1 + pair]])
    wanted = scale.apply(middle(truth))
    psf = None if pair else defocus_psf(SCREENING_OPTICS, COPY_RADIUS_PX * um_per_px)
    trial = LineTrial(network, images, psf, select_device("cpu"))
    chosen = trial.choose_alpha(SCREENING_OPTICS).alpha
    results = {alpha: trial.deblur(alpha) for alpha in {1.0, chosen, *ALPHAS}}
    inner = (slice(BORDER_PX, -BORDER_PX),) * 2
    scores = {a: psnr(r[inner], wanted[inner], data_range=1.0) for a, r in results.items()}
    best = max(scores, key=lambda alpha: scores[alpha])
    return {
        "from": "two images" if pair else "one image",
        "dz_um": dz,
        "input_db": scores[1.0],
        "auto_db": scores[chosen],
        "best_db": scores[best],
        "auto_alpha": chosen,
        "best_alpha": best,
    }


def main() -> None:
    """Parse the command line, run, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fields", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    network, _ = load_checkpoint(find_weights("latent-line"))
    assert isinstance(network, LatentLine)
    fields = held_out_fields(options.data / "sharp", options.fields)
    rows = []
    with torch.inference_mode():
        for pair in (False, True):
            for dz in DISTANCES_UM:
                found = [measure(network, f, dz, n, pair=pair) for n, f in enumerate(fields)]
                rows.append(found[0] | {c: mean_of(found, c) for c in COLUMNS[2:]})
                worst = min(each["auto_db"] - each["input_db"] for each in found)
                print(*rows[-1].values(), f"worst field {worst:+.2f} dB", sep="  ", flush=True)
    behind = np.mean([row["best_db"] - row["auto_db"] for row in rows])
    print(f"auto is {behind:.2f} dB behind the best alpha in the mean")
    if options.output:
        with options.output.open("w", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(rows)


def mean_of(found: list[dict], column: str) -> float:
    """Average one column over fields."""
    return round(float(np.mean([each[column] for each in found])), 3)


if __name__ == "__main__":
    main()
