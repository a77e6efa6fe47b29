"""Throughput of the tile engine, LZW reading and writing included, over the bare network's.

Both process the same tiles, so the ratio is what the engine itself costs; the pixels that are
computed for halos are counted apart. Reading for the intensity scale is timed apart as well.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from bench_memory import write_noisy_image
from probe_network import ProbeNetwork

from focusfix.engine.painter import TileFunction
from focusfix.engine.stream import restore
from focusfix.engine.survey import survey_source
from focusfix.engine.tiles import plan_tiles
from focusfix.io.image import ImageReader, open_image, write_image
from focusfix.operations.images import ReaderSource
from focusfix.runtime.device import select_device
from focusfix.runtime.executor import build_tile_function

WANTED_RATIO = 0.85


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=6_000, help="side of the image, px")
    parser.add_argument("--width", type=int, default=128, help="feature channels of the network")
    parser.add_argument("--repeats", type=int, default=3, help="best of so many runs")
    parser.add_argument("--folder", type=Path, help="where to write the images for a while")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, target = Path(folder) / "in.tif", Path(folder) / "out.tif"
        write_noisy_image(source, options.side)
        network = ProbeNetwork(width=options.width)
        with open_image(source) as reader:
            compare(reader, target, network, options.repeats)


def compare(reader: ImageReader, target: Path, network: ProbeNetwork, repeats: int) -> None:
    """Time the bare network and the engine in turns, and print both."""
    function = build_tile_function(network, device=select_device("cpu"), runtime="torch")
    pixels = ReaderSource(reader)
    scales = survey_source(pixels, pixels.channel_of_plane).scales
    plan = plan_tiles(pixels.shape_yx, network.footprint)
    tile = np.random.default_rng(0).random((1, 1, *plan.tile_shape), dtype=np.float32)

    def fit_scales() -> None:
        survey_source(pixels, pixels.channel_of_plane)

    def run_bare() -> None:
        for _ in range(plan.n_tiles):
            function(tile)

    def run_engine(tile_function: TileFunction = function) -> None:
        bands = restore(pixels, tile_function, plan, scales)
        write_image(target, reader.metadata, bands, overwrite=True)

    function(tile)
    runs = (fit_scales, run_bare, run_engine, lambda: run_engine(lambda tiles: tiles))
    timed = np.array([[seconds(run) for run in runs] for _ in range(repeats)])
    (fit_s, bare_s, engine_s, _), (_, bare_cpu_s, engine_cpu_s, own_cpu_s) = timed.min(axis=0).T
    megapixels = plan.shape_yx[0] * plan.shape_yx[1] / 1e6
    print(f"{plan.n_tiles} tiles of {plan.tile_shape}, {os.cpu_count()} CPUs,", end=" ")
    print(f"{torch.get_num_threads()} threads for the network")
    print(f"halo overhead {plan.halo_overhead:.1%} of the pixels (in both figures)")
    print(f"fitting the intensity scale:   {megapixels / fit_s:.1f} megapixels/s")
    print(f"engine without network:        {megapixels / own_cpu_s:.1f} megapixels per CPU second")
    print(f"bare network:                  {megapixels / bare_s:.2f} megapixels/s")
    print(f"engine with LZW in and out:    {megapixels / engine_s:.2f} megapixels/s")
    print(f"ratio {bare_s / engine_s:.2f} (wanted: at least {WANTED_RATIO})", end="; ")
    print(f"in CPU time, which knows no overlap, {bare_cpu_s / engine_cpu_s:.2f}")


def seconds(run: Callable[[], None]) -> tuple[float, float]:
    """Time one run by the clock and in CPU time of all threads."""
    started, started_cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - started, time.process_time() - started_cpu


if __name__ == "__main__":
    main()
