"""Which network `bench_network.py` measures, and how much it computes."""

import statistics
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from focusfix.config import CheckpointHeader
from focusfix.engine.tiles import TilePlan
from focusfix.io.checkpoint import library_versions, load_checkpoint, save_checkpoint
from focusfix.io.weights import find_weights
from focusfix.models.registry import build_network

U_NET, U_NET_SETTINGS = "u-net", {"levels": 1}


def find_or_make_weights(model: str, folder: Path) -> Path:
    """Find weights, or write random ones for the U-Net."""
    if model != U_NET:
        return find_weights(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network("multilevel-unet", U_NET_SETTINGS)
    header = CheckpointHeader(
        model="multilevel-unet",
        hyperparameters=network.hyperparameters,
        abilities=("deblur",),
        modality="any",
        trained_on="nothing",
        licence="none",
        seed=0,
        steps=0,
        versions=library_versions(),
        summary="Random weights",
    )
    path = folder / "u-net.safetensors"
    save_checkpoint(path, network, header)
    return path


def count_work(weights: Path, plan: TilePlan) -> float:
    """Count the operations of matrix products and convolutions; 10^9 per 10^6 pixels of the image.

    A multiplication and an addition are two; halos are part of it.
    """
    network, _ = load_checkpoint(weights)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.restore_core(torch.zeros(1, 1, *plan.tile_shape), plan.halo_px)
    pixels = plan.shape_yx[0] * plan.shape_yx[1]
    return counter.get_total_flops() * plan.n_tiles / pixels / 1e3


def product_rate(precision: str, device: str, *, side: int = 2048, repeats: int = 9) -> float:
    """Time products of matrices, 10^9 operations per second: what no network can go beyond."""
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    left, right = torch.randn(2, side, side, device=device).to(kind)
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        float((left @ right)[0, 0])  # which waits for the device
        rates.append(2 * side**3 / (time.perf_counter() - started) / 1e9)
    return statistics.median(rates)
