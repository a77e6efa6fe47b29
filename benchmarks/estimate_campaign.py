"""Estimate time, cost and storage of a campaign that is larger than one machine.

Measured figures come from `figures.json`, which the benchmarks write; what was not measured is an
assumption with a name, printed beside the result, and an option changes it. Prints Markdown, or
replaces the tables of a page between its marks.
"""

import argparse
import json
from dataclasses import dataclass, fields
from pathlib import Path

from results import FIGURES, replace_marked, table

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "scaling.md"
HOURS_OF_WEEK = 168.0


@dataclass(frozen=True)
class Assumptions:
    """What was not measured.

    Parameters
    ----------
    pixels : float
        Of the campaign, in all channels.
    field_mpx : float
        Megapixels of one task: a field with its channels.
    cpu_cores : float
        Cores of a CPU node, each of which is taken to do what the measured one does.
    gpu_cores : float
        Cores beside one GPU, which read, decode, encode and write.
    gpu_tflops : float
        What the GPU reaches in the network; 10^12 operations per second.
    node_gbit_s, store_gbit_s : float
        What one node, and the object store in all, take and give; 10^9 bits per second.
    cpu_core_hour, gpu_hour : float
        Price of a core, and of a GPU with its cores; per hour.
    gb_month, million_puts : float
        Price of storage, and of writing a million objects.
    chunk_px : float
        Side of a chunk of OME-Zarr as focusfix writes it; pixels.
    nodes : float
        That work at a time.
    """

    pixels: float = 1e14
    field_mpx: float = 23.3
    cpu_cores: float = 64
    gpu_cores: float = 16
    gpu_tflops: float = 20
    node_gbit_s: float = 10
    store_gbit_s: float = 400
    cpu_core_hour: float = 0.04
    gpu_hour: float = 3.0
    gb_month: float = 0.023
    million_puts: float = 5.0
    chunk_px: float = 1024
    nodes: float = 100


