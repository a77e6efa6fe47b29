"""Ask what refocusing is worth: `python benchmarks/bench_refocus.py --data DIR`.

Held-out fields, seen by the simulated microscope that the shipped refocuser learned. Into focus:
planes out of focus are brought back by a network that is told the distance, beside doing nothing
and the default weights, which are not told. Out of focus: the plane in focus is moved away, beside
doing nothing. PSNR on 12 bit, against what a camera without noise would see in the wanted plane.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from bench_quality import DATA_RANGE, held_out_fields, network_restorer
from make_refocus import OPTICS

from focusfix.data.screening import PEAK_COUNTS, SCREENING_CAMERA, screening_pair
from focusfix.io.checkpoint import load_checkpoint
from focusfix.io.weights import find_weights
from focusfix.metrics.fidelity import psnr
from focusfix.models.refocuser import Refocuser
from focusfix.operations.refocus_bindings import bind_distance
from focusfix.optics import defocus_psf, image_plane

DISTANCES_UM = (2, 4, 6, 8, 10)
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "refocus.csv"


def seen_at(field: np.ndarray, dz_um: float) -> np.ndarray:
    """Compute what a camera without noise would see of a field at a distance; grey values."""
    sharp = image_plane(field, defocus_psf(OPTICS, 0.0))
    gain = PEAK_COUNTS / float(np.percentile(sharp, 99.9))
    return SCREENING_CAMERA.offset + gain * image_plane(field, defocus_psf(OPTICS, dz_um))


def measure(network: Refocuser, default: object, fields: list[np.ndarray], dz: int) -> list[float]:
    """Score one distance, both ways: nothing, refocused, default weights; nothing, refocused."""
    towards, away = (network_restorer(bind_distance(network, sign * dz).eval()) for sign in (-1, 1))
    rows = []
    for number, field in enumerate(fields):
        blurry, truth = screening_pair(field, dz, seed=1000 * dz + number, optics=OPTICS)
        recorded, _ = screening_pair(field, 0.0, seed=number, optics=OPTICS)
        wanted = seen_at(field, dz)
        images = [(blurry, truth), (towards(blurry), truth), (default(blurry), truth)]
        images += [(recorded, wanted), (away(recorded), wanted)]
        rows.append([psnr(*pair, data_range=DATA_RANGE) for pair in images])
    return [round(float(mean), 2) for mean in np.mean(rows, axis=0)]


def main() -> None:
    """Parse the command line, run, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="a file; the installed ones if not given")
    parser.add_argument("--fields", type=int, default=4)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    network, _ = load_checkpoint(options.weights or find_weights("refocus"))
    assert isinstance(network, Refocuser)
    default = network_restorer(load_checkpoint(find_weights("fluorescence"))[0].eval())
    fields = held_out_fields(options.data / "sharp", options.fields)
    columns = ["dz_um", "in_nothing_db", "in_refocus_db", "in_fluorescence_db", "out_nothing_db",
               "out_refocus_db"]  # fmt: skip
    rows = []
    with torch.inference_mode():
        for dz in DISTANCES_UM:
            rows.append([dz, *measure(network.eval(), default, fields, dz)])
            print(dict(zip(columns, rows[-1], strict=True)), flush=True)
    with options.output.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


if __name__ == "__main__":
    main()
