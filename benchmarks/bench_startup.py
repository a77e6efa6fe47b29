"""How long `focusfix` takes to start, and how busy it keeps the network on many small images.

Three measurements: commands without a network over a bare import of what they need; the first
restored pixels of a 512 x 512 image over an import of torch; and folders of images of 128 x 128 and
256 x 256 pixels over the bare network on the same tiles.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

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
"""What any program with an option pays: Typer 0.29 loads pydantic to read options."""

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
PROGRAM = ("-c", "import sys; from focusfix.__main__ import main; sys.exit(main())")
"""The installed program."""

IMPORT_TORCH = "import sys, time, torch; print(time.time(), time.process_time())"
FIRST_PIXELS = """
import sys, time
from focusfix.cli.model_shelf import ModelShelf
bind, first = ModelShelf.bind, []
def watch(shelf, *given, **named):
    bound = bind(shelf, *given, **named)
    kind = type(bound.function)
    call = kind.__call__
    def watched(function, tiles):
        restored = call(function, tiles)
        first.extend([] if first else [time.time(), time.process_time()])
        return restored
    kind.__call__ = watched
    return bound
ModelShelf.bind = watch
from focusfix.__main__ import main
assert main(sys.argv[1:]) == 0
print(*first, time.time(), time.process_time())
"""
SMALL_SIDES_PX = (128, 256)
"""The smallest images that tell their blur, and what most images of BBBC038 measure."""

KEPT_TILES = 50
MANY_IMAGES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, repeats=5)
    parser.add_argument("--images", type=int, default=50, help="small images in the folder")
    parser.add_argument("--model", default="fluorescence", help="weights, as for focusfix deblur")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keep_byte_code(Path(folder) / "byte-code")
        lines, figures = time_commands(options.warm_up, options.repeats)
        for measure in (time_first_pixels, time_small_images):
            more_lines, more = measure(Path(folder), options)
            lines += ["", *more_lines]
            figures |= more
    command = (
        f"python benchmarks/bench_startup.py --images {options.images} --repeats {options.repeats}"
    )
    publish(options.results, "Start-up", command, lines, figures)


def keep_byte_code(folder: Path) -> None:
    """Let all processes started from here have byte code, as that of an installed program.

    Otherwise a checkout may be compiled at every start, and what is compared with it not.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)
    for line in (*COMMANDS.values(), ("deblur", "--help")):
        starter((*PROGRAM, *line))()
    for text in (*IMPORTS.values(), IMPORT_TORCH):
        starter(("-c", text))()


def time_commands(warm_up: int, repeats: int) -> tuple[list[str], dict[str, float]]:
    """Start each command in turns with the bare imports."""
    lines: dict[str, tuple[str, ...]] = {name: ("-c", text) for name, text in IMPORTS.items()}
    lines |= {name: (*PROGRAM, *words) for name, words in COMMANDS.items()}
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
    """Deblur one image of 512 x 512 pixels, in turns with an import of torch."""
    source = folder / "in.tif"
    write_crop(source, 512)
    words = ["deblur", str(source), "-o", str(folder / "out.tif"), "--overwrite", "--quiet"]
    rounds = []
    warm_up = max(options.warm_up, 1)
    for _ in range(warm_up + options.repeats):
        bare = ask_times(IMPORT_TORCH)
        rounds.append([*bare, *ask_times(FIRST_PIXELS, *words, "--model", options.model)])
    columns = list(zip(*rounds[warm_up:], strict=True))
    torch, torch_cpu, first, first_cpu, whole, whole_cpu = map(statistics.median, columns)
    beyond, beyond_cpu = (
        statistics.median(each - bare for each, bare in zip(late, early, strict=True))
        for early, late in (columns[:4:2], columns[1:4:2])
    )
    line = (
        f"512 x 512 pixels with `{options.model}`: a process that imports torch has it after "
        f"{torch:.2f} s ({torch_cpu:.2f} of processor time); `focusfix deblur` has the first "
        f"restored pixels after {first:.2f} s ({first_cpu:.2f}), which is {beyond:.2f} s "
        f"({beyond_cpu:.2f}; wanted: at most {WANTED_FIRST_S} s) more, and has ended after "
        f"{whole:.2f} s ({whole_cpu:.2f})."
    )
    return [line], {"first pixels s": beyond, "first pixels, processor s": beyond_cpu}


def ask_times(script: str, *words: str) -> list[float]:
    """Run a script that prints times of the clock and of its processor; count from its start."""
    started = time.time()
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = [float(word) for word in done.stdout.splitlines()[-1].split()]
    return [value - started if number % 2 == 0 else value for number, value in enumerate(told)]


