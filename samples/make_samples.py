"""Make the sample pair of the demo: `python samples/make_samples.py VOLUME.tif`.

VOLUME.tif is the nuclei channel of scikit-image's `cells3d` (60 x 256 x 256, 16 bits, 0.29 um
between slices, 0.26 um per pixel; public domain). Its confocal slices serve as a thick object
that is imaged through a simulated wide-field microscope, in focus and out of focus.
"""

import sys
from pathlib import Path

import numpy as np
import tifffile

from focusfix.optics import CameraSettings, OpticsSettings, expose_camera, image_volume

OPTICS = OpticsSettings(numerical_aperture=0.7, wavelength_um=0.461, pixel_size_um=0.26)
CAMERA = CameraSettings(offset=100, counts_per_electron=0.34, read_noise=1.5, bit_depth=12)
Z_SPACING_UM = 0.29
SLICES = slice(26, 36)
FOCUS_UM = 1.45
DEFOCUS_UM = 4.0
PEAK_COUNTS = 2500.0


def main() -> None:
    """Write in_focus.tif and out_of_focus.tif beside this script."""
    volume = tifffile.imread(sys.argv[1])[SLICES].astype(np.float32)
    volume -= np.percentile(volume, 1)
    volume = np.maximum(volume, 0)
    planes = {
        name: image_volume(volume, OPTICS, z_spacing_um=Z_SPACING_UM, focus_um=focus_um)
        for name, focus_um in (
            ("in_focus", FOCUS_UM),
            ("out_of_focus", FOCUS_UM + DEFOCUS_UM),
        )
    }
    counts = PEAK_COUNTS / float(planes["in_focus"].max())
    rng = np.random.default_rng(7)
    for name, plane in planes.items():
        recorded = (
            expose_camera(plane * counts, CAMERA, rng)
            if name == "out_of_focus"
            else np.rint(plane * counts + CAMERA.offset)
        )
        tifffile.imwrite(
            Path(__file__).parent / f"{name}.tif",
            recorded.astype(np.uint16),
            imagej=True,
            resolution=(1 / OPTICS.pixel_size_um, 1 / OPTICS.pixel_size_um),
            metadata={"axes": "YX", "unit": "um", "min": 100.0, "max": 2600.0},
        )


if __name__ == "__main__":
    main()
