"""Measure what the shipped weights do to real focal stacks.

`python benchmarks/bench_stacks.py --data DIR` restores every plane of real z-stacks that is
clearly out of focus and compares it, after an affine intensity fit, with the sharpest plane.
The sharpest plane is a truth only for a thin sample: a thick one shows other structures in every
plane, which no restoration of a single plane can or should bring back.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from bench_quality import network_restorer
from scipy.ndimage import gaussian_filter

from focusfix.io.checkpoint import load_checkpoint
from focusfix.io.image import open_image
from focusfix.io.weights import find_weights
from focusfix.metrics.fidelity import affine_fit, psnr, ssim
from focusfix.metrics.focus import measure_sharpness

CLEARLY_BLURRED = 0.6
SMOOTHING_PX = 1.0


@dataclass(frozen=True)
class Stack:
    """One real focal stack: its file, and the weights that are meant for it."""

    name: str
    weights: str


STACKS = (
    Stack("nucleus_widefield_z45.tif", "fluorescence"),
    Stack("chromosomes_z40.tif", "fluorescence"),
    Stack("smear_brightfield_rgb_z19.tif", "brightfield"),
)


def read_stack(path: Path) -> np.ndarray:
    """Read the first channel of a stack as (Z, Y, X, S)."""
    with open_image(path) as reader:
        planes = [p.position for p in reader.metadata.planes if p.channel == 0]
        read = partial(reader.read_window, rows=slice(None), columns=slice(None))
        return np.stack([read(plane) for plane in planes]).astype(np.float64)


def score(image: np.ndarray, truth: np.ndarray, data_range: float) -> np.ndarray:
    """Return PSNR and SSIM after an affine fit, averaged over the colour planes."""
    pairs = list(zip(np.moveaxis(image, -1, 0), np.moveaxis(truth, -1, 0), strict=True))
    fitted = [(affine_fit(a, b), b) for a, b in pairs]
    return np.array(
        [
            np.mean([metric(a, b, data_range=data_range) for a, b in fitted])
            for metric in (psnr, ssim)
        ]
    )


def main() -> None:
    """Parse the command line and print one line per stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    for stack in STACKS:
        pixels = read_stack(options.data / "stacks" / stack.name)
        restore = network_restorer(load_checkpoint(find_weights(stack.weights))[0])
        curve = np.array([measure_sharpness(plane.mean(axis=-1)) for plane in pixels])
        focal, truth = int(curve.argmax()), pixels[int(curve.argmax())]
        data_range = float(np.ptp(truth))
        gains = []
        for level in np.flatnonzero(curve < CLEARLY_BLURRED * curve.max()):
            blurry = pixels[level]
            restored = np.stack([restore(c) for c in np.moveaxis(blurry, -1, 0)], axis=-1)
            smooth = gaussian_filter(blurry, (SMOOTHING_PX, SMOOTHING_PX, 0))
            nothing, done, control = (
                score(image, truth, data_range) for image in (blurry, restored, smooth)
            )
            gains.append([*nothing, *(done - nothing), *(control - nothing)])
        mean = np.mean(gains, axis=0)
        print(
            f"{stack.name}: focal level {focal}, {len(gains)} planes out of focus; "
            f"doing nothing {mean[0]:.2f} dB, SSIM {mean[1]:.4f}; "
            f"{stack.weights} {mean[2]:+.2f} dB, {mean[3]:+.4f}; "
            f"Gaussian smoothing {mean[4]:+.2f} dB, {mean[5]:+.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
