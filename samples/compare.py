"""Score a restored image against the truth, beside doing nothing, and draw all three.

`python samples/compare.py INPUT OUTPUT TRUTH PICTURE.png`
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

from focusfix.io.image import open_image
from focusfix.metrics.fidelity import psnr, ssim

DATA_RANGE = 4095.0  # the sample is from a 12-bit camera


def read_plane(path: Path) -> np.ndarray:
    """Read the first plane of a gray image."""
    with open_image(path) as reader:
        return reader.read_window(0, slice(None), slice(None))[..., 0].astype(np.float64)


def main() -> None:
    """Print the scores and write the picture."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    blurry, restored, truth = (read_plane(Path(name)) for name in sys.argv[1:4])
    scores = {
        name: (
            psnr(image, truth, data_range=DATA_RANGE),
            ssim(image, truth, data_range=DATA_RANGE),
        )
        for name, image in (("out of focus", blurry), ("deblurred", restored))
    }
    for name, (decibels, similarity) in scores.items():
        print(f"{name:14s} PSNR {decibels:5.2f} dB   SSIM {similarity:.4f}")
    (nothing, _), (done, _) = scores.values()
    print(f"gain over doing nothing: {done - nothing:+.2f} dB (12-bit range)")
    figure, panels = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
    titles = (f"out of focus, {nothing:.1f} dB", f"deblurred, {done:.1f} dB", "in focus (truth)")
    for panel, image, title in zip(panels, (blurry, restored, truth), titles, strict=True):
        panel.imshow(image, cmap="gray", vmin=truth.min(), vmax=np.percentile(truth, 99.8))
        panel.set_title(title)
        panel.axis("off")
    figure.savefig(sys.argv[4], dpi=100)
    print(f"side by side: {sys.argv[4]}")


if __name__ == "__main__":
    main()
