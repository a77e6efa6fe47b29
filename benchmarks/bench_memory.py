"""Peak memory of restoring larger and larger images, each in a process of its own.

Square images in LZW-compressed tiles, z-stacks and time series of as many pixels in small planes,
and one plane that is compressed as a whole go through the engine with a network that costs next to
nothing; the shipped network is run by `focusfix deblur` itself. `--largest 3600` goes up to
60,000 x 60,000 pixels and needs about 12 GB on disk.
"""

import argparse
import json
import resource
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from noisy_images import write_noisy_planes, write_single_strip
from results import add_results_option, publish, table
from timing import time_once

WANTED_RATIO, WANTED_MIB = 1.1, 2048
SMALL_SIDE, SIDES = 4_000, (20_000, 60_000)
PLANE_SIDE, STRIP_SIDE = 1_024, 8_000
SHIPPED_SIDES = (2_048, 4_096)
TILED, STACK, SERIES, STRIP = "plane in tiles", "z-stack", "time series", "plane in one strip"


@dataclass(frozen=True)
class Case:
    """One image to restore.

    Parameters
    ----------
    kind : str
        What it is.
    axes : str
        One letter for each axis.
    shape : tuple of int
        Sizes; Y and X last.
    model : str
        Weights for `focusfix deblur`; a cheap network in the engine where empty.
    """

    kind: str
    axes: str
    shape: tuple[int, ...]
    model: str = ""

    @property
    def megapixels(self) -> float:
        """Pixels in all."""
        return prod(self.shape) / 1e6

    def write(self, path: Path) -> None:
        """Write the image."""
        if self.kind == STRIP:
            write_single_strip(path, self.shape[0])
        else:
            write_noisy_planes(path, self.shape, self.axes)


