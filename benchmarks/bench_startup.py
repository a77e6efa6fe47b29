"""How long `focusfix` takes to start, and how busy it keeps the network on many small images.

Three measurements: commands without a network over a bare import of what they need; the first
restored pixels of a 512 x 512 image, counted from where torch is imported; and a folder of images
of 128 x 128 pixels over the bare network on the same tiles.
"""

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
from results import add_options, publish, table
from timing import Timing, compare, take_turns

WANTED_RATIO, WANTED_FIRST_S, WANTED_BUSY = 1.3, 1.5, 0.8
BARE = "a bare `import typer, numpy, tifffile`"
SMALLEST_PROGRAM = """
import typer, numpy, tifffile
app = typer.Typer(rich_markup_mode=None)
@app.command()
def run(name: str = "", flag: bool = False) -> None:
    pass
app()
"""
"""Any program with an option pays this: Typer 0.29 loads pydantic to read options."""

IMPORTS = {
    BARE: "import typer, numpy, tifffile",
    "the same in a Typer program with two options": SMALLEST_PROGRAM,
}
SAMPLE = Path(__file__).parents[1] / "samples" / "out_of_focus.tif"
COMMANDS = {
    "`focusfix --help`": ("--help",),
    "`focusfix models list`": ("models", "list"),
    "`focusfix info IMAGE`": ("info", str(SAMPLE)),
}
FIRST_PIXELS = """
import sys, time
def now():
    return time.perf_counter(), time.process_time()
started = now()
import torch
imported = now()
from focusfix.runtime.executor import NetworkFunction
call, first = NetworkFunction.__call__, []
def watch(self, tiles):
    restored = call(self, tiles)
    first.append(now())
    return restored
NetworkFunction.__call__ = watch
from focusfix.__main__ import main
assert main(sys.argv[1:]) == 0
ends = imported, first[0], now()
begins = started, imported, imported
print(*(b - a for begin, end in zip(begins, ends) for a, b in zip(begin, end)))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, repeats=5)
    parser.add_argument("--images", type=int, default=50, help="small images in the folder")
    parser.add_argument("--model", default="fluorescence", help="weights, as for focusfix deblur")
    options = parser.parse_args()
    lines, figures = time_commands(options.warm_up, options.repeats)
    with tempfile.TemporaryDirectory() as folder:
        for measure in (time_first_pixels, time_small_images):
            more_lines, more = measure(Path(folder), options)
            lines += ["", *more_lines]
            figures |= more
    command = (
        f"python benchmarks/bench_startup.py --images {options.images} --repeats {options.repeats}"
    )
    publish(options.results, "Start-up", command, lines, figures)


def time_commands(warm_up: int, repeats: int) -> tuple[list[str], dict[str, float]]:
    """Start each command in turns with the bare imports."""
    lines = {name: ("-c", text) for name, text in IMPORTS.items()}
    lines |= {name: ("-m", "focusfix", *words) for name, words in COMMANDS.items()}
    timed = take_turns(
        {name: starter(line) for name, line in lines.items()}, warm_up=warm_up, repeats=repeats
    )
    rows = [[name, *cells(timing, timed[BARE])] for name, timing in timed.items()]
    head = ("started", "s", "ratio", "processor s", "ratio in processor time")
    wanted = f"Wanted: at most {WANTED_RATIO} for the three commands."
    figures = {
        f"{words[0].strip('-')} over bare, processor time": compare(
            timed[name].cpu_seconds, timed[BARE].cpu_seconds
        ).median
        for name, words in COMMANDS.items()
    }
    return [*table(head, rows), "", wanted], figures


def starter(line: tuple[str, ...]) -> Callable[[], object]:
    """Make a function that starts Python and waits for its end."""
    return lambda: subprocess.run([sys.executable, *line], check=True, capture_output=True)


def cells(timing: Timing, bare: Timing) -> list[str]:
    """Write both times of a thing and their ratios to the bare one."""
    by_clock = compare(timing.seconds, bare.seconds)
    by_processor = compare(timing.cpu_seconds, bare.cpu_seconds)
    return [
        f"{timing.median_s:.2f}", str(by_clock), f"{timing.median_cpu_s:.2f}", str(by_processor)
    ]  # fmt: skip


def time_first_pixels(
    folder: Path, options: argparse.Namespace
) -> tuple[list[str], dict[str, float]]:
    """Deblur one image of 512 x 512 pixels in a process of its own, several times."""
    source = folder / "in.tif"
    write_crop(source, 512)
    command = [sys.executable, "-c", FIRST_PIXELS, "deblur", str(source), "--quiet"]
    command += ["-o", str(folder / "out.tif"), "--overwrite", "--model", options.model]
    rounds = []
    for _ in range(options.warm_up + options.repeats):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rounds.append([float(word) for word in done.stdout.splitlines()[-1].split()])
    imported, imported_cpu, first, first_cpu, whole, whole_cpu = (
        statistics.median(column) for column in zip(*rounds[options.warm_up :], strict=True)
    )
    line = (
        f"512 x 512 pixels with `{options.model}`: torch is imported in {imported:.2f} s "
        f"({imported_cpu:.2f} of processor time), the first restored pixels are there {first:.2f} "
        f"s later ({first_cpu:.2f}; wanted: at most {WANTED_FIRST_S} s), in processor time "
        f"{first_cpu / imported_cpu:.2f} times as long as the import; the file after {whole:.2f} s "
        f"({whole_cpu:.2f})."
    )
    return [line], {"first pixels s": first, "first pixels, processor s": first_cpu}


def time_small_images(
    folder: Path, options: argparse.Namespace
) -> tuple[list[str], dict[str, float]]:
    """Deblur a folder of images of 128 x 128 pixels in turns with the bare network."""
    import focusfix.runtime.executor as executor
    from focusfix.__main__ import main as focusfix

    (folder / "small").mkdir()
    for number in range(options.images):
        write_crop(folder / "small" / f"{number:04d}.tif", 128, seed=number)
    seen: list[tuple[executor.NetworkFunction, tuple[int, ...]]] = []
    call = executor.NetworkFunction.__call__

    def watch(self: executor.NetworkFunction, tiles: np.ndarray) -> np.ndarray:
        seen.append((self, tiles.shape))
        return call(self, tiles)

    def deblur() -> None:
        words = ["deblur", str(folder / "small"), "-o", str(folder / "out"), "--overwrite"]
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as told:
            code = focusfix([*words, "--quiet", "--no-progress", "--model", options.model])
        if code:
            raise SystemExit(f"focusfix deblur has failed: {told.getvalue()}")

    executor.NetworkFunction.__call__ = watch  # type: ignore[method-assign]
    deblur()
    executor.NetworkFunction.__call__ = call  # type: ignore[method-assign]
    function, shape = seen[-1]
    tiles = np.random.default_rng(0).random(shape, dtype=np.float32)
    n_calls = len(seen)
    runs = {"whole": deblur, "bare": lambda: [function(tiles) for _ in range(n_calls)]}
    timed = take_turns(runs, warm_up=0, repeats=min(options.repeats, 3))
    return report_small_images(timed, options, shape)


def report_small_images(
    timed: dict[str, Timing], options: argparse.Namespace, shape: tuple[int, ...]
) -> tuple[list[str], dict[str, float]]:
    """Say how busy the network was, and what a file costs beside it."""
    whole, bare = timed["whole"], timed["bare"]
    busy = compare(bare.seconds, whole.seconds)
    busy_cpu = compare(bare.cpu_seconds, whole.cpu_seconds)
    own_ms = 1000 * (whole.median_cpu_s - bare.median_cpu_s) / options.images
    line = (
        f"{options.images} images of 128 x 128 pixels with `{options.model}`, loading of weights "
        f"included: {options.images / whole.median_s:.1f} images/s; the network, on tiles of "
        f"{shape[-2]} x {shape[-1]} pixels with their halos, is busy {busy} of the time, {busy_cpu}"
        f" of the processor time (wanted: at least {WANTED_BUSY}). Beside the network a file costs "
        f"{own_ms:.0f} ms of processor time."
    )
    return [line], {"busy share": busy.median, "own cpu s per file": own_ms / 1000}


def write_crop(path: Path, side: int, seed: int = 0) -> None:
    """Write a square of the sample's grey values, mirrored where the sample is too small."""
    import tifffile

    pixels = tifffile.imread(SAMPLE)
    pixels = np.pad(pixels, ((0, side), (0, side)), mode="symmetric")
    rng = np.random.default_rng(seed)
    top, left = rng.integers(0, np.array(pixels.shape) - side)
    tifffile.imwrite(path, pixels[top : top + side, left : left + side], compression="lzw")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"measured in {time.perf_counter() - started:.0f} s")
