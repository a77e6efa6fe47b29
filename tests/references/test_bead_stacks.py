"""Real focal series of beads against the project's optics.

Neither file says how it was taken, so pixel size and plane distance are assumed and the aperture
that is found holds for them only: a geometric blur fixes the product of plane distance and
tangent, not each of them. What is tested is prediction: aperture, bead, focus and spherical
aberration are fitted on every other plane, and the planes between must follow.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import tifffile
from scipy.ndimage import map_coordinates
from scipy.optimize import least_squares

from focusfix.optics import OpticsSettings, defocus_psf, psf_size_px

pytestmark = pytest.mark.data

WAVELENGTH_UM = 0.52
OIL_INDEX = 1.515
FAINTEST = 0.03  # planes with less contrast, relative to focus, have no width worth the name


@dataclass(frozen=True)
class Series:
    """Radial means of beads, plane by plane, and the assumed scales of the stack."""

    profiles: np.ndarray
    z_levels: np.ndarray
    pixel_size_um: float
    z_spacing_um: float

    @property
    def reach_px(self) -> int:
        return self.profiles.shape[1] - 1

    def part(self, start: int) -> "Series":
        """Every other plane."""
        chosen = slice(start, None, 2)
        return Series(
            self.profiles[chosen], self.z_levels[chosen], self.pixel_size_um, self.z_spacing_um
        )


def radial_means(plane: np.ndarray, centre: tuple[float, float], reach_px: int) -> np.ndarray:
    """Mean over circles one pixel apart, around a centre that may lie between pixels."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.arange(reach_px + 1)[:, None]
    circles = [centre[0] + radius * np.sin(angle), centre[1] + radius * np.cos(angle)]
    return map_coordinates(plane, circles, order=1, mode="nearest").mean(axis=1)


def centre_of_light(plane: np.ndarray) -> tuple[float, float]:
    light = np.clip(plane - 0.3 * plane.max() - 0.7 * np.median(plane), 0, None)
    rows, columns = np.indices(plane.shape)
    return float((light * rows).sum() / light.sum()), float((light * columns).sum() / light.sum())


def bead_slices(diameter_um: float, series: Series, side_px: int) -> np.ndarray:
    """Cut a sphere into slices a plane distance thick; heights of glass per pixel."""
    thickness = series.z_spacing_um
    radius = diameter_um / 2
    parts = (np.arange(5 * side_px) - (5 * side_px - 1) / 2) * series.pixel_size_um / 5
    height = np.sqrt(np.clip(radius**2 - parts[:, None] ** 2 - parts[None, :] ** 2, 0, None))
    count = int(np.ceil(radius / thickness))
    slices = []
    for place in np.arange(-count, count + 1) * thickness:
        top = np.minimum(height, place + thickness / 2)
        fill = np.clip(top - np.maximum(-height, place - thickness / 2), 0, None)
        slices.append(fill.reshape(side_px, 5, side_px, 5).mean(axis=(1, 3)))
    return np.array(slices)


def middle_of_psf(lens: OpticsSettings, dz_um: float, side_px: int) -> np.ndarray:
    """The PSF inside the window; light that falls beyond it is lost, as in the stack."""
    size = max(side_px, psf_size_px(lens, dz_um))
    edge = (size - side_px) // 2
    return defocus_psf(lens, dz_um, size)[edge : edge + side_px, edge : edge + side_px]


def predict(found: np.ndarray, series: Series) -> np.ndarray:
    """Image a fluorescent bead in every plane; found = aperture, diameter, focus, aberration."""
    aperture, diameter_um, focus, spherical = (float(value) for value in found)
    lens = OpticsSettings(
        numerical_aperture=aperture,
        wavelength_um=WAVELENGTH_UM,
        pixel_size_um=series.pixel_size_um,
        refractive_index=OIL_INDEX,
        spherical_waves=spherical,
    )
    side = 2 * series.reach_px + 17
    grid = (2 * side, 2 * side)
    slices = np.fft.rfft2(bead_slices(diameter_um, series, side), grid)
    steps = np.arange(len(slices)) - len(slices) // 2
    transfer: dict[int, np.ndarray] = {}
    profiles = []
    for z_level in series.z_levels:
        image = 0
        for spectrum, step in zip(slices, steps, strict=True):
            place = int(z_level + step)
            if place not in transfer:
                dz_um = (place - focus) * series.z_spacing_um
                transfer[place] = np.fft.rfft2(middle_of_psf(lens, dz_um, side), grid)
            image = image + spectrum * transfer[place]
        middle = side // 2
        plane = np.fft.irfft2(image)[middle : middle + side, middle : middle + side]
        profiles.append(radial_means(plane, (middle, middle), series.reach_px))
    return np.array(profiles)


