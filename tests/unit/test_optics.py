import math

import numpy as np
import pytest
from pydantic import ValidationError

from focusfix import optics
from focusfix.optics import (
    CameraSettings,
    OpticsSettings,
    blur_radius_px,
    defocus_psf,
    defocus_turns,
    expose_camera,
    image_plane,
    image_volume,
    psf_size_px,
    radial_profile,
)

DRY = OpticsSettings(numerical_aperture=0.6, wavelength_um=0.5, pixel_size_um=0.3)
OIL = OpticsSettings(
    numerical_aperture=1.4, wavelength_um=0.52, pixel_size_um=0.2, refractive_index=1.515
)
COARSE = OpticsSettings(numerical_aperture=0.75, wavelength_um=0.45, pixel_size_um=3.0)
ABERRATED = DRY.model_copy(update={"spherical_waves": 0.4})
APODIZED = DRY.model_copy(update={"apodization": 1.5})


def cumulative_light(profile: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Integrate 2 pi r h(r) from the axis, as a share of all light within the radii."""
    steps = (profile[1:] * radii[1:] + profile[:-1] * radii[:-1]) / 2 * np.diff(radii)
    light = np.concatenate([[0.0], np.cumsum(steps)])
    return light / light[-1]


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ({"numerical_aperture": 1.0}, "must be below refractive_index"),
        ({"numerical_aperture": 1.4, "refractive_index": 1.33}, "must be below refractive_index"),
        ({"numerical_aperture": 0.0}, "greater than 0"),
        ({"numerical_aperture": -0.5}, "greater than 0"),
        ({"wavelength_um": 0.0}, "greater than 0"),
        ({"pixel_size_um": -1.0}, "greater than 0"),
        ({"pixel_size_um": math.inf}, "finite"),
        ({"wavelength_um": math.nan}, "finite"),
        ({"spherical_waves": math.nan}, "finite"),
        ({"refractive_index": 0.9}, "greater than or equal to 1"),
        ({"apodization": -0.1}, "greater than or equal to 0"),
        ({"magnification": 20}, "Extra inputs are not permitted"),
    ],
)
def test_impossible_optics_are_refused(wrong, cause):
    with pytest.raises(ValidationError, match=cause):
        OpticsSettings(**(DRY.model_dump() | wrong))


def test_settings_never_change():
    with pytest.raises(ValidationError, match="frozen"):
        DRY.numerical_aperture = 0.7


@pytest.mark.parametrize(
    ("size_px", "dz_um"), [(0, 0.0), (-3, 0.0), (8, 0.0), (9, math.nan), (9, math.inf)]
)
def test_an_impossible_psf_is_refused(size_px, dz_um):
    with pytest.raises(ValueError, match=r"size_px must be odd|dz_um must be finite"):
        defocus_psf(DRY, dz_um, size_px)


@pytest.mark.parametrize("lens", [DRY, OIL, COARSE, ABERRATED, APODIZED])
@pytest.mark.parametrize("dz_um", [0.0, 1.5, -12.0, 400.0])
def test_psf_has_unit_energy_and_a_centre(lens, dz_um):
    psf = defocus_psf(lens, dz_um, size_px=psf_size_px(lens, min(dz_um, 20.0)))
    assert psf.dtype == np.float32
    assert psf.min() >= 0
    assert psf.sum(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    for turned in (psf[::-1], psf[:, ::-1], psf.T):
        np.testing.assert_allclose(turned, psf, rtol=1e-5, atol=1e-7 * psf.max())


@pytest.mark.parametrize("lens", [DRY, OIL, ABERRATED])
@pytest.mark.parametrize(("dz_um", "least"), [(0.0, 0.97), (8.0, 0.98)])
def test_default_size_holds_the_light(lens, dz_um, least, show_figure):
    size = psf_size_px(lens, dz_um)
    wide = defocus_psf(lens, dz_um, size + 240)
    held = float(wide[120:-120, 120:-120].sum())
    show_figure(f"NA {lens.numerical_aperture}, dz {dz_um} um: {100 * held:.1f} % in {size} px")
    assert held > least


@pytest.mark.parametrize("lens", [DRY, OIL, COARSE])
@pytest.mark.parametrize("dz_um", [-20.0, 0.0, 0.7, 35.0])
def test_blur_radius_is_that_of_the_marginal_ray(lens, dz_um):
    angle = math.asin(lens.numerical_aperture / lens.refractive_index)
    expected = abs(dz_um) * math.tan(angle) / lens.pixel_size_um
    assert blur_radius_px(lens, dz_um) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("lens", "dz_um"), [(DRY, 40.0), (DRY, 120.0), (OIL, 12.0)])
def test_light_spreads_to_the_blur_radius(lens, dz_um, show_figure):
    """The uniform pupil fills sin(theta): half of the light within sin(theta_max) / sqrt(2)."""
    sine = lens.numerical_aperture / lens.refractive_index
    rim_um = blur_radius_px(lens, dz_um) * lens.pixel_size_um
    radii = np.linspace(0, 1.4 * rim_um, 1500)
    light = cumulative_light(radial_profile(lens, dz_um, radii), radii)
    half_um = dz_um * math.tan(math.asin(sine / math.sqrt(2)))
    measured = np.interp(0.5, light, radii), np.interp(rim_um, radii, light)
    show_figure(
        f"NA {lens.numerical_aperture}, dz {dz_um} um: half-light radius "
        f"{measured[0]:.2f} um, rays {half_um:.2f} um; "
        f"{100 * measured[1]:.1f} % within the blur radius"
    )
    assert measured[0] == pytest.approx(half_um, rel=0.03)
    assert measured[1] > 0.96


@pytest.mark.parametrize("lens", [DRY, OIL, APODIZED])
def test_either_side_of_focus_is_alike_without_aberration(lens):
    np.testing.assert_allclose(defocus_psf(lens, 4.0), defocus_psf(lens, -4.0), rtol=1e-5)


def test_spherical_aberration_tells_the_sides_of_focus_apart():
    above, below = (defocus_psf(ABERRATED, dz_um) for dz_um in (4.0, -4.0))
    assert np.abs(above - below).sum() > 0.2
    mirrored = ABERRATED.model_copy(update={"spherical_waves": -0.4})
    np.testing.assert_allclose(defocus_psf(mirrored, 4.0), below, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("dz_um", [300.0, -300.0])
def test_aberrated_rays_near_the_axis_follow_the_closed_form(dz_um):
    """Close to the axis r = rho |dz NA / n + 12 w wavelength / NA|, so h = (rho / r)^2."""
    radii = np.linspace(0, 20, 50)
    aberrated, perfect = (
        optics.geometric_profile(lens, dz_um, radii)[3] for lens in (ABERRATED, DRY)
    )
    perfect_um = dz_um * DRY.numerical_aperture
    aberration_um = 12 * 0.4 * DRY.wavelength_um / DRY.numerical_aperture
    expected = (perfect_um / (perfect_um + aberration_um)) ** 2
    assert abs(expected - 1) > 0.03
    assert aberrated / perfect == pytest.approx(expected, rel=2e-3)


def test_pixels_coarser_than_the_fringes_collect_all_their_light(show_figure):
    """Binning the PSF of small pixels gives that of large ones, whatever the fringes do."""
    fine = COARSE.model_copy(update={"pixel_size_um": COARSE.pixel_size_um / 15})
    binned = defocus_psf(fine, 10.0, 15 * 11).reshape(11, 15, 11, 15).sum(axis=(1, 3))
    coarse = defocus_psf(COARSE, 10.0, 11)
    error = np.abs(binned - coarse).max() / binned.max()
    show_figure(f"binned against coarse pixels: {100 * error:.2f} % of the peak")
    assert error < 0.02


def test_rays_and_waves_meet_at_the_switch(show_figure):
    """Within pixels that hold a few fringes, both sides of the limit give the same image.

    What is left are the diffraction ripples inside the rim, whose share of the light falls with
    the square root of the number of turns.
    """
    dz_um = optics._TURNS_OF_GEOMETRIC_LIMIT / defocus_turns(DRY, 1.0)
    fringe_um = DRY.wavelength_um / DRY.numerical_aperture
    camera = DRY.model_copy(update={"pixel_size_um": 6 * fringe_um})
    waves = defocus_psf(camera, 0.999 * dz_um)
    rays = defocus_psf(camera, 1.001 * dz_um, waves.shape[0])
    misplaced = np.abs(waves - rays).sum() / 2
    show_figure(f"switch: {100 * misplaced:.1f} % of the light falls into other pixels")
    assert misplaced < 0.05


@pytest.mark.parametrize("lens", [DRY, ABERRATED, OIL])
def test_encircled_light_is_continuous_across_the_switch(lens, show_figure):
    """Ripples at the rim misplace a share of the light that falls as 1 / sqrt(turns)."""
    dz_um = optics._TURNS_OF_GEOMETRIC_LIMIT / defocus_turns(lens, 1.0)
    rim_um = blur_radius_px(lens, dz_um) * lens.pixel_size_um
    fringe_um = lens.wavelength_um / lens.numerical_aperture / 2
    radii = np.arange(0, 1.2 * rim_um, fringe_um / 4)
    waves, rays = (
        cumulative_light(radial_profile(lens, factor * dz_um, radii), radii)
        for factor in (0.9999, 1.0001)
    )
    jump = np.abs(waves - rays).max()
    show_figure(f"switch, NA {lens.numerical_aperture}, spherical {lens.spherical_waves} waves: "
                f"encircled light jumps by {100 * jump:.1f} %")  # fmt: skip
    assert jump < 0.25 / math.sqrt(optics._TURNS_OF_GEOMETRIC_LIMIT)


@pytest.mark.parametrize("apodization", [0.0, 1.0])
def test_rays_follow_the_closed_form(apodization):
    """The ring sin(theta) d sin(theta) lands on r dr: irradiance (1 + (r / dz)^2)^-2."""
    lens = OIL.model_copy(update={"apodization": apodization})
    radii = np.linspace(0, 0.98 * 100 * math.tan(math.asin(1.4 / 1.515)), 400)
    slope = radii / 100
    rho = slope / np.sqrt(1 + slope**2) / (1.4 / 1.515)
    expected = np.exp(-2 * apodization * rho**2) * (1 + slope**2) ** -2
    measured = optics.geometric_profile(lens, 100.0, radii)
    np.testing.assert_allclose(measured / measured[0], expected, atol=2e-3)


def test_a_constant_plane_keeps_its_value():
    plane = np.full((40, 31), 7.0, dtype=np.float32)
    np.testing.assert_allclose(image_plane(plane, defocus_psf(DRY, 15.0)), 7.0, rtol=1e-5)


def test_a_point_becomes_the_psf():
    psf = defocus_psf(DRY, 3.0)
    reach = psf.shape[0] // 2
    plane = np.zeros((2 * psf.shape[0] + 1, 3 * psf.shape[0]), dtype=np.float32)
    y, x = psf.shape[0], psf.shape[0] + 4
    plane[y, x] = 5.0
    image = image_plane(plane, psf)
    window = image[y - reach : y + reach + 1, x - reach : x + reach + 1]
    assert image.dtype == np.float32
    np.testing.assert_allclose(window, 5 * psf, atol=1e-6 * psf.max())


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (64, 3)])
def test_images_smaller_than_the_blur_keep_shape_and_light(shape):
    plane = np.random.default_rng(0).random(shape, dtype=np.float32)
    image = image_plane(plane, defocus_psf(DRY, 20.0))
    assert image.shape == shape
    assert image.min() >= plane.min() - 1e-5
    assert image.max() <= plane.max() + 1e-5


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (9,)])
def test_a_psf_without_a_middle_pixel_is_refused(shape):
    psf = np.ones(shape, dtype=np.float32)
    with pytest.raises(ValueError, match="square with an odd side"):
        image_plane(np.zeros((8, 8), dtype=np.float32), psf)


def test_a_volume_of_one_slice_is_a_plane():
    plane = np.random.default_rng(1).random((30, 44), dtype=np.float32)
    image = image_volume(plane[None], ABERRATED, z_spacing_um=1.0, focus_um=5.0)
    np.testing.assert_array_equal(image, image_plane(plane, defocus_psf(ABERRATED, -5.0)))


def test_a_volume_is_the_sum_of_its_slices_in_their_places():
    volume = np.random.default_rng(2).random((3, 30, 32), dtype=np.float32)
    image = image_volume(volume, DRY, z_spacing_um=2.5, focus_um=2.5)
    expected = sum(
        image_plane(plane, defocus_psf(DRY, dz_um))
        for plane, dz_um in zip(volume, (-2.5, 0.0, 2.5), strict=True)
    )
    np.testing.assert_allclose(image, expected, rtol=1e-5)


@pytest.mark.parametrize("dz_um", [0.0, 6.0])
def test_a_stained_disc_keeps_its_mean_absorption(dz_um):
    rows, columns = np.mgrid[:160, :160] - 80
    absorption = 0.1 * (rows**2 + columns**2 < 12**2)
    image = image_plane((1 - absorption).astype(np.float32), defocus_psf(DRY, dz_um))
    assert float((1 - image).sum()) == pytest.approx(absorption.sum(), rel=1e-3)
    assert image.max() <= 1 + 1e-5


@pytest.mark.parametrize(("signal", "gain", "read_noise"), [(0.0, 0.34, 1.5), (600.0, 0.34, 1.5),
                                                            (900.0, 2.0, 8.0)])  # fmt: skip
def test_camera_noise_has_the_planted_mean_and_variance(signal, gain, read_noise, show_figure):
    camera = CameraSettings(offset=100, counts_per_electron=gain, read_noise=read_noise)
    counts = np.full((400, 400), signal, dtype=np.float32)
    image = expose_camera(counts, camera, np.random.default_rng(3))
    variance = gain * signal + read_noise**2 + 1 / 12  # rounding adds a twelfth
    show_figure(
        f"signal {signal}: mean {image.mean():.2f}, variance {image.var():.2f} ({variance:.2f})"
    )
    assert image.mean(dtype=np.float64) == pytest.approx(100 + signal, abs=0.1)
    assert image.var(dtype=np.float64) == pytest.approx(variance, rel=0.02)


def test_camera_saturates_and_never_falls_below_zero():
    camera = CameraSettings(offset=2, bit_depth=8, read_noise=4)
    counts = np.stack([np.full((50, 50), 1e6), np.zeros((50, 50))]).astype(np.float32)
    image = expose_camera(counts, camera, np.random.default_rng(4))
    assert image.dtype == np.float32
    assert (image[0] == 255).all()
    assert image[1].min() == 0
    np.testing.assert_array_equal(image, np.rint(image))


def test_light_below_zero_is_darkness():
    camera = CameraSettings(read_noise=0)
    counts = np.full((4, 4), -3.0, dtype=np.float32)
    assert (expose_camera(counts, camera, np.random.default_rng(5)) == 100).all()


@pytest.mark.parametrize(
    "wrong",
    [{"counts_per_electron": 0.0}, {"read_noise": -1.0}, {"bit_depth": 17}, {"bit_depth": 0},
     {"offset": math.nan}, {"gain": 2.0}],
)  # fmt: skip
def test_impossible_cameras_are_refused(wrong):
    with pytest.raises(ValidationError):
        CameraSettings(**wrong)
