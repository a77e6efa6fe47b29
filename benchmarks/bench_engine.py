"""Throughput of the tile engine, LZW reading and writing included, over the bare network's.

Both process the same tiles, so the ratio is what the engine itself costs; the pixels that are
computed for halos are counted apart. What reading, tiling and writing cost without a network is
measured as well, for TIFF and, where zarr is installed, for OME-Zarr, with the bytes it stores.
"""

import argparse
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from noisy_images import write_noisy_image
from probe_network import ProbeNetwork, grey_tiles
from results import add_options, publish, table
from timing import Timing, compare, take_turns

from focusfix.engine.painter import TileFunction
from focusfix.engine.stream import restore
from focusfix.engine.survey import survey_source
from focusfix.engine.tiles import TilePlan, plan_tiles
from focusfix.io.image import ImageReader, open_image
from focusfix.operations.images import ReaderSource, write_behind
from focusfix.runtime.device import select_device
from focusfix.runtime.executor import build_tile_function

WANTED_RATIO = 0.9
SURVEY, BARE, ENGINE = "survey of the intensities", "bare network", "engine"
OWN = {".tif": "engine without network, TIFF with LZW", ".zarr": "engine without network, OME-Zarr"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, repeats=3)
    parser.add_argument("--side", type=int, default=6_000, help="side of the image, px")
    parser.add_argument("--width", type=int, default=128, help="feature channels of the network")
    parser.add_argument("--folder", type=Path, help="where to write the images for a while")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, network = Path(name), ProbeNetwork(width=options.width)
        write_noisy_image(folder / "in.tif", options.side)
        plan = plan_tiles((options.side, options.side), network.footprint)
        with open_image(folder / "in.tif") as reader:
            runs = runs_of_tiff(reader, folder / "out.tif", network, plan)
            if find_spec("zarr") is not None:
                copy(reader, folder / "in.zarr", plan)
                with open_image(folder / "in.zarr") as stored:
                    runs[OWN[".zarr"]] = lambda: copy(stored, folder / "out.zarr", plan)
                    timed = take_turns(runs, warm_up=options.warm_up, repeats=options.repeats)
            else:
                timed = take_turns(runs, warm_up=options.warm_up, repeats=options.repeats)
        sizes = {each.suffix: stored_bytes(each) for each in folder.glob("in.*")}
    report(timed, sizes, plan, options)


def runs_of_tiff(
    reader: ImageReader, target: Path, network: ProbeNetwork, plan: TilePlan
) -> dict[str, Callable[[], object]]:
    """List what is timed on TIFF."""
    function = build_tile_function(network, device=select_device("cpu"), runtime="torch")
    source = ReaderSource(reader)
    tile = grey_tiles(1, plan.tile_shape)

    def run_bare() -> None:
        for _ in range(plan.n_tiles):
            function(tile)

    return {
        SURVEY: lambda: survey_source(source, source.channel_of_plane),
        BARE: run_bare,
        ENGINE: lambda: copy(reader, target, plan, function),
        OWN[".tif"]: lambda: copy(reader, target, plan),
    }


def copy(
    reader: ImageReader, target: Path, plan: TilePlan, function: TileFunction = lambda tiles: tiles
) -> None:
    """Send an image through the engine; without a network it comes out as it went in."""
    source = ReaderSource(reader)
    scales = survey_source(source, source.channel_of_plane).scales
    blocks = restore(source, function, plan, scales)
    write_behind(target, reader.metadata, blocks, overwrite=True)


def stored_bytes(path: Path) -> int:
    """Count the bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file())


def report(
    timed: dict[str, Timing], sizes: dict[str, int], plan: TilePlan, options: argparse.Namespace
) -> None:
    """Publish throughputs, the ratio, and what is stored."""
    pixels = options.side**2
    rows = [
        [
            name,
            f"{pixels / 1e6 / each.median_s:.2f}",
            f"{pixels / 1e6 / each.median_cpu_s:.2f}",
        ]
        for name, each in timed.items()
    ]
    by_clock = compare(timed[BARE].seconds, timed[ENGINE].seconds)
    by_processor = compare(timed[BARE].cpu_seconds, timed[ENGINE].cpu_seconds)
    facts = (
        f"{options.side} x {options.side} pixels, a probe network of width {options.width}, "
        f"{plan.n_tiles} tiles of {plan.tile_shape[0]} x {plan.tile_shape[1]} pixels, "
        f"{torch.get_num_threads()} threads for the network; halos are {plan.halo_overhead:.1%} "
        "more than the image, in all figures. The engine surveys the intensities first."
    )
    ratio = (
        f"The engine reaches {by_clock} of the bare network, {by_processor} in processor time, "
        f"which knows no overlap (wanted: at least {WANTED_RATIO})."
    )
    stored = "; ".join(
        f"{size / pixels:.2f} bytes per pixel as {end}" for end, size in sizes.items()
    )
    head = ("what", "megapixels/s", "megapixels per processor s")
    lines = [facts, "", *table(head, rows), "", ratio, f"The image takes {stored}."]
    figures = {
        f"{name}, megapixels per processor s": pixels / 1e6 / each.median_cpu_s
        for name, each in timed.items()
    }
    figures |= {f"bytes per pixel, {end}": size / pixels for end, size in sizes.items()}
    figures["engine over bare network"] = by_clock.median
    command = (
        f"python benchmarks/bench_engine.py --side {options.side} --width {options.width} "
        f"--repeats {options.repeats}"
    )
    publish(options.results, "Engine", command, lines, figures)


if __name__ == "__main__":
    main()
