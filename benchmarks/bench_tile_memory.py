"""What a process takes for the largest tile that memory is said to suffice for.

`focusfix deblur` adds up the tensors of a network that exist at a time, on one small tile, and
chooses tiles by that and by a factor for what the process takes on top. Here each network computes
such a tile, for `--max-memory` as the user leaves it, in a process of its own whose peak is read.
Networks have random weights; the size of a network does not depend on them.
"""

import argparse
import json
import math
import subprocess
import sys
from typing import NamedTuple

from bench_memory import peak_memory_mib
from results import add_results_option, publish, table

TITLE = "Memory of tiles"
MOST_BYTES = 2_000_000_000
MODELS: dict[str, dict[str, object]] = {
    "wiener-unet": {},
    "multilevel-unet": {},
    "care-unet": {},
    "rdn": {},
    "refocus": {},
    "deepdeblur": {"blocks": 3, "width": 20},
}
"""Networks as they are by default; DeepDeblur narrower, as it would take minutes for a tile."""

CALLS = 3


class TileCost(NamedTuple):
    """What one tile costs.

    Parameters
    ----------
    side_px : int
        Side of the tile.
    tensor_mb : float
        Tensors that exist at a time, as they are added up.
    before_mb, peak_mb : float
        Largest memory of the process, after a small tile and after the large ones.
    """

    side_px: int
    tensor_mb: float
    before_mb: float
    peak_mb: float

    @property
    def taken(self) -> float:
        """Memory for each byte of tensors, beyond what the program takes by itself."""
        return (self.peak_mb - self.before_mb) / self.tensor_mb


def measure_here(model: str) -> TileCost:
    """Compute tiles in this process."""
    import numpy as np

    from focusfix.engine.tile_sizes import MOST_TILE_PX
    from focusfix.models.registry import build_network
    from focusfix.operations.bindings import make_room
    from focusfix.runtime.device import select_device
    from focusfix.runtime.executor import build_tile_function
    from focusfix.runtime.memory import bytes_per_pixel

    network = build_network(model, MODELS[model]).eval()
    halo, stride = network.footprint.halo_px, network.footprint.stride_px
    each = bytes_per_pixel(network)
    function = build_tile_function(
        network, device=select_device("cpu"), runtime="torch", margin_px=halo
    )
    least = math.ceil((2 * halo + stride) / stride) * stride
    most = min(make_room(network, function, MOST_BYTES, 1), MOST_TILE_PX)
    side = max(most // stride * stride, least)
    random = np.random.default_rng(0)
    function(random.random((1, 1, least, least), dtype=np.float32))
    before = peak_memory_mib()
    for _ in range(CALLS):
        function(random.random((1, 1, side, side), dtype=np.float32))
    to_mb = 2**20 / 1e6
    return TileCost(side, each * side**2 / 1e6, to_mb * before, to_mb * peak_memory_mib())


def measure(model: str) -> TileCost:
    """Compute tiles in another process."""
    command = [sys.executable, __file__, "--child", model]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return TileCost(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--models", nargs="+", default=[*MODELS], choices=[*MODELS])
    parser.add_argument("--child", help=argparse.SUPPRESS)
    add_results_option(parser)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure_here(options.child)._asdict()))
        return
    rows, figures = [], {}
    for model in options.models:
        cost = measure(model)
        figures[f"{model}: memory for each byte of tensors"] = cost.taken
        rows.append(
            [
                f"`{model}`", str(cost.side_px), f"{cost.tensor_mb:.0f}", f"{cost.before_mb:.0f}",
                f"{cost.peak_mb:.0f}", f"{cost.taken:.2f}",
            ]
        )  # fmt: skip
    from focusfix.runtime.memory import TAKEN

    head = (
        "network", "side of the tile", "MB of tensors", "MB before", "MB at most",
        "MB for each MB of tensors",
    )  # fmt: skip
    most = max(float(row[4]) for row in rows)
    lines = [
        f"Random weights in torch, tiles as large as {MOST_BYTES / 1e6:.0f} MB of memory allow.",
        "",
        *table(head, rows),
        "",
        (
            f"Tiles are chosen with {TAKEN['torch']} MB for each MB of tensors. The highest peak "
            f"is {most:.0f} MB (wanted: at most {MOST_BYTES / 1e6:.0f})."
        ),
    ]
    publish(options.results, TITLE, "python benchmarks/bench_tile_memory.py", lines, figures)


if __name__ == "__main__":
    main()
