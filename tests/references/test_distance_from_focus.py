"""Distance from focus as the shipped latent line reads it, on simulated fields."""

from pathlib import Path

import numpy as np
import pytest

from focusfix.data.sharp_images import edge_sharpness, read_sharp_images, split_of
from focusfix.metrics.defocus import map_distance, typical_distance, um_per_radius_px
from focusfix.operations.blur_reading import load_blur_reader
from focusfix.optics import OpticsSettings, defocus_psf, image_plane

WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "latent-line.safetensors"
DISTANCES_UM = (2.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 30.0)
PIXEL_UM = 0.65

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def fields(real_data) -> list[np.ndarray]:
    """The sharpest nuclei that the weights were never trained on."""
    paths = sorted((real_data / "sharp" / "fluorescence").glob("*.png"))
    images = read_sharp_images([path for path in paths if split_of(path) == "test"])
    planes = [each.plane for each in images if each.plane.shape == (520, 696)]
    return sorted(planes, key=edge_sharpness, reverse=True)[:3]


@pytest.fixture(scope="module")
def reader():
    if not WEIGHTS.is_file():
        pytest.skip("no latent-line weights are shipped")
    return load_blur_reader(WEIGHTS)


def photograph(plane: np.ndarray, dz_um: float, aperture: float, seed: int) -> np.ndarray:
    """Image a field through a lens and a 12-bit camera; shot noise, read noise, offset."""
    lens = OpticsSettings(numerical_aperture=aperture, wavelength_um=0.461, pixel_size_um=PIXEL_UM)
    light = np.clip(image_plane(plane.astype(np.float32), defocus_psf(lens, dz_um)), 0, None)
    random = np.random.default_rng(seed)
    counts = 0.34 * random.poisson(light / plane.max() * 3000 / 0.34)
    return np.rint(np.clip(counts + 100 + random.normal(0, 1.5, plane.shape), 0, 4095))


@pytest.mark.parametrize("aperture", [0.5, 0.7])
def test_median_error_up_to_thirty_micrometres(fields, reader, aperture, show_figure):
    read, header = reader
    convention = header.intensity
    scale = um_per_radius_px(PIXEL_UM, aperture)
    errors, stated = [], []
    for number, plane in enumerate(fields):
        for dz_um in DISTANCES_UM:
            if dz_um / scale > 0.9 * read.farthest_px:
                continue
            image = photograph(plane, dz_um, aperture, number)
            low, high = np.percentile(
                image, [convention.low_percentile, convention.high_percentile]
            )
            scaled = ((image - low) / (high - low)).astype(np.float32)
            found = typical_distance(*map_distance(read, scaled, scale))
            errors.append(abs(found.dz_abs_um - dz_um))
            stated.append(found.error_um)
    show_figure(
        f"NA {aperture}: |dz| of {len(errors)} simulated images: median error "
        f"{np.median(errors):.2f} um, worst {max(errors):.2f} um, stated {np.median(stated):.2f} um"
    )
    assert np.median(errors) <= 1.5
    assert np.mean(np.array(errors) <= 2 * np.array(stated)) > 0.7