def matched(prediction: np.ndarray, series: Series) -> np.ndarray:
    """One brightness for all planes, one background for each: neighbours' light drifts."""
    centred = prediction - prediction.mean(axis=1, keepdims=True)
    measured = series.profiles - series.profiles.mean(axis=1, keepdims=True)
    return float((centred * measured).sum() / (centred**2).sum()) * centred + (
        series.profiles.mean(axis=1, keepdims=True)
    )


def misfit(prediction: np.ndarray, series: Series) -> np.ndarray:
    """Residuals; the sum of their squares is the share of the variance left unexplained."""
    spread = series.profiles.std() * np.sqrt(series.profiles.size)
    return ((matched(prediction, series) - series.profiles) / spread).ravel()


def width_px(profiles: np.ndarray) -> np.ndarray:
    """Root-mean-square radius of the light above that at the edge of the window."""
    radii = np.arange(profiles.shape[1])
    light = np.clip(profiles - profiles[:, -1:], 0, None)
    return np.sqrt((light * radii**3).sum(axis=1) / (light * radii).sum(axis=1))


def fit(series: Series, start: tuple[float, ...]) -> np.ndarray:
    found = least_squares(
        lambda values: misfit(predict(values, series), series),
        start,
        bounds=([0.3, 0.1, series.z_levels[0], -1], [1.49, 6, series.z_levels[-1], 1]),
        diff_step=0.01,
        x_scale=[0.1, 0.3, 0.5, 0.1],
        ftol=5e-3,
        max_nfev=4,
    )
    return np.asarray(found.x)


@pytest.fixture(scope="session")
def one_large_bead(real_data) -> Series:
    """Wide-field; a 0.258 um pixel and 0.64 um steps make the bead about 3 um."""
    stack = tifffile.imread(real_data / "stacks" / "bead_widefield_z64.tif").astype(float)
    centre = centre_of_light(stack[24:29].mean(axis=0))
    z_levels = np.arange(19, 34)
    profiles = np.array([radial_means(stack[z], centre, 28) for z in z_levels])
    return Series(profiles, z_levels, pixel_size_um=0.258, z_spacing_um=0.64)


@pytest.fixture(scope="session")
def three_small_beads(real_data) -> Series:
    """8-bit, mean of three beads in focus in the same plane; 0.05 um pixel, 0.3 um steps."""
    stack = tifffile.imread(real_data / "stacks" / "beads_z41.tif").astype(float)
    z_levels = np.arange(17, 31)
    beads = []
    for y, x in ((36, 125), (73, 29), (112, 42)):
        near = stack[22:26, y - 7 : y + 8, x - 7 : x + 8].mean(axis=0)
        row, column = centre_of_light(near)
        beads.append([radial_means(stack[z], (y - 7 + row, x - 7 + column), 20) for z in z_levels])
    return Series(np.mean(beads, axis=0), z_levels, pixel_size_um=0.05, z_spacing_um=0.3)


STARTS = {"one_large_bead": (1.3, 2.8, 25.5, 0.0), "three_small_beads": (1.0, 0.4, 23.5, 0.0)}


@pytest.mark.parametrize("name", STARTS)
def test_planes_in_between_follow_the_fitted_lens(name, request, show_figure):
    series = request.getfixturevalue(name)
    found = fit(series.part(0), STARTS[name])
    held_out = series.part(1)
    prediction = predict(found, held_out)
    unexplained = float((misfit(prediction, held_out) ** 2).sum())
    contrast = np.ptp(held_out.profiles, axis=1)
    bright = contrast > FAINTEST * contrast.max()
    measured, predicted = width_px(held_out.profiles), width_px(matched(prediction, held_out))
    show_figure(
        f"{name}: NA {found[0]:.2f}, bead {found[1]:.2f} um, focus {found[2]:.2f}, "
        f"spherical {found[3]:.2f} waves; {100 * unexplained:.1f} % unexplained"
    )
    for z_level, ours, theirs, used in zip(
        held_out.z_levels, predicted, measured, bright, strict=True
    ):
        dz_um = (z_level - found[2]) * series.z_spacing_um
        show_figure(
            f"  dz {dz_um:+5.2f} um: rms radius {theirs:5.2f} px measured, {ours:5.2f} px"
            f" predicted{'' if used else '; too faint to compare'}"
        )
    assert unexplained < 0.03
    np.testing.assert_allclose(predicted[bright], measured[bright], rtol=0.15)
    closed = predict(found * [0.6, 1, 1, 1], held_out)
    assert (misfit(closed, held_out) ** 2).sum() > 5 * unexplained
