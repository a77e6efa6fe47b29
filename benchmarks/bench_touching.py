"""Ask what the trust map sees between touching nuclei: `python benchmarks/bench_touching.py`.

Pairs of touching nuclei, drawn with random sizes, brightness and texture, are put out of focus by
the screening microscope of bench_quality.py. Far from focus the border between two nuclei is in
the null space of the blur: what is put there passes the re-blur check. Printed per distance, over
all pixels and between the nuclei alone: mean true and expected errors and re-blur residuals; and
how well each of the two, averaged over 9 x 9 pixels, goes with the true errors (correlation of
logarithms).
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, uniform_filter

from focusfix.data.screening import screening_pair
from focusfix.engine.normalize import fit_intensity_scale
from focusfix.io.checkpoint import load_checkpoint
from focusfix.io.weights import find_weights
from focusfix.metrics.trust import correlate_errors
from focusfix.models.bound_trust import TrustSigns
from focusfix.models.latent_line import LatentLine

DISTANCES_UM = (8, 16, 24, 32)
SIDE_PX = 448
PITCH_PX = 112
EDGE_PX = 48
NEAR_PX = 9
RE_BLUR = 1
COLUMNS = (
    "dz_um",
    "true",
    "expected",
    "re_blur",
    "true_between",
    "expected_between",
    "re_blur_between",
    "correlation",
    "re_blur_correlation",
)


def main() -> None:
    """Parse the command line, run, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="fluorescence")
    parser.add_argument("--reader", default="latent-line")
    parser.add_argument("--fields", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    network, header = load_checkpoint(find_weights(options.model))
    reader, _ = load_checkpoint(find_weights(options.reader))
    assert isinstance(reader, LatentLine)
    assert header.trust is not None, "fit_trust.py has not calibrated these weights"
    signs, weights = TrustSigns(network, reader), np.array(header.trust.weights)
    rows = []
    print(*COLUMNS)
    for dz in DISTANCES_UM:
        found = [measure(signs, weights, dz, seed) for seed in range(options.fields)]
        rows.append([dz, *summarise(*(np.stack(each) for each in zip(*found, strict=True)))])
        print(*rows[-1], flush=True)
    if options.output:
        with options.output.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])


def summarise(
    errors: np.ndarray, expected: np.ndarray, residual: np.ndarray, between: np.ndarray
) -> list[float]:
    """Return the figures of one distance."""
    maps = (errors, expected, residual)
    near = [uniform_filter(m, (0, NEAR_PX, NEAR_PX))[:, ::NEAR_PX, ::NEAR_PX] for m in maps]
    means = [m.mean() for m in maps] + [m[between].mean() for m in maps]
    figures = [*means, correlate_errors(near[1], near[0]), correlate_errors(near[2], near[0])]
    return [round(float(each), 2) for each in figures]


def measure(
    signs: TrustSigns, weights: np.ndarray, dz_um: float, seed: int
) -> tuple[np.ndarray, ...]:
    """Return true and expected errors, residuals (grey values) and the place between nuclei."""
    plane, between = draw_pairs(seed)
    blurry, truth = screening_pair(plane, dz_um, seed=seed)
    scale = fit_intensity_scale([blurry])
    image = torch.from_numpy(scale.apply(blurry))[None, None]
    with torch.inference_mode():
        restored = signs.network(image)[0, 0].numpy() / scale.gain + scale.offset
        found = signs(image)[0].double().numpy()
    expected = np.exp(np.tensordot(weights, found, axes=1)) / scale.gain
    inner = (slice(EDGE_PX, -EDGE_PX),) * 2
    errors = np.abs(restored - truth).astype(np.float64)
    residual = np.exp(found[RE_BLUR]) / scale.gain
    return tuple(each[inner] for each in (errors, expected, residual, between))


def draw_pairs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of touching nuclei; also mark where they touch."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    plane, between = np.zeros((SIDE_PX, SIDE_PX)), np.zeros((SIDE_PX, SIDE_PX), dtype=bool)
    for middle_y in range(PITCH_PX // 2, SIDE_PX, PITCH_PX):
        for middle_x in range(PITCH_PX // 2, SIDE_PX, PITCH_PX):
            radius = random.uniform(11, 14)
            angle, apart = random.uniform(0, np.pi), radius * random.uniform(0.95, 1.15)
            for side in (-1, 1):
                y, x = (
                    middle_y + side * apart * np.sin(angle),
                    middle_x + side * apart * np.cos(angle),
                )
                inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
                plane[inside] = random.uniform(0.6, 1)
            near = (rows - middle_y) ** 2 + (columns - middle_x) ** 2
            between |= near < (0.6 * radius) ** 2
    texture = gaussian_filter(random.normal(size=plane.shape), 2)
    texture = np.clip(1 + 0.25 * texture / texture.std(), 0.3, 2)
    return gaussian_filter(plane * texture, 0.7), between


if __name__ == "__main__":
    main()
