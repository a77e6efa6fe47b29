"""The other side of `bench_network.py`: a network through MONAI, run by the Python of the peer.

Reads lines from stdin; for each, restores the image once and writes one line: seconds by the clock
and of processor time.
"""

import argparse
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import monai
import numpy as np
import torch
from monai.inferers import sliding_window_inference

from focusfix.io.checkpoint import load_checkpoint

OVERLAP = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True, help=".npy, float32, scaled")
    parser.add_argument("--tile", type=int, required=True, help="side of a window, px")
    parser.add_argument("--precision", choices=("fp32", "bf16"), required=True)
    parser.add_argument("--device", required=True)
    options = parser.parse_args()
    network, _ = load_checkpoint(options.weights)
    network.to(device=options.device, memory_format=torch.channels_last)
    image = torch.from_numpy(np.load(options.image))[None, None].to(options.device)
    print(f"MONAI {monai.__version__}, torch {torch.__version__}", flush=True)
    for _ in sys.stdin:
        started, started_cpu = time.perf_counter(), time.process_time()
        restore(network, image, options)
        print(time.perf_counter() - started, time.process_time() - started_cpu, flush=True)


def restore(network: torch.nn.Module, image: torch.Tensor, options: argparse.Namespace) -> None:
    """Restore the whole image window by window; wait for the device."""
    kind = image.device.type
    reduced = torch.autocast(kind, dtype=torch.bfloat16)
    with torch.inference_mode(), reduced if options.precision == "bf16" else nullcontext():
        side = (options.tile, options.tile)
        sliding_window_inference(
            image, side, 1, network, overlap=OVERLAP, mode="gaussian", progress=False
        ).cpu()


if __name__ == "__main__":
    main()
