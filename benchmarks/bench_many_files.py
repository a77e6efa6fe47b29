"""Memory and time of training data against the number of files, which stream from disk.

Plates in the layout of BBBC006 (34 z-levels, two channels) with more and more fields are indexed,
scaled and drawn from, each in a process of its own, with room for few planes in memory.
`--most-files 52224` makes as many files as BBBC006 has; a default run stops at an eighth of it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import tifffile
from bench_memory import peak_memory_mib
from noisy_images import noisy_pixels
from results import add_results_option, publish, table
from timing import time_once

LEVELS, CHANNELS, SIDE = 34, 2, 128
BBBC006_FILES = 52_224
CACHE_BYTES, CROPS, CROP_PX = 16 << 20, 400, 64
FEWER = 8
SCALED = 2
"""Place of the peak before crops are drawn, and with them the room for planes filled."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--most-files", type=int, default=6528, help=f"of {SIDE}² pixels")
    parser.add_argument("--folder", type=Path, help="where to write the files for a while")
    add_results_option(parser)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(draw_crops(options.child)))
        return
    per_field = LEVELS * CHANNELS
    fields = [max(round(options.most_files / per_field / part), 1) for part in (FEWER**2, FEWER, 1)]
    found = []
    for n_fields in fields:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            write_plate(Path(name), n_fields)
            command = [sys.executable, __file__, "--child", name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.append({"files": n_fields * per_field, **json.loads(done.stdout.splitlines()[-1])})
        print(found[-1], file=sys.stderr, flush=True)
    lines, figures = describe(found)
    command = f"python benchmarks/bench_many_files.py --most-files {options.most_files}"
    publish(options.results, "Training data in many files", command, lines, figures)


def write_plate(folder: Path, n_fields: int) -> None:
    """Write one noisy plane many times, as a plate reader names files."""
    import numpy as np

    first = folder / "first.tif"
    pixels = noisy_pixels((SIDE, SIDE), np.random.default_rng(0))
    tifffile.imwrite(first, pixels, compression="lzw", predictor=2)
    content = first.read_bytes()
    first.unlink()
    for level in range(LEVELS):
        place = folder / f"BBBC006_v1_images_z_{level:02d}"
        place.mkdir()
        for number in range(n_fields):
            well = f"{chr(97 + number // 24 % 16)}{number % 24 + 1:02d}_s{number // 384 + 1}"
            for channel in range(CHANNELS):
                (place / f"plate_{well}_w{channel + 1}.tif").write_bytes(content)


def draw_crops(folder: Path) -> dict[str, Any]:
    """Index, scale and draw from a plate; say what each step has cost."""
    from focusfix.data.layouts import index_data
    from focusfix.training.lessons.pairs import make_batch
    from focusfix.training.series_data import SeriesData
    from focusfix.training.settings import DataPlace, RunSettings

    settings = RunSettings(
        data=DataPlace(path="benchmark"),
        model="multilevel-unet",
        hyperparameters={},
        loss="l1",
        steps=1,
        validate_every=1,
        crop_size=CROP_PX,
    )
    made: dict[str, Any] = {}
    costs = {"peak_mib": [peak_memory_mib()], "cpu_seconds": []}

    def index() -> None:
        made["index"] = index_data(folder)

    def scale() -> None:
        made["data"] = SeriesData(made["index"], settings, cache_bytes=CACHE_BYTES)

    def draw() -> None:
        make_batch(made["data"].train, 0, CROPS)

    for step in (index, scale, draw):
        costs["cpu_seconds"].append(time_once(step)[1])
        costs["peak_mib"].append(peak_memory_mib())
    made["data"].close()
    return costs


def describe(found: list[dict[str, Any]]) -> tuple[list[str], dict[str, float]]:
    """Lay out the costs, and say what a file adds."""
    rows = [
        [
            each["files"], f"{each['files'] * 2 * SIDE**2 / 1e6:.0f}",
            *(f"{seconds:.1f}" for seconds in each["cpu_seconds"]),
            *(f"{peak:.0f}" for peak in each["peak_mib"]),
        ]
        for each in found
    ]  # fmt: skip
    head = (
        "files", "MB of pixels", "index, s", "scale, s", f"draw {CROPS} crops, s",
        "peak MiB, libraries", "indexed", "scaled", "drawn",
    )  # fmt: skip
    least, most = found[0], found[-1]
    added = max(most["files"] - least["files"], 1)
    kib = 1024 * (most["peak_mib"][SCALED] - least["peak_mib"][SCALED]) / added
    ms = 1e3 * sum(most["cpu_seconds"][:2]) / most["files"]
    facts = (
        f"Planes of {SIDE} x {SIDE} pixels, {CACHE_BYTES >> 20} MiB for planes in memory; times in "
        "processor seconds."
    )
    verdict = (
        f"Indexed and scaled, a file takes {kib:.1f} KiB of memory, whatever its size "
        f"({kib * BBBC006_FILES / 1024:.0f} MiB for the {BBBC006_FILES:,} files of BBBC006), and "
        f"{ms:.1f} ms before the first step; drawing adds the room for planes and no more."
    )
    figures = {"KiB per file": kib, "ms per file": ms, "files": float(most["files"])}
    return [facts, "", *table(head, rows), "", verdict], figures


if __name__ == "__main__":
    main()