def time_small_images(
    folder: Path, options: argparse.Namespace
) -> tuple[list[str], dict[str, float]]:
    """Deblur folders of small images in turns with the bare network."""
    seen = watch_network()
    lines, figures = [], {}
    for side in SMALL_SIDES_PX:
        images = folder / str(side)
        images.mkdir()
        for number in range(options.images):
            write_crop(images / f"{number:04d}.tif", side, seed=number)
        line, more = time_folder(images, options, seen)
        lines += ["", f"{options.images} images of {side} x {side} pixels {line}"]
        figures |= {f"{name}, {side} px": value for name, value in more.items()}
    return lines[1:], figures


def time_folder(
    images: Path, options: argparse.Namespace, seen: "Seen"
) -> tuple[str, dict[str, float]]:
    """Deblur one folder in turns with the bare network."""
    from focusfix.__main__ import main as focusfix

    seen.forget()

    def deblur() -> None:
        seen.n_calls, seen.busy_s, started = 0, 0.0, time.perf_counter()
        words = ["deblur", str(images), "-o", f"{images}-out", "--overwrite"]
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as told:
            code = focusfix([*words, "--quiet", "--no-progress", "--model", options.model])
        if code:
            raise SystemExit(f"focusfix deblur has failed: {told.getvalue()}")
        seen.shares.append(seen.busy_s / (time.perf_counter() - started))

    repeats = min(options.repeats, 3 if options.images <= MANY_IMAGES else 2)
    timed = take_turns({"whole": deblur, "bare": seen.call_again}, warm_up=0, repeats=repeats)
    return report_small_images(timed, options, seen)


@dataclass
class Seen:
    """What passed through the network: how often, and the first tiles."""

    call: Callable[[Any, np.ndarray], np.ndarray]
    n_calls: int = 0
    n_loaded: int = 0
    busy_s: float = 0.0
    shares: list[float] = field(default_factory=list)
    tiles: list[tuple[Any, np.ndarray]] = field(default_factory=list)

    def forget(self) -> None:
        """Begin with another folder."""
        self.n_loaded = 0
        self.shares.clear()
        self.tiles.clear()

    def call_again(self) -> None:
        """Call the network as often, with the tiles that were kept, in their order."""
        for function, tiles in islice(cycle(self.tiles), self.n_calls):
            self.call(function, tiles)


def watch_network() -> Seen:
    """Count the calls of networks, and how often weights are loaded."""
    import focusfix.io.checkpoint as checkpoint
    from focusfix.runtime.executor import NetworkFunction

    seen = Seen(NetworkFunction.__call__)
    load = checkpoint.load_checkpoint

    def watched(function: NetworkFunction, tiles: np.ndarray) -> np.ndarray:
        seen.n_calls += 1
        if len(seen.tiles) < KEPT_TILES:
            seen.tiles.append((function, tiles.copy()))
        started = time.perf_counter()
        restored = seen.call(function, tiles)
        seen.busy_s += time.perf_counter() - started
        return restored

    def counted(path: Path) -> Any:
        seen.n_loaded += 1
        return load(path)

    NetworkFunction.__call__ = watched  # type: ignore[method-assign,assignment]
    checkpoint.load_checkpoint = counted
    return seen


def report_small_images(
    timed: dict[str, Timing], options: argparse.Namespace, seen: Seen
) -> tuple[str, dict[str, float]]:
    """Say how busy the network was, and what a file costs beside it."""
    whole, bare = timed["whole"], timed["bare"]
    busy = compare(bare.seconds, whole.seconds)
    busy_cpu = compare(bare.cpu_seconds, whole.cpu_seconds)
    own_ms = 1000 * (whole.median_cpu_s - bare.median_cpu_s) / options.images
    inside = statistics.median(seen.shares)
    rows, columns = seen.tiles[0][1].shape[-2:]
    line = (
        f"with `{options.model}`, loading of weights included: "
        f"{options.images / whole.median_s:.1f} images/s; weights are loaded "
        f"{seen.n_loaded / len(whole.seconds):.0f} times in a run, those that read blur included; "
        f"the network, on tiles of {rows} x {columns} pixels with their halos, alone takes {busy} "
        f"of the time and {busy_cpu} of the processor time of the run (wanted: at least "
        f"{WANTED_BUSY}); in the run its calls fill {inside:.2f} of the time. Beside the "
        f"network a file costs {own_ms:.0f} ms of processor time."
    )
    return line, {
        "busy share": busy.median,
        "busy share inside": inside,
        "own cpu s per file": own_ms / 1000,
    }


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
