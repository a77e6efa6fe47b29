"""Measure how much better held-out fields get.

`python benchmarks/bench_quality.py --data DIR` prints, per distance from focus, PSNR, SSIM and
the coherence in the band that the blur destroyed, for doing nothing, Gaussian smoothing,
Richardson-Lucy with the true PSF and every model. The classical methods are oracles: their
strength is chosen per image by the truth.
"""

import argparse
import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter

from focusfix.data.screening import SCREENING_CAMERA, SCREENING_OPTICS, screening_pair
from focusfix.data.sharp_images import edge_sharpness, read_sharp_images, split_of
from focusfix.engine.normalize import fit_intensity_scale
from focusfix.io.checkpoint import load_checkpoint
from focusfix.io.weights import find_weights
from focusfix.metrics.fidelity import band_coherence, psnr, ssim
from focusfix.optics import OpticsSettings, defocus_psf, image_plane

if TYPE_CHECKING:
    from focusfix.models.base import Restorer

DATA_RANGE = 2**SCREENING_CAMERA.bit_depth - 1
DISTANCES_UM = (0, 4, 8, 10, 16, 22, 28, 34)
RL_ITERATIONS = (2, 5, 10, 20, 40, 80, 160, 320)
SMOOTHING_PX = (0.5, 1.0, 2.0)
BAND_END_PER_PX = 0.25

Restore = Callable[[np.ndarray], np.ndarray]


def held_out_fields(folder: Path, count: int) -> list[np.ndarray]:
    """Read the sharpest screening-size fields among the files never used in training."""
    paths = [p for p in sorted((folder / "fluorescence").glob("*.png")) if split_of(p) == "test"]
    images = [i.plane for i in read_sharp_images(paths) if i.plane.shape == (520, 696)]
    return sorted(images, key=edge_sharpness, reverse=True)[:count]


def lost_band(optics: OpticsSettings, dz_um: float) -> tuple[float, float]:
    """Return the band from where the contrast first falls below a tenth; cycles per pixel."""
    size = 513
    transfer = np.abs(np.fft.rfft2(np.fft.ifftshift(defocus_psf(optics, dz_um, size))))[0]
    below = np.flatnonzero(transfer < 0.1)
    start = below[0] / size if below.size else BAND_END_PER_PX
    return min(start, BAND_END_PER_PX * 0.8), BAND_END_PER_PX


def richardson_lucy(image: np.ndarray, psf: np.ndarray, finish: np.ndarray) -> list[np.ndarray]:
    """Deconvolve an image above its offset; one result per entry of RL_ITERATIONS."""
    margin = psf.shape[0] // 2 + 8
    sizes = [next_fast_len(size + 2 * margin, real=True) for size in image.shape]
    extra = [(margin, side - size - margin) for side, size in zip(sizes, image.shape, strict=True)]
    observed = np.pad(np.maximum(image, 1e-3).astype(np.float32), extra, mode="symmetric")
    placed = np.zeros(sizes, dtype=np.float32)
    placed[: psf.shape[0], : psf.shape[1]] = psf
    centred = np.roll(placed, [-(side // 2) for side in psf.shape], axis=(0, 1))
    transfer = rfft2(centred, workers=-1).real  # the PSF is even: blurring is its own adjoint

    def blur(plane: np.ndarray) -> np.ndarray:
        return irfft2(rfft2(plane, workers=-1) * transfer, sizes, workers=-1)

    inside = tuple(slice(margin, margin + size) for size in image.shape)
    estimate, results = np.full_like(observed, observed.mean()), []
    for iteration in range(1, RL_ITERATIONS[-1] + 1):
        estimate *= np.maximum(blur(observed / np.maximum(blur(estimate), 1e-3)), 0)
        if iteration in RL_ITERATIONS:
            results.append(image_plane(estimate[inside], finish))
    return results


def network_restorer(network: "Restorer") -> Restore:
    """Run a network on whole images, continued by reflection as far as it looks."""
    import torch

    halo, stride = network.footprint.halo_px, network.footprint.stride_px

    def restore(image: np.ndarray) -> np.ndarray:
        scale = fit_intensity_scale([image])
        extra = [(halo, halo + -size % stride) for size in image.shape]
        padded = np.pad(scale.apply(image), extra, mode="reflect")
        with torch.inference_mode():
            output = network(torch.from_numpy(padded.astype(np.float32))[None, None])[0, 0].numpy()
        restored = output[halo : halo + image.shape[0], halo : halo + image.shape[1]]
        return restored / scale.gain + scale.offset

    return restore


def best(candidates: list[np.ndarray], truth: np.ndarray) -> np.ndarray:
    """Pick the candidate with the highest PSNR: an oracle."""
    return max(candidates, key=partial(psnr, reference=truth, data_range=DATA_RANGE))


def score(image: np.ndarray, truth: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Return PSNR, SSIM and band coherence."""
    return np.array(
        [
            psnr(image, truth, data_range=DATA_RANGE),
            ssim(np.clip(image, 0, DATA_RANGE), truth, data_range=DATA_RANGE),
            band_coherence(image, truth, low_per_px=band[0], high_per_px=band[1]),
        ]
    )


def run(
    fields: list[np.ndarray], models: dict[str, Restore], classical: bool
) -> list[list[object]]:
    """Score every method at every distance; rows of a table."""
    rows: list[list[object]] = []
    focus_psf = defocus_psf(SCREENING_OPTICS, 0.0)
    for dz in DISTANCES_UM:
        psf, band = defocus_psf(SCREENING_OPTICS, dz), lost_band(SCREENING_OPTICS, dz)
        sums: dict[str, list[np.ndarray]] = {}
        for number, field in enumerate(fields):
            blurry, truth = screening_pair(field, dz, seed=1000 * dz + number)
            results = {"doing nothing": blurry}
            if classical:
                results["Gaussian smoothing"] = best(
                    [gaussian_filter(blurry, s) for s in SMOOTHING_PX], truth
                )
                dark = SCREENING_CAMERA.offset
                results["Richardson-Lucy, true PSF"] = best(
                    [r + dark for r in richardson_lucy(blurry - dark, psf, focus_psf)], truth
                )
            results |= {name: restore(blurry) for name, restore in models.items()}
            for name, image in results.items():
                sums.setdefault(name, []).append(score(image, truth, band))
        for name, scores in sums.items():
            mean = np.mean(scores, axis=0)
            gain = mean[0] - np.mean(sums["doing nothing"], axis=0)[0]
            rows.append([dz, name, *np.round([mean[0], gain], 2), *np.round(mean[1:], 4)])
            print(
                f"{dz:3d} um  {name:26s} {mean[0]:6.2f} dB {gain:+6.2f}  "
                f"SSIM {mean[1]:.4f}  band coherence {mean[2]:.3f}",
                flush=True,
            )
    return rows


def main() -> None:
    """Parse the command line, run, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=["fluorescence"])
    parser.add_argument("--fields", type=int, default=8)
    parser.add_argument("--no-classical", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    fields = held_out_fields(options.data / "sharp", options.fields)
    print(f"{len(fields)} held-out fields, {SCREENING_OPTICS}", flush=True)
    models = {n: network_restorer(load_checkpoint(find_weights(n))[0]) for n in options.models}
    rows = run(fields, models, not options.no_classical)
    if options.output:
        with options.output.open("w", newline="") as file:
            header = ["dz_um", "method", "psnr_db", "gain_db", "ssim", "band_coherence"]
            csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    main()
