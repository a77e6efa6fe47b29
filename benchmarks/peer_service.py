"""What both peers of `bench_network.py` share; runs in the environment of the peers.

A peer writes a line with its name, then reads lines from stdin; for each, it restores the image
once and writes one line: seconds by the clock and of processor time.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from focusfix.io.checkpoint import load_checkpoint

FloatArray = npt.NDArray[np.float32]


class Task(NamedTuple):
    """What a peer is to do.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode, on the device.
    image : ndarray of float32, shape (Y, X)
        Scaled to a nominal [0, 1].
    tile_px : int
        Side of the square windows.
    precision : {"fp32", "bf16"}
        Number format of convolutions.
    device : str
        As torch calls it.
    """

    network: torch.nn.Module
    image: FloatArray
    tile_px: int
    precision: str
    device: str


def read_task(description: str | None) -> tuple[Task, Path]:
    """Read the command line; return what to do, and where to put the first result."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True, help=".npy, float32, scaled")
    parser.add_argument("--tile", type=int, required=True, help="side of a window, px")
    parser.add_argument("--precision", choices=("fp32", "bf16"), required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument(
        "--keep", type=Path, required=True, help="where to put the first result, as .npy"
    )
    options = parser.parse_args()
    network, _ = load_checkpoint(options.weights)
    network.eval().to(device=options.device, memory_format=torch.channels_last)
    image = np.load(options.image)
    task = Task(network, image, options.tile, options.precision, options.device)
    return task, options.keep


def serve(name: str, restore: Callable[[], FloatArray], keep: Path) -> None:
    """Restore the image whenever a line comes in; keep the first result."""
    print(f"{name}, torch {torch.__version__}", flush=True)
    for _ in sys.stdin:
        started, started_cpu = time.perf_counter(), time.process_time()
        restored = restore()
        taken = time.perf_counter() - started, time.process_time() - started_cpu
        if not keep.exists():
            np.save(keep, restored)
        print(*taken, flush=True)
