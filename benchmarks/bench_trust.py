"""Ask how far the trust map can be trusted: `python benchmarks/bench_trust.py --data DIR`.

Held-out fields, which neither the network nor the calibration has seen, are put out of focus by
the screening microscope of bench_quality.py. Printed per distance: mean expected and true error,
the correlation of their logarithms over 9 x 9 pixels, and the skill of leaving out the least
trusted pixels (1: as good as knowing the errors, 0: blind), with what the re-blur residual alone
would reach; then the reliability over all distances.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from bench_quality import held_out_fields
from fit_trust import bind
from scipy.ndimage import uniform_filter

from focusfix.data.screening import screening_pair
from focusfix.engine.normalize import fit_intensity_scale
from focusfix.io.checkpoint import load_checkpoint
from focusfix.io.weights import find_weights
from focusfix.metrics.trust import correlate_errors, measure_reliability, measure_sparsification
from focusfix.models.base import Restorer
from focusfix.models.bound_trust import TrustSigns
from focusfix.models.latent_line import LatentLine

DISTANCES_UM = (0, 8, 16, 24, 32)
NEAR_PX = 9
RE_BLUR = 1


def main() -> None:
    """Parse the command line, run, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="fluorescence")
    parser.add_argument("--fields", type=int, default=4)
    parser.add_argument("--weights", type=Path, help="a folder; the installed ones if not given")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    folder = options.weights
    path = folder / f"{options.model}.safetensors" if folder else find_weights(options.model)
    network, header = load_checkpoint(path)
    reader, _ = load_checkpoint(find_weights("latent-line"))
    assert isinstance(reader, LatentLine)
    assert header.trust is not None, "fit_trust.py has not calibrated these weights"
    weights = np.array(header.trust.weights)
    fields = held_out_fields(options.data / "sharp", options.fields)
    rows, everything = [], []
    for dz in DISTANCES_UM:
        found = [measure(network, reader, weights, field, dz, n) for n, field in enumerate(fields)]
        expected, errors, residual = (np.concatenate([f[k] for f in found]) for k in range(3))
        everything.append((expected, errors))
        near = [np.concatenate([smooth(f[k]).ravel() for f in found]) for k in range(2)]
        row = [
            dz,
            round(float(expected.mean()), 2),
            round(float(errors.mean()), 2),
            round(correlate_errors(*near), 3),
            round(measure_sparsification(expected, errors).skill, 3),
            round(measure_sparsification(residual, errors).skill, 3),
        ]
        rows.append(row)
        print("{:3d} um  expected {:6.2f}  true {:6.2f} grey values  correlation {:.3f}  "
              "skill {:.3f}  re-blur alone {:.3f}".format(*row), flush=True)  # fmt: skip
    curve = measure_reliability(*(np.concatenate(each) for each in zip(*everything, strict=True)))
    for expected, actual in zip(*curve, strict=True):
        print(f"expected {expected:7.2f}   true {actual:7.2f}")
    if options.output:
        with options.output.open("w", newline="") as file:
            header_row = ["dz_um", "expected", "true", "correlation", "skill", "re_blur_skill"]
            csv.writer(file).writerows([header_row, *rows])


def measure(
    network: Restorer,
    reader: LatentLine,
    weights: np.ndarray,
    field: np.ndarray,
    dz: float,
    number: int,
) -> list[np.ndarray]:
    """Return expected and true absolute errors and the re-blur residual; grey values, (Y, X)."""
    blurry, truth = screening_pair(field, dz, seed=1000 * dz + number)
    scale = fit_intensity_scale([blurry])
    stride = network.footprint.stride_px
    height, width = (size // stride * stride for size in blurry.shape)
    scaled = scale.apply(blurry[:height, :width]).astype(np.float32)
    signs = TrustSigns(bind(network, scaled), reader)
    image = torch.from_numpy(scaled)[None, None]
    with torch.inference_mode():
        restored = signs.network(image)[0, 0].numpy() / scale.gain + scale.offset
        found = signs(image)[0].double().numpy()
    expected = np.exp(np.tensordot(weights, found, axes=1)) / scale.gain
    errors = np.abs(restored - truth[:height, :width]).astype(np.float64)
    inner = (slice(stride, -stride),) * 2
    return [each[inner] for each in (expected, errors, np.exp(found[RE_BLUR]))]


def smooth(plane: np.ndarray) -> np.ndarray:
    """Average over small neighbourhoods: the error of one pixel is mostly chance."""
    return uniform_filter(plane, NEAR_PX)[::NEAR_PX, ::NEAR_PX]


if __name__ == "__main__":
    main()
