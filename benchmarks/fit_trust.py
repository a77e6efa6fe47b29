"""Calibrate the trust map of shipped weights: `python benchmarks/fit_trust.py NAME --data DIR`.

Fields of the validation split, which no network was trained on, go out of focus through random
simulated microscopes. The signs of trouble of their restorations are fitted to the true errors,
and the calibration is written into the header of the weights; the weights stay as they are.
A latent line restores each field with its own blurred copy, by the alpha that it chooses.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from make_weights import RECIPES, Recipe

from focusfix.config import TrustCalibration
from focusfix.data.screening import SCREENING_OPTICS
from focusfix.data.sharp_images import keep_in_focus, read_sharp_images, split_of
from focusfix.data.simulate import DefocusSimulator
from focusfix.io.checkpoint import load_checkpoint, save_checkpoint
from focusfix.metrics.trust import correlate_errors, fit_expected_error
from focusfix.models.base import Restorer
from focusfix.models.bound_trust import TrustSigns
from focusfix.models.latent_line import LatentLine
from focusfix.operations.bindings import bind_extrapolation
from focusfix.operations.line_alpha import LineTrial
from focusfix.optics import blur_radius_px, defocus_psf
from focusfix.runtime.device import select_device

SEED = 3
PAIRS = 64
SCORED_PX = 128
EVERY_PX = 4
OPTICS = 200
LINE = "latent-line"
LENS = SCREENING_OPTICS
COPY_RADIUS_PX = 18.0
"""Blur of the copy: half of the largest in training, the default of the command."""


def recipe_of(name: str) -> Recipe:
    """Find how the images of some weights were simulated."""
    return RECIPES["fluorescence" if name == LINE else name]


def validation_planes(name: str, folder: Path) -> list[np.ndarray]:
    """Read the sharp images that serve neither training nor tests."""
    kind = "brightfield" if recipe_of(name).simulation.brightfield else "fluorescence"
    paths = [p for p in sorted((folder / kind).glob("*.png")) if split_of(p) == "validation"]
    images = read_sharp_images(paths, absorbing=kind == "brightfield")
    return [image.plane for image in keep_in_focus(images, drop_share=0.15)]


def bind(network: Restorer, image: np.ndarray) -> Restorer:
    """Make a network ready to restore one image; a latent line chooses its alpha."""
    if not isinstance(network, LatentLine):
        return network
    psf = defocus_psf(LENS, COPY_RADIUS_PX / blur_radius_px(LENS, 1.0)).astype(np.float32)
    trial = LineTrial(network, image[None], psf, select_device("cpu"))
    return bind_extrapolation(network, alpha=trial.choose_alpha(LENS).alpha, psf=psf)


def measure(
    network: Restorer, reader: LatentLine, simulator: DefocusSimulator
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Restore pairs; signs (P, S), absolute errors (P,) of pixels in their middle, and names."""
    found, errors = [], []
    edge = (simulator.field_px - SCORED_PX) // 2
    inner = slice(edge, edge + SCORED_PX, EVERY_PX)
    for index in range(PAIRS):
        pair = simulator.periodic_pair(index)
        signs = TrustSigns(bind(network, pair.out_of_focus), reader)
        image, truth = (torch.from_numpy(i)[None, None] for i in (pair.out_of_focus, pair.in_focus))
        with torch.inference_mode():
            restored = signs.network(image)
            found.append(signs(image)[0, :, inner, inner].flatten(1).T.double().numpy())
        error = (restored - truth).abs()[0, 0, inner, inner]
        errors.append(error.flatten().double().numpy())
        if (index + 1) % 16 == 0:
            print(f"{index + 1} of {PAIRS} pairs", flush=True)
    return np.concatenate(found), np.concatenate(errors), signs.names


def main() -> None:
    """Parse the command line, fit, write the header."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[*RECIPES, LINE])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    options = parser.parse_args()
    path = options.weights / f"{options.name}.safetensors"
    network, header = load_checkpoint(path)
    reader, _ = load_checkpoint(options.weights / "latent-line.safetensors")
    assert isinstance(reader, LatentLine)
    planes = validation_planes(options.name, options.data / "sharp")
    settings = recipe_of(options.name).simulation.model_copy(update={"optics_bank": OPTICS})
    simulator = DefocusSimulator(planes, [float(p.size) for p in planes], settings, SEED)
    signs, errors, names = measure(network, reader, simulator)
    weights = fit_expected_error(signs, errors)
    for sign, weight in zip((*names, "constant"), weights, strict=True):
        print(f"{sign:14s} {weight:+.3f}")
    correlation = correlate_errors(np.exp(signs @ weights), errors)
    print(f"correlation of logarithms, pixel by pixel: {correlation:.3f}")
    trust = TrustCalibration(
        weights=tuple(round(float(each), 5) for each in weights),
        fields=len(planes),
        fitted_on="simulated defocus of the validation split of the training images",
    )
    save_checkpoint(path, network, header.model_copy(update={"trust": trust}))


if __name__ == "__main__":
    main()
