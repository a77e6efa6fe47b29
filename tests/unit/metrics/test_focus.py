import numpy as np
import pytest

from focusfix.metrics.focus import measure_sharpness, rank_focus
from focusfix.optics import OpticsSettings, defocus_psf, image_plane

LENS = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.4)
DISTANCES_UM = (12.0, 6.0, 3.0, 0.0, -4.0, -8.0)


@pytest.fixture(scope="module")
def focal_series() -> list[np.ndarray]:
    """One field of bright discs at planted distances from focus, without noise."""
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[:160, :180]
    sharp = np.zeros((160, 180), dtype=np.float32)
    for y, x, radius in zip(
        random.uniform(0, 160, 30),
        random.uniform(0, 180, 30),
        random.uniform(2, 9, 30),
        strict=True,
    ):
        sharp += ((rows - y) ** 2 + (columns - x) ** 2 < radius**2).astype(np.float32)
    return [image_plane(sharp, defocus_psf(LENS, dz_um)) for dz_um in DISTANCES_UM]


def test_sharpness_falls_with_planted_distance_on_either_side(focal_series):
    sharpness, focal_level = rank_focus(focal_series)
    assert focal_level == 3
    assert sharpness[0] < sharpness[1] < sharpness[2] < sharpness[3] > sharpness[4] > sharpness[5]


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 500.0), (1e-3, 0.0), (300.0, -20.0)])
def test_contrast_and_offset_do_not_matter(focal_series, gain, offset):
    expected = measure_sharpness(focal_series[2])
    assert measure_sharpness(gain * focal_series[2] + offset) == pytest.approx(expected, rel=1e-4)


def test_noise_does_not_hide_the_focal_level(focal_series):
    random = np.random.default_rng(4)
    noisy = [random.poisson(20 + 200 * plane).astype(np.uint16) for plane in focal_series]
    assert rank_focus(noisy)[1] == 3


def falls_on_both_sides(sharpness: list[float], focal_level: int) -> bool:
    """Whether a curve has one top, where it should be."""
    steps = np.diff(sharpness)
    return bool((steps[:focal_level] > 0).all() and (steps[focal_level:] < 0).all())


@pytest.mark.parametrize("photons", [1000, 100, 30, 10])
@pytest.mark.parametrize("seed", range(3))
def test_noise_changes_no_order(focal_series, photons, seed):
    """Shot noise of up to a third of the signal, over a background of as many photons."""
    random = np.random.default_rng(seed)
    noisy = [random.poisson(photons * (1 + plane)) for plane in focal_series]
    assert falls_on_both_sides(rank_focus(noisy)[0], 3)


def test_a_lamp_that_fades_changes_no_order(focal_series):
    """Half the light from plane to plane, and another offset, in either direction."""
    random = np.random.default_rng(6)
    for order in (1, -1):
        gains = (0.5 ** np.arange(6))[::order]
        noisy = [
            random.poisson(2000 * gain * (0.5 + plane)) + 100 * number
            for number, (gain, plane) in enumerate(zip(gains, focal_series, strict=True))
        ]
        assert falls_on_both_sides(rank_focus(noisy)[0], 3)


@pytest.mark.parametrize("margin", [80, 300])
def test_empty_background_changes_no_order(focal_series, margin):
    """The field covers a fourth, or a twentieth, of the plane; the rest is noise of the camera."""
    random = np.random.default_rng(7)
    noisy = [random.poisson(20 + 200 * np.pad(plane, margin)) for plane in focal_series]
    assert falls_on_both_sides(rank_focus(noisy)[0], 3)


def test_planes_of_noise_alone_are_never_sharp(focal_series):
    """Fifty empty planes: no chance peak of the spectrum passes for detail."""
    random = np.random.default_rng(5)
    empty = [measure_sharpness(random.normal(100, 10, size=(150, 170))) for _ in range(50)]
    assert max(empty) < 0.02 * measure_sharpness(focal_series[0])


def test_noise_may_be_anything_but_detail():
    """Stripes that are fainter than the noise around them are found where they are."""
    columns = np.arange(256)
    noise = np.random.default_rng(8).normal(0, 1, (256, 256))
    for frequency in (0.05, 0.2, 0.4):
        stripes = np.tile(np.cos(2 * np.pi * frequency * columns), (256, 1))
        share = 0.5 / 1.5  # of the variance
        measured = measure_sharpness(stripes + noise)
        assert measured == pytest.approx(share * frequency, rel=0.1)


@pytest.mark.parametrize("period_px", [4, 8, 16])
def test_stripes_have_their_own_frequency(period_px):
    stripes = np.tile(np.cos(2 * np.pi * np.arange(256) / period_px), (256, 1))
    assert measure_sharpness(stripes) == pytest.approx(1 / period_px, rel=0.05)


@pytest.mark.parametrize("value", [0.0, 7.0, 900.0, 1 / 3])
def test_constant_plane_has_no_detail(value):
    assert measure_sharpness(np.full((60, 64), value)) == 0.0


@pytest.mark.parametrize("shape", [(7, 100), (64,), (2, 64, 64)])
def test_too_small_or_no_plane(shape):
    with pytest.raises(ValueError, match="at least 8 x 8"):
        measure_sharpness(np.zeros(shape))