@dataclass(frozen=True)
class Measured:
    """Cost of one image.

    Parameters
    ----------
    case : Case
        The image.
    stored_gb : float
        Size of its file.
    peak_mib : float
        Largest memory of the process, libraries included.
    seconds, cpu_seconds : float
        By the clock, and processor time of all threads.
    """

    case: Case
    stored_gb: float
    peak_mib: float
    seconds: float
    cpu_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "--largest", type=float, default=64, metavar="MPX", help="megapixels; 3600 for 60,000²"
    )
    parser.add_argument(
        "--model", default="fluorescence", help="weights for the real command; '' leaves it out"
    )
    parser.add_argument("--folder", type=Path, help="where to write the images for a while")
    add_results_option(parser)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(restore_here(*options.child)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        measured = [
            measure(case, Path(name)) for case in list_cases(options.largest, options.model)
        ]
    lines, figures = describe(measured)
    command = f"python benchmarks/bench_memory.py --largest {options.largest:g}"
    publish(options.results, "Memory", command, lines, figures)


def list_cases(largest_mpx: float, model: str) -> Iterator[Case]:
    """List what is restored; nothing has more pixels than the largest, or than 4000 x 4000."""
    most = max(largest_mpx, SMALL_SIDE**2 / 1e6)
    longest = round(1000 * most**0.5)
    for side in sorted({SMALL_SIDE, *(side for side in SIDES if side < longest), longest}):
        yield Case(TILED, "YX", (side, side))
    for kind, axes in ((STACK, "ZYX"), (SERIES, "TYX")):
        for megapixels in sorted({SMALL_SIDE**2 / 1e6, most}):
            n_planes = round(megapixels * 1e6 / PLANE_SIDE**2)
            yield Case(kind, axes, (n_planes, PLANE_SIDE, PLANE_SIDE))
    for side in (SMALL_SIDE, STRIP_SIDE):
        yield Case(STRIP, "YX", (side, side))
    if model:
        for side in SHIPPED_SIDES:
            yield Case(TILED, "YX", (side, side), model)


def measure(case: Case, folder: Path) -> Measured:
    """Write an image and restore it in another process."""
    source, target = folder / "in.tif", folder / "out.tif"
    case.write(source)
    command = [sys.executable, __file__, "--child", case.model, str(source), str(target)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured = Measured(
        case, source.stat().st_size / 1e9, **json.loads(done.stdout.splitlines()[-1])
    )
    source.unlink()
    target.unlink()
    print(measured, file=sys.stderr, flush=True)
    return measured


def restore_here(model: str, source: str, target: str) -> dict[str, float]:
    """Restore a file in this process; return what it has cost."""

    def run() -> None:
        if model:
            run_command("deblur", source, "-o", target, "--model", model, "--overwrite")
        else:
            restore_file(Path(source), Path(target))

    seconds, cpu_seconds = time_once(run)
    return {"peak_mib": peak_memory_mib(), "seconds": seconds, "cpu_seconds": cpu_seconds}


def run_command(*words: str) -> None:
    """Run focusfix as a shell does."""
    sys.argv = ["focusfix", *words]
    try:
        runpy.run_module("focusfix", run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


def restore_file(source: Path, target: Path) -> None:
    """Restore one file as ``focusfix deblur`` does, with a cheap network."""
    from probe_network import ProbeNetwork

    from focusfix.engine.stream import restore
    from focusfix.engine.survey import survey_source
    from focusfix.engine.tiles import plan_tiles
    from focusfix.io.image import open_image
    from focusfix.operations.images import ReaderSource, write_behind
    from focusfix.runtime.device import select_device
    from focusfix.runtime.executor import build_tile_function

    network = ProbeNetwork(width=8)
    function = build_tile_function(network, device=select_device("cpu"), runtime="torch")
    with open_image(source) as reader:
        pixels = ReaderSource(reader)
        scales = survey_source(pixels, pixels.channel_of_plane).scales
        plan = plan_tiles(pixels.shape_yx, network.footprint)
        restored = restore(pixels, function, plan, scales)
        write_behind(target, reader.metadata, restored, overwrite=True)


def peak_memory_mib() -> float:
    """Peak resident memory of this process in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def describe(measured: list[Measured]) -> tuple[list[str], dict[str, float]]:
    """Lay out what was measured, and say how flat memory is."""
    rows = [
        (
            each.case.kind, " x ".join(map(str, each.case.shape)),
            f"`{each.case.model}`" if each.case.model else "cheap", f"{each.case.megapixels:.0f}",
            f"{each.stored_gb:.2f}", f"{each.seconds:.1f}", f"{each.cpu_seconds:.1f}",
            f"{each.peak_mib:.0f}",
        )
        for each in measured
    ]  # fmt: skip
    head = (
        "image", "pixels", "network", "megapixels", "GB stored", "s", "processor s", "peak MiB"
    )  # fmt: skip
    flat = {
        "planes in tiles": flatness(measured, lambda case: case.kind == TILED and not case.model),
        "z-stacks": flatness(measured, lambda case: case.kind == STACK),
        "time series": flatness(measured, lambda case: case.kind == SERIES),
    }
    highest = max(each.peak_mib for each in measured)
    strip = next(each for each in reversed(measured) if each.case.kind == STRIP)
    plane_mib = strip.case.megapixels * 2e6 / 2**20
    ratios = ", ".join(f"{name} {value:.2f}" for name, value in flat.items())
    verdict = (
        f"Largest peak over smallest: {ratios} (wanted: at most {WANTED_RATIO}). The highest peak "
        f"is {highest:.0f} MiB (wanted: at most {WANTED_MIB}). A plane that is compressed as a "
        f"whole may be held as a whole: the larger one of the table takes {plane_mib:.0f} MiB. "
        "Rows with the name of weights ran the real command, from its start to its end."
    )
    figures = {f"{name}: largest peak over smallest": value for name, value in flat.items()}
    return [*table(head, rows), "", verdict], {**figures, "peak MiB": highest}


def flatness(measured: list[Measured], chosen: Callable[[Case], bool]) -> float:
    """Divide the largest peak by the smallest; nan if none was measured."""
    peaks = [each.peak_mib for each in measured if chosen(each.case)]
    return max(peaks) / min(peaks) if peaks else float("nan")


if __name__ == "__main__":
    main()
