"""A network: bare in each runtime, through focusfix from file to file, and through its peers.

focusfix decodes and encodes LZW-compressed TIFF on the way; MONAI's `sliding_window_inference`
(overlap 0.25, Gaussian) and CAREamics' tiled prediction (overlap 48 pixels, its default) have the
whole image in memory and return it there, in windows of 512 pixels. All use the same weights,
number format, threads and device. A runtime or a peer that is not there is left out.

What tiles are worth shows where they meet: results are compared with that of one tile around the
first corner of tiles.

`--model u-net` is a U-Net of 1.9 million parameters with random weights (`multilevel-unet` with
one level): a purely convolutional network, which OpenVINO can take.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from measured_network import U_NET, count_work, find_or_make_weights, product_rate
from network_peers import Assignment, start_peers
from noisy_images import write_noisy_image
from probe_network import grey_tiles
from results import add_options, publish, table
from seam_check import GREY_LEVELS, FloatArray, prepare_check, restore_whole
from timing import Timing, compare, time_once

from focusfix.engine.stream import restore
from focusfix.engine.survey import survey_source
from focusfix.engine.tiles import TilePlan, plan_tiles
from focusfix.errors import DeviceError
from focusfix.io.checkpoint import load_checkpoint
from focusfix.io.image import ImageReader, open_image
from focusfix.operations.images import ReaderSource, choose_batch_size, write_behind
from focusfix.runtime.device import Device, select_device
from focusfix.runtime.executor import NetworkFunction, build_tile_function
from focusfix.runtime.memory import bytes_per_pixel, largest_tile_px

RUNTIMES = {"torch": "torch", "openvino": "OpenVINO"}
WANTED_OVER_BARE, WANTED_OVER = 0.9, {"MONAI": 3.0, "CAREamics": 2.0}
WANTED_HALO = 0.25
BARE, WHOLE = "bare network", "focusfix, LZW in and out"
WITHOUT_HALOS = "bare network without halos"
MOST_BYTES = 2_000_000_000
"""What `focusfix deblur` takes at most, unless `--max-memory` says otherwise."""

Run = Callable[[], tuple[float, float]]
"""Does something once; returns seconds by the clock and of processor time."""


class Measured(NamedTuple):
    """What was compared, and how long it took.

    Parameters
    ----------
    timed : dict of str to Timing
        By way.
    best : NetworkFunction
        What ``--runtime auto`` takes.
    plan : TilePlan
        Tiles.
    notes : list of str
        On what is missing, and versions of peers.
    work : float
        10^9 operations per 10^6 pixels, halos included.
    product : float
        10^9 operations per second of matrix products.
    differences : dict of str to float
        By way: from one tile, over the standard deviation.
    """

    timed: Mapping[str, Timing]
    best: NetworkFunction
    plan: TilePlan
    notes: list[str]
    work: float
    product: float
    differences: Mapping[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    add_options(parser, repeats=3)
    parser.add_argument("--side", type=int, default=4096, help="side of the image, px")
    parser.add_argument(
        "--model", default="fluorescence", help=f"{U_NET}, or weights as for focusfix deblur"
    )
    parser.add_argument("--device", default="auto", help="as for focusfix deblur")
    parser.add_argument("--threads", type=int, help="of each program; all when not given")
    parser.add_argument("--peer-python", type=Path, help="of an environment with MONAI, CAREamics")
    parser.add_argument("--folder", type=Path, help="where to write the images for a while")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # for the peers
    words = f" --threads {options.threads}" if options.threads else ""
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write_noisy_image(folder / "in.tif", options.side)
        weights = find_or_make_weights(options.model, folder)
        with open_image(folder / "in.tif") as reader:
            measured = measure(reader, weights, folder, options)
    lines, figures = describe(measured, options)
    publish(
        options.results,
        title_of(options.model, measured.best.device, options.threads),
        f"python benchmarks/bench_network.py --side {options.side} --model {options.model} "
        f"--repeats {options.repeats}{words}",
        lines,
        figures,
    )


def title_of(model: str, device: Device, threads: int | None) -> str:
    """Name the section of the page."""
    name = "A U-Net of 1.9 million parameters" if model == U_NET else "The shipped network"
    all_of_them = " with all threads" if device.kind == "cpu" and threads is None else ""
    return f"{name} on {device.kind}{all_of_them}"


def measure(
    reader: ImageReader, weights: Path, folder: Path, options: argparse.Namespace
) -> Measured:
    """Time all that is there in turns."""
    device = select_device(options.device)
    best = prepare(weights, device, 0, "auto")
    plan = plan_as_the_command(reader, weights, best)
    build = partial(prepare, weights, device)
    functions, notes = list_functions(partial(build, plan.halo_px))
    ways: dict[str, Run] = dict(own_ways(functions, reader, plan, folder / "out.tif"))
    ways |= without_halos(best, plan)
    image = save_for_peers(reader, folder / "in.npy")
    assignment = Assignment(weights, folder / "in.npy", best.precision, device.name, folder)
    with start_peers(options.peer_python, assignment) as (peers, said):
        ways |= {peer_way(label): peer.run for label, peer in peers.items()}
        rounds = [
            {name: run() for name, run in ways.items()}
            for _ in range(options.warm_up + options.repeats)
        ][options.warm_up :]
    timed = {name: Timing(*zip(*(each[name] for each in rounds), strict=True)) for name in ways}
    check = prepare_check(image, plan, lambda halo: build(halo, "torch"))
    restored = restore_whole(ReaderSource(reader), functions[best.runtime], plan)
    differences = {own_way(WHOLE, best.runtime): check.difference(restored)}
    for label in peers:
        differences[peer_way(label)] = check.difference(np.load(assignment.result(label)))
    work = count_work(weights, plan)
    product = product_rate(best.precision, device.name)
    return Measured(timed, best, plan, [*notes, *said], work, product, differences)


def plan_as_the_command(reader: ImageReader, weights: Path, function: NetworkFunction) -> TilePlan:
    """Plan tiles as `focusfix deblur` does: within its memory on the CPU."""
    network, _ = load_checkpoint(weights)
    most_px = None
    if function.device.kind == "cpu":
        needed = bytes_per_pixel(network.eval())
        most_px = largest_tile_px(needed, MOST_BYTES, function.runtime)
    return plan_tiles(reader.metadata.shape_yx, network.footprint, most_px=most_px)


def without_halos(function: NetworkFunction, plan: TilePlan) -> dict[str, Run]:
    """Make a way that computes cores alone, as if pixels needed no others around them."""
    cores = grey_tiles(1, plan.core_yx)

    def run() -> None:
        for _ in range(plan.n_tiles):
            function(cores)

    return {own_way(WITHOUT_HALOS, function.runtime): partial(time_once, run)}


def prepare(weights: Path, device: Device, margin_px: int, runtime: str) -> NetworkFunction:
    """Load the network for one runtime, and leave the margin of tiles out."""
    network, _ = load_checkpoint(weights)
    return build_tile_function(
        network,
        device=device,
        runtime=runtime,
        margin_px=margin_px,
    )


def list_functions(
    build: Callable[[str], NetworkFunction],
) -> tuple[dict[str, NetworkFunction], list[str]]:
    """Prepare every runtime that can take the network; say why the others cannot."""
    found, notes = {}, []
    for runtime, name in RUNTIMES.items():
        try:
            found[runtime] = build(runtime)
        except DeviceError as error:
            notes.append(f"{name} was not measured: {error.cause}")
    return found, notes


def own_ways(
    functions: Mapping[str, NetworkFunction], reader: ImageReader, plan: TilePlan, target: Path
) -> Iterator[tuple[str, Run]]:
    """List the bare network and focusfix, in every runtime."""
    source = ReaderSource(reader)
    for runtime, function in functions.items():
        batch = choose_batch_size(plan.tile_shape, function.device)
        tiles = grey_tiles(batch, plan.tile_shape)

        def run_bare(function=function, tiles=tiles, calls=-(-plan.n_tiles // batch)) -> None:
            for _ in range(calls):
                function(tiles)

        def run_whole(function=function, batch=batch) -> None:
            scales = survey_source(source, source.channel_of_plane).scales
            restored = restore(source, function, plan, scales, batch_size=batch)
            write_behind(target, reader.metadata, restored, overwrite=True)

        yield own_way(BARE, runtime), partial(time_once, run_bare)
        yield own_way(WHOLE, runtime), partial(time_once, run_whole)


def own_way(name: str, runtime: str) -> str:
    """Name a row of the table."""
    return f"{name}, {RUNTIMES[runtime]}"


def peer_way(label: str) -> str:
    """Name a row of the table."""
    return f"{label}, in memory, torch"


def save_for_peers(reader: ImageReader, path: Path) -> FloatArray:
    """Write the image as the peers take it, and return it."""
    rows, columns = (slice(0, size) for size in reader.metadata.shape_yx)
    image = reader.read_window(0, rows, columns)[..., 0].astype(np.float32) / GREY_LEVELS
    np.save(path, image)
    return image


def describe(measured: Measured, options: argparse.Namespace) -> tuple[list[str], dict[str, float]]:
    """Lay out throughputs and ratios."""
    timed, best, plan, notes, work, product, differences = measured
    megapixels = options.side**2 / 1e6
    whole = timed[own_way(WHOLE, best.runtime)]
    rows = [
        [
            name, f"{megapixels / each.median_s:.3f}", f"{megapixels / each.median_cpu_s:.3f}",
            str(compare(each.seconds, whole.seconds)),
            str(compare(each.cpu_seconds, whole.cpu_seconds)),
            f"{differences[name]:.2g}" if name in differences else "",
        ]
        for name, each in timed.items()
    ]  # fmt: skip
    mine = own_way("focusfix", best.runtime)
    with_halos, without = (timed[own_way(each, best.runtime)] for each in (BARE, WITHOUT_HALOS))
    halo_work = compare(with_halos.cpu_seconds, without.cpu_seconds).median - 1
    head = (
        "way",
        "megapixels/s",
        "per processor s",
        f"{mine}, is faster by",
        "in processor time",
        "differs from one tile by",
    )
    formats = "" if best.precision == "bf16" or best.device.kind != "cpu" else (
        ", for this processor has no instructions for bf16"
    )  # fmt: skip
    facts = (
        f"`{options.model}` on {options.side} x {options.side} pixels in {best.precision} on "
        f"{best.device.kind}{formats}; {torch.get_num_threads()} threads; `--runtime auto` takes "
        f"{RUNTIMES[best.runtime]}. {plan.n_tiles} tiles of {plan.tile_shape[0]} x "
        f"{plan.tile_shape[1]} pixels; halos are {plan.halo_overhead:.1%} more pixels and "
        f"{halo_work:.1%} more processor time (wanted: at most {WANTED_HALO:.0%}); "
        f"{work:.0f} GFLOP per megapixel, of which the bare network does "
        f"{work * megapixels / with_halos.median_s:.0f} in a second, and a product of matrices "
        f"{product:.0f}. {' '.join(notes)} Differences are the largest ones, over "
        f"the standard deviation of the result."
    )
    over_peers = ", ".join(f"{factor:g} {label}" for label, factor in WANTED_OVER.items())
    wanted = f"Wanted: at least {WANTED_OVER_BARE} of the bare network, {over_peers}."
    figures = {
        f"{each}, {unit}": value
        for name, taken in timed.items()
        for each in names_of_figures(name, best.runtime)
        for unit, value in (
            ("megapixels/s", megapixels / taken.median_s),
            ("megapixels per processor s", megapixels / taken.median_cpu_s),
        )
    }
    figures |= {"threads": float(torch.get_num_threads()), "GFLOP per megapixel": work}
    figures |= {"side of the image": float(options.side), "halo overhead": plan.halo_overhead}
    figures |= {"halo overhead in processor time": halo_work}
    return [facts, "", *table(head, rows), "", wanted], figures


def names_of_figures(way: str, best_runtime: str) -> list[str]:
    """Name a way, and once more without its runtime where that is what ``auto`` takes."""
    plain = [name for name in (BARE, WHOLE) if way == own_way(name, best_runtime)]
    return [way, *plain]


if __name__ == "__main__":
    main()
