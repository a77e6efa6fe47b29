"""A shipped network: bare, through focusfix from file to file, and through MONAI if it is there.

focusfix decodes and encodes LZW-compressed TIFF on the way; MONAI's `sliding_window_inference`
(overlap 0.25, Gaussian) has the whole image in memory and returns it there. All use the same
weights, number format, threads and device. Without `--peer-python` MONAI is left out.
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import torch
from noisy_images import write_noisy_image
from probe_network import grey_tiles
from results import add_options, publish, table
from timing import Timing, compare, time_once
from torch.utils.flop_counter import FlopCounterMode

import focusfix
from focusfix.blocks import bands_as_blocks
from focusfix.engine.stream import restore
from focusfix.engine.survey import survey_source
from focusfix.engine.tiles import TilePlan, plan_tiles
from focusfix.io.checkpoint import load_checkpoint
from focusfix.io.image import ImageReader, open_image, write_image
from focusfix.io.weights import find_weights
from focusfix.operations.images import ReaderSource, choose_batch_size
from focusfix.runtime.device import select_device
from focusfix.runtime.executor import NetworkFunction, build_tile_function

PEER = Path(__file__).with_name("peer_monai.py")
PEER_WINDOW_PX = 512
WANTED_OVER_BARE, WANTED_OVER_PEER = 0.9, 3.0
BARE, WHOLE, OTHER = "bare network", "focusfix, LZW in and out", "MONAI, in memory"


class Peer:
    """MONAI in its own process, which restores the image whenever it is asked.

    Parameters
    ----------
    python : Path
        Of an environment with MONAI.
    weights, image : Path
        What it runs on what.
    function : NetworkFunction
        Tells number format and device.
    """

    def __init__(self, python: Path, weights: Path, image: Path, function: NetworkFunction) -> None:
        precision = "bf16" if function.precision == "bf16" else "fp32"
        command = [python, PEER, "--weights", weights, "--image", image, "--tile", PEER_WINDOW_PX]
        command += ["--precision", precision, "--device", function.device.name]
        source = str(Path(focusfix.__file__).parents[1])
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": source, "PYTHONWARNINGS": "ignore"},
        )
        self.name = self._line()

    def run(self) -> tuple[float, float]:
        """Restore once; return seconds by the clock and of processor time."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        by_clock, by_processor = (float(word) for word in self._line().split())
        return by_clock, by_processor

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the peer ended with {self._process.wait()}; see {PEER.name}")
        return line.strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, repeats=3)
    parser.add_argument("--side", type=int, default=2048, help="side of the image, px")
    parser.add_argument("--model", default="fluorescence", help="weights, as for focusfix deblur")
    parser.add_argument("--device", default="auto", help="as for focusfix deblur")
    parser.add_argument("--runtime", default="auto", help="as for focusfix deblur")
    parser.add_argument("--peer-python", type=Path, help="Python that can import MONAI")
    parser.add_argument("--folder", type=Path, help="where to write the images for a while")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write_noisy_image(folder / "in.tif", options.side)
        with open_image(folder / "in.tif") as reader:
            compare_ways(reader, folder, options)


