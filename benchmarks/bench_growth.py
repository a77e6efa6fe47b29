"""Time and peak memory of restoring against the number of pixels, and against that of files.

Every size is restored in processes of its own, LZW-compressed TIFF in and out, with a network
that costs next to nothing, so that what grows is what focusfix adds. Writes a table and a plot.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from bench_memory import peak_memory_mib, restore_file
from noisy_images import write_noisy_image
from results import add_results_option, publish, table
from timing import time_once

DOCS = Path(__file__).parents[1] / "docs"
SMALLEST_MPX = 1.0
FILE_SIDE = 512
WANTED_MEMORY_RATIO = 1.1
FLAT_FROM_MPX = 16.0
"""Size from which memory is to be flat: what 4096 x 4096 pixels have."""

REPEATS = 3
"""Processes for each size."""


@dataclass(frozen=True)
class Measured:
    """Cost of one process, or the medians of several.

    Parameters
    ----------
    against : {"pixels", "files"}
        What was varied.
    megapixels : float
        Restored in all.
    files : int
        Restored.
    seconds, cpu_seconds : float
        By the clock, and processor time of all threads; after a small file for warming up.
    peak_mib : float
        Largest memory of the process.
    """

    against: str
    megapixels: float
    files: int
    seconds: float
    cpu_seconds: float
    peak_mib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--largest", type=float, default=64, metavar="MPX", help="megapixels; 3600 for 60,000²"
    )
    parser.add_argument("--most-files", type=int, default=300, help=f"of {FILE_SIDE}² pixels")
    parser.add_argument("--folder", type=Path, help="where to write the images for a while")
    parser.add_argument("--output", type=Path, default=DOCS, help="docs, or a folder like it")
    add_results_option(parser)
    parser.add_argument("--child", type=Path, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(restore_in_turn(*options.child)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        measured = [*grow_pixels(Path(name), options.largest)]
        measured += grow_files(Path(name), options.most_files, options.output)
    write_table(options.output / "results" / "growth.csv", measured)
    draw(options.output / "images" / "growth.svg", measured)
    lines, figures = describe(measured)
    command = (
        f"python benchmarks/bench_growth.py --largest {options.largest:g} "
        f"--most-files {options.most_files}"
    )
    publish(options.results, "Growth", command, lines, figures)


def grow_pixels(folder: Path, largest_mpx: float) -> list[Measured]:
    """Restore one file of each size, up to the largest."""
    megapixels = geometric(SMALLEST_MPX, largest_mpx, 4)
    return [measure_size(folder, round(1000 * size**0.5)) for size in megapixels]


def measure_size(folder: Path, side: int) -> Measured:
    """Write a square image and restore it in other processes."""
    write_noisy_image(folder / "in.tif", side)
    megapixels = side**2 / 1e6
    costs = []
    for _ in range(REPEATS):
        costs.append(cost_of(start_child(folder / "out.tif", folder / "in.tif")))
        (folder / "out.tif").unlink()
    (folder / "in.tif").unlink()
    medians = (statistics.median(each) for each in zip(*costs, strict=True))
    measured = Measured("pixels", megapixels, 1, *medians)
    print(f"{side} x {side} pixels: {measured}", flush=True)
    return measured


def grow_files(folder: Path, most: int, output: Path) -> list[Measured]:
    """Restore more and more files in one process; note how long each of the most took."""
    write_noisy_image(folder / "in.tif", FILE_SIDE)
    found = []
    for count in map(round, geometric(max(most / 27, 1), most, 3)):
        child = start_child(folder / "out.tif", *[folder / "in.tif"] * count)
        pixels = count * FILE_SIDE**2 / 1e6
        found.append(Measured("files", pixels, count, *cost_of(child)))
        print(f"{count} files: {found[-1]}", flush=True)
    path = output / "results" / "task_times.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", "cpu_seconds"])
        for times in zip(child["seconds"], child["cpu_seconds"], strict=True):
            writer.writerow([f"{each:.4f}" for each in times])
    return found


def cost_of(child: dict[str, Any]) -> tuple[float, float, float]:
    """Add up what a process says: seconds, processor seconds, largest memory in MiB."""
    return sum(child["seconds"]), sum(child["cpu_seconds"]), child["peak_mib"]


def geometric(first: float, last: float, factor: float) -> list[float]:
    """List sizes that grow by a factor; the last one is what was asked for."""
    sizes = [first]
    while sizes[-1] * factor < last:
        sizes.append(sizes[-1] * factor)
    return [*sizes, last] if last > first else [last]


def start_child(target: Path, *sources: Path) -> dict[str, Any]:
    """Restore files one after another in another process."""
    command = [sys.executable, __file__, "--child", str(target), *map(str, sources)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def restore_in_turn(target: Path, *sources: Path) -> dict[str, Any]:
    """Restore files after a small one for warming up; return what each has cost."""
    warm_up = target.with_name("warm_up.tif")
    write_noisy_image(warm_up, FILE_SIDE)
    restore_file(warm_up, target)
    times = [time_once(lambda source=source: restore_file(source, target)) for source in sources]
    seconds, cpu_seconds = zip(*times, strict=True)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_memory_mib()}


def write_table(path: Path, measured: Sequence[Measured]) -> None:
    """Write everything as CSV."""
    names = [each.name for each in fields(Measured)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for each in measured:
            writer.writerow(
                {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in asdict(each).items()}
            )


def describe(measured: Sequence[Measured]) -> tuple[list[str], dict[str, float]]:
    """Say by which power time grows, and how flat memory is."""
    rows = [
        (
            each.files, f"{each.megapixels:.1f}", f"{each.seconds:.2f}", f"{each.cpu_seconds:.2f}",
            f"{each.megapixels / each.cpu_seconds:.1f}", f"{each.peak_mib:.0f}",
        )
        for each in measured
    ]  # fmt: skip
    head = ("files", "megapixels", "s", "processor s", "megapixels per processor s", "peak MiB")
    pixels = [each for each in measured if each.against == "pixels"]
    files = [each for each in measured if each.against == "files"]
    flat = [each.peak_mib for each in pixels if each.megapixels >= FLAT_FROM_MPX] or [0.0]
    figures = {
        "exponent, pixels": exponent([each.megapixels for each in pixels], pixels),
        "exponent, files": exponent([each.files for each in files], files),
        "largest megapixels": pixels[-1].megapixels,
    }
    line = (
        f"Images: medians of {REPEATS} processes each. "
        "Processor time grows with the power "
        f"{figures['exponent, pixels']:.2f} of the pixels and {figures['exponent, files']:.2f} of "
        "the files."
    )
    if min(flat) > 0:
        figures["peak over smallest peak"] = max(flat) / min(flat)
        line += (
            f" From {FLAT_FROM_MPX:g} megapixels on, the largest peak of memory is "
            f"{max(flat) / min(flat):.2f} times the smallest (wanted: at most "
            f"{WANTED_MEMORY_RATIO})."
        )
    return [*table(head, rows), "", line], figures


def exponent(sizes: Sequence[float], measured: Sequence[Measured]) -> float:
    """Fit the power of size by which processor time grows: 1 if linear, nan for one size."""
    if len(sizes) < 2:
        return float("nan")
    seconds = [each.cpu_seconds for each in measured]
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def draw(path: Path, measured: Sequence[Measured]) -> None:
    """Draw time and memory, both logarithmic, with a line of slope 1."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "growth"
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullLocator

    figure, axes = plt.subplots(2, 2, figsize=(8, 5), layout="constrained", sharex="col")
    for column, (against, label) in enumerate((("pixels", "megapixels"), ("files", "files"))):
        found = [each for each in measured if each.against == against]
        x = [each.megapixels if against == "pixels" else each.files for each in found]
        seconds = [each.cpu_seconds for each in found]
        axes[0, column].loglog(x, seconds, "o-")
        axes[0, column].loglog(x, [seconds[-1] * each / x[-1] for each in x], ":", color="0.5")
        axes[1, column].semilogx(x, [each.peak_mib for each in found], "o-")
        axes[1, column].set(ylim=(0, 1.2 * max(each.peak_mib for each in found)), xlabel=label)
        axes[1, column].set_xticks(x, [f"{each:.3g}" for each in x])
        axes[0, column].set_yticks(seconds, [f"{each:.2g}" for each in seconds])
        for axis in (axes[0, column].yaxis, axes[0, column].xaxis, axes[1, column].xaxis):
            axis.set_minor_locator(NullLocator())
    axes[0, 0].set_ylabel("processor time, s\n(dotted: linear)")
    axes[1, 0].set_ylabel("peak memory, MiB")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
