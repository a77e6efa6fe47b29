"""Peak memory of restoring a large image over that of a small one, both LZW-compressed TIFF."""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from results import add_results_option, publish, table

WANTED_RATIO = 1.1
_BAND_ROWS = 500


def write_noisy_image(path: Path, side: int) -> None:
    """Write a square 12-bit image of smooth structure and camera noise as LZW-compressed TIFF."""
    from focusfix.io.image import ImageMetadata, write_image

    metadata = ImageMetadata(
        axes="YX", shape=(side, side), dtype=np.dtype(np.uint16), format="imagej"
    )
    write_image(path, metadata, _noisy_bands(side), compression="lzw", overwrite=True)


def _noisy_bands(side: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    columns = np.sin(np.arange(side, dtype=np.float32) / 37)
    for first in range(0, side, _BAND_ROWS):
        rows = np.sin(np.arange(first, min(first + _BAND_ROWS, side), dtype=np.float32) / 23)
        band = np.multiply.outer(rows, columns)
        band *= 800
        band += 1500
        band += 15 * random.standard_normal(band.shape, dtype=np.float32)
        yield band.astype(np.uint16)[..., None]


def restore_file(source: Path, target: Path) -> None:
    """Restore one file as ``focusfix deblur`` does, with a cheap network."""
    from probe_network import ProbeNetwork

    from focusfix.engine.stream import restore
    from focusfix.engine.survey import survey_source
    from focusfix.engine.tiles import plan_tiles
    from focusfix.io.image import open_image, write_image
    from focusfix.operations.images import ReaderSource
    from focusfix.runtime.device import select_device
    from focusfix.runtime.executor import build_tile_function

    network = ProbeNetwork()
    function = build_tile_function(network, device=select_device("cpu"), runtime="torch")
    with open_image(source) as reader:
        pixels = ReaderSource(reader)
        scales = survey_source(pixels, pixels.channel_of_plane).scales
        plan = plan_tiles(pixels.shape_yx, network.footprint)
        bands = restore(pixels, function, plan, scales)
        write_image(target, reader.metadata, bands, overwrite=True)


def peak_memory_mib() -> float:
    """Peak resident memory of this process in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=20_000, help="side of the large image, px")
    parser.add_argument("--small", type=int, default=4_000, help="side of the small image, px")
    parser.add_argument("--folder", type=Path, help="where to write about 2 GB for a while")
    add_results_option(parser)
    parser.add_argument("--child", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        restore_file(*options.child)
        print(peak_memory_mib())
        return
    peaks, rows = [], []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, target = Path(folder) / "in.tif", Path(folder) / "out.tif"
        for side in (options.small, options.large):
            write_noisy_image(source, side)
            command = [sys.executable, __file__, "--child", str(source), str(target)]
            result = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks.append(float(result.stdout))
            rows.append([f"{side} x {side}", f"{peaks[-1]:.0f}"])
    ratio = peaks[1] / peaks[0]
    verdict = f"Ratio of peaks {ratio:.2f} (wanted: at most {WANTED_RATIO})."
    lines = [*table(("pixels, uint16, LZW", "peak MiB"), rows), "", verdict]
    command = f"python benchmarks/bench_memory.py --small {options.small} --large {options.large}"
    figures = {"large peak over small": ratio, "peak MiB": max(peaks)}
    publish(options.results, "Memory", command, lines, figures)


if __name__ == "__main__":
    main()