def compare_ways(reader: ImageReader, folder: Path, options: argparse.Namespace) -> None:
    """Time all that is there in turns, and publish."""
    weights = find_weights(options.model)
    network, _ = load_checkpoint(weights)
    source = ReaderSource(reader)
    plan = plan_tiles(source.shape_yx, network.footprint)
    device = select_device(options.device)
    function = build_tile_function(
        network, device=device, runtime=options.runtime, margin_px=plan.halo_px
    )
    batch = choose_batch_size(plan.tile_shape, device)
    tiles = grey_tiles(batch, plan.tile_shape)

    def run_bare() -> None:
        for _ in range(-(-plan.n_tiles // batch)):
            function(tiles)

    def run_whole() -> None:
        survey = survey_source(source, source.channel_of_plane)
        bands = restore(source, function, plan, survey.scales, batch_size=batch)
        blocks = bands_as_blocks(bands, source.shape_yx)
        write_image(folder / "out.tif", reader.metadata, blocks, overwrite=True)

    ways = {BARE: lambda: time_once(run_bare), WHOLE: lambda: time_once(run_whole)}
    missing = why_missing(options.peer_python)
    note = f"MONAI was not measured: {missing}."
    python = None if missing else options.peer_python
    with peer_for(python, weights, folder, function, reader) as peer:
        if peer is not None:
            ways[OTHER], note = peer.run, f"{peer.name}."
        rounds = [
            {name: way() for name, way in ways.items()}
            for _ in range(options.warm_up + options.repeats)
        ][options.warm_up :]
    timed = {name: Timing(*zip(*(each[name] for each in rounds), strict=True)) for name in ways}
    report(timed, plan, function, options, note, count_work(weights, plan))


def count_work(weights: Path, plan: TilePlan) -> float:
    """Count the operations of matrix products and convolutions; 10^9 per 10^6 pixels of the image.

    A multiplication and an addition are two; halos are part of it.
    """
    network, _ = load_checkpoint(weights)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.restore_core(torch.zeros(1, 1, *plan.tile_shape), plan.halo_px)
    pixels = plan.shape_yx[0] * plan.shape_yx[1]
    return counter.get_total_flops() * plan.n_tiles / pixels / 1e3


def why_missing(python: Path | None) -> str | None:
    """Say why there is no peer; None if there is one."""
    if python is None:
        return "no --peer-python was given"
    try:
        done = subprocess.run([python, "-c", "import monai"], check=False, capture_output=True)
    except OSError as error:
        return f"its Python does not start ({error.strerror})"
    return "its environment has no MONAI" if done.returncode else None


@contextmanager
def peer_for(
    python: Path | None, weights: Path, folder: Path, function: NetworkFunction, reader: ImageReader
) -> Iterator[Peer | None]:
    """Start the peer with the image as an array, if there is one."""
    if python is None:
        yield None
        return
    rows, columns = (slice(0, size) for size in reader.metadata.shape_yx)
    pixels = reader.read_window(0, rows, columns)[..., 0].astype(np.float32) / 4095
    np.save(folder / "in.npy", pixels)
    with Peer(python, weights, folder / "in.npy", function) as peer:
        yield peer


def report(
    timed: dict[str, Timing],
    plan: TilePlan,
    function: NetworkFunction,
    options: argparse.Namespace,
    note: str,
    work: float,
) -> None:
    """Publish throughputs and ratios."""
    megapixels = options.side**2 / 1e6
    whole = timed[WHOLE]
    rows = [
        [
            name, f"{megapixels / each.median_s:.3f}", f"{megapixels / each.median_cpu_s:.3f}",
            str(compare(each.seconds, whole.seconds)),
            str(compare(each.cpu_seconds, whole.cpu_seconds)),
        ]
        for name, each in timed.items()
    ]  # fmt: skip
    head = ("way", "megapixels/s", "per processor s", "focusfix is faster by", "in processor time")
    facts = (
        f"`{options.model}` on {options.side} x {options.side} pixels, {function.runtime} in "
        f"{function.precision} on {function.device.kind}, {torch.get_num_threads()} threads; "
        f"{plan.n_tiles} tiles of {plan.tile_shape[0]} x {plan.tile_shape[1]} pixels, of which "
        f"halos are {plan.halo_overhead:.1%} more than the image; {work:.0f} GFLOP per megapixel. "
        f"{note}"
    )
    wanted = f"Wanted: at least {WANTED_OVER_BARE} of the bare network, {WANTED_OVER_PEER:g} MONAI."
    lines = [facts, "", *table(head, rows), "", wanted]
    figures = {f"{name}, megapixels/s": megapixels / each.median_s for name, each in timed.items()}
    figures |= {
        f"{name}, megapixels per processor s": megapixels / each.median_cpu_s
        for name, each in timed.items()
    }
    figures |= {"threads": float(torch.get_num_threads()), "GFLOP per megapixel": work}
    figures["side of the image"] = float(options.side)
    publish(
        options.results,
        f"The shipped network on {function.device.kind}",
        f"python benchmarks/bench_network.py --side {options.side} --model {options.model} "
        f"--repeats {options.repeats}",
        lines,
        figures,
    )


if __name__ == "__main__":
    main()
