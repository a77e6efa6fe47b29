import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from focusfix.optics import (
    CameraSettings,
    OpticsSettings,
    blur_radius_px,
    defocus_psf,
    expose_camera,
    image_plane,
)

FEW = settings(deadline=None, max_examples=25)


@st.composite
def lenses(draw, aberrated: bool = True) -> OpticsSettings:
    index = draw(st.sampled_from([1.0, 1.33, 1.515]))
    aperture = draw(st.floats(0.1, 0.97 * index))
    return OpticsSettings(
        numerical_aperture=aperture,
        wavelength_um=draw(st.floats(0.4, 0.8)),
        pixel_size_um=draw(st.floats(0.1, 4.0)) / aperture,
        refractive_index=index,
        apodization=draw(st.floats(0, 2)),
        spherical_waves=draw(st.floats(-1, 1)) if aberrated else 0.0,
    )


def distance_um(lens: OpticsSettings, radius_px: float) -> float:
    return radius_px / blur_radius_px(lens, 1.0)


def planes(side: int = 24) -> st.SearchStrategy[np.ndarray]:
    return st.integers(0, 2**32 - 1).map(
        lambda seed: np.random.default_rng(seed).random((side, side + 5), dtype=np.float32)
    )


@FEW
@given(lens=lenses(), radius_px=st.floats(-15, 15), half_px=st.integers(0, 20))
def test_every_psf_is_a_centred_share_of_light(lens, radius_px, half_px):
    psf = defocus_psf(lens, distance_um(lens, radius_px), 2 * half_px + 1)
    assert psf.shape == (2 * half_px + 1, 2 * half_px + 1)
    assert np.isfinite(psf).all()
    assert psf.min() >= 0
    assert math.isclose(psf.sum(dtype=np.float64), 1, abs_tol=1e-5)
    np.testing.assert_allclose(psf, psf[::-1, ::-1].T, rtol=1e-4, atol=1e-6 * psf.max())


@FEW
@given(lens=lenses(), radius_px=st.floats(0.1, 12))
def test_turning_defocus_and_aberration_changes_nothing(lens, radius_px):
    mirrored = lens.model_copy(update={"spherical_waves": -lens.spherical_waves})
    dz_um = distance_um(lens, radius_px)
    np.testing.assert_allclose(
        defocus_psf(lens, dz_um, 21), defocus_psf(mirrored, -dz_um, 21), rtol=1e-3, atol=1e-7
    )


@FEW
@given(lens=lenses(aberrated=False), dz_um=st.floats(-50, 50), factor=st.floats(0.1, 10))
def test_only_lengths_relative_to_one_another_matter(lens, dz_um, factor):
    scaled = lens.model_copy(
        update={
            "wavelength_um": lens.wavelength_um * factor,
            "pixel_size_um": lens.pixel_size_um * factor,
        }
    )
    assert math.isclose(
        blur_radius_px(scaled, dz_um * factor), blur_radius_px(lens, dz_um), abs_tol=1e-9
    )
    dz_um = distance_um(lens, 4.0)
    np.testing.assert_allclose(
        defocus_psf(scaled, dz_um * factor, 13), defocus_psf(lens, dz_um, 13), rtol=1e-3, atol=1e-7
    )


@FEW
@given(
    first=planes(), second=planes(), gain=st.floats(-3, 3), lens=lenses(), radius=st.floats(0, 6)
)
def test_imaging_is_linear(first, second, gain, lens, radius):
    psf = defocus_psf(lens, distance_um(lens, radius), 15)
    together = image_plane(np.float32(gain) * first + second, psf)
    apart = gain * image_plane(first, psf) + image_plane(second, psf)
    np.testing.assert_allclose(together, apart, atol=2e-5)


@FEW
@given(plane=planes(), lens=lenses(), radius=st.floats(0, 6), level=st.floats(0, 1000))
def test_imaging_adds_no_light_and_no_contrast(plane, lens, radius, level):
    psf = defocus_psf(lens, distance_um(lens, radius), 15)
    image = image_plane(plane, psf)
    assert image.shape == plane.shape
    assert image.min() >= plane.min() - 1e-5
    assert image.max() <= plane.max() + 1e-5
    flat = image_plane(np.full_like(plane, level), psf)
    np.testing.assert_allclose(flat, level, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(image_plane(plane[::-1, ::-1], psf), image[::-1, ::-1], atol=1e-5)


@FEW
@given(
    plane=planes(8),
    exposure=st.floats(0, 1e5),
    offset=st.floats(0, 500),
    gain=st.floats(0.05, 20),
    read_noise=st.floats(0, 20),
    bit_depth=st.integers(1, 16),
    seed=st.integers(0, 2**32 - 1),
)
def test_cameras_record_whole_grey_values_in_range(
    plane, exposure, offset, gain, read_noise, bit_depth, seed
):
    camera = CameraSettings(
        offset=offset, counts_per_electron=gain, read_noise=read_noise, bit_depth=bit_depth
    )
    image, again = (
        expose_camera(plane * exposure, camera, np.random.default_rng(seed)) for _ in range(2)
    )
    assert image.shape == plane.shape
    assert 0 <= image.min() <= image.max() <= 2**bit_depth - 1
    np.testing.assert_array_equal(image, np.rint(image))
    np.testing.assert_array_equal(image, again)