UNITS = {
    "pixels": "pixels in all", "field_mpx": "megapixels per task (5 channels of 2160 x 2160)",
    "cpu_cores": "cores of a CPU node", "gpu_cores": "cores beside one GPU",
    "gpu_tflops": "TFLOP/s that the GPU reaches", "node_gbit_s": "Gbit/s of a node",
    "store_gbit_s": "Gbit/s of the object store", "cpu_core_hour": "USD per core and hour",
    "gpu_hour": "USD per GPU and hour", "gb_month": "USD per GB and month",
    "million_puts": "USD per million objects written", "chunk_px": "pixels, side of a chunk",
    "nodes": "nodes at a time",
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What was measured, on one core.

    Parameters
    ----------
    network, codec, tiff : float
        Megapixels per second of processor time: the shipped network with its halos, and the
        engine without a network on OME-Zarr and on LZW-compressed TIFF.
    gflop : float
        10^9 operations of the network per megapixel, halos included; Fourier transforms are not
        counted.
    side : float
        Of the image that the network was measured on; pixels.
    bytes_per_pixel : float
        Stored as OME-Zarr, with its levels of half the size.
    gpu_network : float or None
        Megapixels per second on a GPU, where one was measured.
    """

    network: float
    codec: float
    tiff: float
    gflop: float
    side: float
    bytes_per_pixel: float
    gpu_network: float | None


@dataclass(frozen=True)
class Node:
    """What each part of one node could do alone; megapixels per second."""

    name: str
    network: float
    codec: float
    wire: float
    shared: bool
    hour: float

    @property
    def rate(self) -> float:
        """Where cores do both, their times add up; else the slowest part decides."""
        if self.shared:
            return min(1 / (1 / self.network + 1 / self.codec), self.wire)
        return min(self.network, self.codec, self.wire)

    @property
    def limit(self) -> str:
        """Name the part that is slowest."""
        parts = {"network": self.network, "codec": self.codec, "wire": self.wire}
        return min(parts, key=lambda part: parts[part])


def read_figures(path: Path) -> Measured:
    """Read what the benchmarks have measured."""
    known = {name: each["figures"] for name, each in json.loads(path.read_text()).items()}
    cpu, engine = known["The shipped network on cpu"], known["Engine"]
    gpu = known.get("The shipped network on cuda", {})
    rate, own = "bare network, megapixels per processor s", "engine without network, "
    return Measured(
        network=cpu[rate],
        codec=engine[f"{own}OME-Zarr, megapixels per processor s"],
        tiff=engine[f"{own}TIFF with LZW, megapixels per processor s"],
        gflop=cpu["GFLOP per megapixel"],
        side=cpu["side of the image"],
        bytes_per_pixel=engine["bytes per pixel, .zarr"],
        gpu_network=gpu.get("bare network, megapixels/s"),
    )


def make_nodes(measured: Measured, assumed: Assumptions) -> tuple[Node, Node]:
    """Put together what one core does, or a GPU, and the rest of a node."""
    bits = 2 * 8 * measured.bytes_per_pixel  # in and out
    wire = assumed.node_gbit_s * 1e3 / bits
    cores, beside = assumed.cpu_cores, assumed.gpu_cores
    on_gpu = measured.gpu_network or assumed.gpu_tflops * 1e3 / measured.gflop
    return (
        Node(
            f"CPU node, {cores:g} cores", cores * measured.network, cores * measured.codec, wire,
            shared=True, hour=cores * assumed.cpu_core_hour,
        ),
        Node(
            f"GPU node, 1 GPU and {beside:g} cores", on_gpu, beside * measured.codec, wire,
            shared=False, hour=assumed.gpu_hour,
        ),
    )  # fmt: skip


def estimate(measured: Measured, assumed: Assumptions) -> list[str]:
    """Write all tables."""
    nodes = make_nodes(measured, assumed)
    return [
        *measured_table(measured),
        "",
        *assumed_table(assumed, measured),
        "",
        *node_table(nodes, measured, assumed),
        "",
        *storage_table(measured, assumed),
    ]


def measured_table(measured: Measured) -> list[str]:
    """Write what was measured."""
    image = f"{measured.side:g} x {measured.side:g} pixels"
    rows = [
        (f"network on {image}, halos included, megapixels per core and second",
         f"{measured.network:.3f}"),
        ("OME-Zarr in and out, engine included, megapixels per core and second",
         f"{measured.codec:.1f}"),
        ("the same for TIFF with LZW", f"{measured.tiff:.1f}"),
        ("operations of the network, GFLOP per megapixel, counted", f"{measured.gflop:.0f}"),
        ("bytes per pixel as OME-Zarr, all levels", f"{measured.bytes_per_pixel:.2f}"),
    ]  # fmt: skip
    if measured.gpu_network is not None:
        rows.append(("network on the GPU, megapixels/s", f"{measured.gpu_network:.1f}"))
    return table(("measured", "figure"), rows)


def assumed_table(assumed: Assumptions, measured: Measured) -> list[str]:
    """Write what was not measured."""
    values = {each.name: getattr(assumed, each.name) for each in fields(Assumptions)}
    if measured.gpu_network is not None:
        del values["gpu_tflops"]
    rows = [
        (f"`--{name.replace('_', '-')}`", UNITS[name], f"{value:g}")
        for name, value in values.items()
    ]
    return table(("assumed", "", "value"), rows)


def node_table(nodes: tuple[Node, Node], measured: Measured, assumed: Assumptions) -> list[str]:
    """Write time, cost and limits, a column for each kind of node."""
    megapixels = assumed.pixels / 1e6
    bits = 2 * 8 * measured.bytes_per_pixel
    hours = [megapixels / each.rate / 3600 for each in nodes]
    days = [f"{each / assumed.nodes / 24:.2f}" for each in hours]
    least = min(nodes[1].codec, nodes[1].wire) * measured.gflop / 1e3
    rows: list[tuple[str, list[str]]] = [
        ("network alone, megapixels/s", [f"{each.network:.1f}" for each in nodes]),
        ("codec alone, megapixels/s", [f"{each.codec:.0f}" for each in nodes]),
        ("wire alone, megapixels/s", [f"{each.wire:.0f}" for each in nodes]),
        ("all together, megapixels/s", [f"{each.rate:.1f}" for each in nodes]),
        ("slowest part", [each.limit for each in nodes]),
        ("TFLOP/s below which the network is slowest", ["", f"{least:.0f}"]),
        ("seconds per task", [f"{assumed.field_mpx / each.rate:.2f}" for each in nodes]),
        ("node hours", [f"{each:,.0f}" for each in hours]),
        (f"days with {assumed.nodes:g} nodes", days),
        ("nodes for one week", [f"{each / HOURS_OF_WEEK:.0f}" for each in hours]),
        ("USD", [f"{each * node.hour:,.0f}" for each, node in zip(hours, nodes, strict=True)]),
        ("nodes at which the object store is full",
         [f"{assumed.store_gbit_s * 1e3 / bits / each.rate:.0f}" for each in nodes]),
    ]  # fmt: skip
    return table(("", *(each.name for each in nodes)), [(name, *cells) for name, cells in rows])


def storage_table(measured: Measured, assumed: Assumptions) -> list[str]:
    """Write bytes, objects and tasks."""
    terabytes = assumed.pixels * measured.bytes_per_pixel / 1e12
    objects = assumed.pixels / assumed.chunk_px**2 * 4 / 3
    tasks = assumed.pixels / 1e6 / assumed.field_mpx
    rows = [
        ("input, and output again, TB each", f"{terabytes:,.0f}"),
        ("USD per month for one of them", f"{terabytes * 1e3 * assumed.gb_month:,.0f}"),
        ("objects written, millions", f"{objects / 1e6:,.0f}"),
        ("USD for writing them", f"{objects / 1e6 * assumed.million_puts:,.0f}"),
        ("tasks, millions", f"{tasks / 1e6:.1f}"),
    ]
    return table(("storage", "figure"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, default=HERE / FIGURES)
    parser.add_argument("--page", type=Path, nargs="?", const=PAGE, help="page to change")
    for each in fields(Assumptions):
        name = f"--{each.name.replace('_', '-')}"
        parser.add_argument(name, type=float, default=each.default, help=UNITS[each.name])
    options = parser.parse_args()
    assumed = Assumptions(
        **{each.name: getattr(options, each.name) for each in fields(Assumptions)}
    )
    lines = estimate(read_figures(options.figures), assumed)
    print("\n".join(lines))
    if options.page is not None:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(replace_marked(page, Path(__file__).name, lines), encoding="utf-8")


if __name__ == "__main__":
    main()
