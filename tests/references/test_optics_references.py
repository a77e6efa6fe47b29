"""The optics against closed forms and against other ways to compute the same image."""

import math

import numpy as np
import pytest
from scipy.special import j1

from focusfix.optics import (
    OpticsSettings,
    blur_radius_px,
    defocus_psf,
    image_plane,
    wave_profile,
)


def lens_of(aperture: float, index: float = 1.0, pixel_um: float = 0.1) -> OpticsSettings:
    return OpticsSettings(
        numerical_aperture=aperture,
        wavelength_um=0.5,
        pixel_size_um=pixel_um,
        refractive_index=index,
    )


def transfer_along_x(psf: np.ndarray, pixel_um: float) -> tuple[np.ndarray, np.ndarray]:
    """Optical transfer function along one axis, with its frequencies per micrometre."""
    transfer = np.fft.rfft(np.fft.ifftshift(psf.sum(axis=0)))
    return np.fft.rfftfreq(psf.shape[1], pixel_um), transfer.real


@pytest.mark.parametrize(
    ("aperture", "index"), [(0.3, 1.0), (0.75, 1.0), (1.2, 1.33), (1.4, 1.515)]
)
def test_in_focus_profile_is_the_airy_pattern(aperture, index, show_figure):
    """(2 J1(v) / v)^2 with v = 2 pi NA r / wavelength."""
    lens = lens_of(aperture, index)
    radii = np.linspace(0, 5 * 0.61 * 0.5 / aperture, 600)
    v = 2 * np.pi * aperture * radii[1:] / 0.5
    expected = np.concatenate([[1.0], (2 * j1(v) / v) ** 2])
    measured = wave_profile(lens, 0.0, radii)
    measured /= measured[0]
    np.testing.assert_allclose(measured, expected, atol=1e-10)
    width = 2 * np.interp(-0.5, -measured[:300], radii[:300]) * aperture / 0.5
    show_figure(f"NA {aperture}: full width at half maximum {width:.4f} wavelength / NA")
    assert width == pytest.approx(0.5145, abs=5e-4)


@pytest.mark.parametrize(("aperture", "index"), [(0.5, 1.0), (1.3, 1.515)])
def test_pixels_keep_the_in_focus_width(aperture, index, show_figure):
    """In pixels of a tenth of the Airy radius the image of a point is 0.51 wavelength / NA wide."""
    pixel_um = 0.061 * 0.5 / aperture
    psf = defocus_psf(lens_of(aperture, index, pixel_um), 0.0, 81)
    falling = psf[40, 40:70] / psf[40, 40]
    pixels = 2 * np.interp(-0.5, -falling[:10], np.arange(10))
    width = pixels * pixel_um * aperture / 0.5
    show_figure(f"NA {aperture}: width in pixels {width:.3f} wavelength / NA")
    assert width == pytest.approx(0.51, rel=0.02)


@pytest.mark.parametrize(("aperture", "index"), [(0.1, 1.0), (0.75, 1.0), (1.4, 1.515)])
def test_light_on_the_axis_follows_the_closed_form(aperture, index):
    """With s = 1 - cos(theta), rho d rho = (n / NA)^2 (1 - s) ds, which integrates by hand."""
    lens = lens_of(aperture, index)
    rim = 1 - math.sqrt(1 - (aperture / index) ** 2)
    wave_number = 2 * np.pi * index / 0.5
    for turns in (0.3, 1.0, 2.5, 7.2):
        dz_um = turns * 0.5 / index / rim
        kz = wave_number * dz_um
        end = np.exp(-1j * kz * rim)
        flat = (end - 1) / (-1j * kz)
        tilted = rim * end / (-1j * kz) - flat / (-1j * kz)
        expected = abs((index / aperture) ** 2 * (flat - tilted)) ** 2
        measured = wave_profile(lens, dz_um, np.array([0.0]))[0]
        assert measured == pytest.approx(expected, rel=1e-8, abs=1e-12)


def test_low_aperture_darkens_at_whole_turns():
    """Paraxial: the axis falls as sinc^2 of the turns, and is dark after each whole one."""
    lens = lens_of(0.05)
    one_turn_um = 2 * 0.5 / 0.05**2
    axis = np.array([0.0])
    in_focus = wave_profile(lens, 0.0, axis)[0]
    for turns in (0.25, 0.5, 1.0, 1.5, 2.0):
        measured = wave_profile(lens, turns * one_turn_um, axis)[0] / in_focus
        assert measured == pytest.approx(np.sinc(turns) ** 2, abs=2e-3)


@pytest.mark.parametrize(
    ("aperture", "index", "dz_um"),
    [(0.5, 1.0, 0.0), (0.5, 1.0, 5.0), (0.9, 1.0, -3.0), (1.2, 1.33, 2.0)],
)
@pytest.mark.parametrize("spherical", [0.0, 0.3])
def test_profile_is_that_of_a_transformed_pupil(aperture, index, dz_um, spherical, show_figure):
    """The PSF is the squared modulus of the Fourier transform of the pupil, drawn on a grid."""
    grid_px, rim_px = 1024, 100
    steps = (np.arange(5 * 2 * (rim_px + 2)) - (5 * 2 * (rim_px + 2) - 1) / 2) / 5
    rho = np.hypot(steps[:, None] - 0.5, steps[None, :] - 0.5) / rim_px
    inside = rho <= 1
    safe = np.where(inside, rho, 0)
    phase = 2 * np.pi * dz_um * index / 0.5 * np.sqrt(1 - (aperture / index * safe) ** 2)
    phase += 2 * np.pi * spherical * (6 * safe**4 - 6 * safe**2)
    drawn = np.where(inside, np.exp(1j * phase), 0)
    side = 2 * (rim_px + 2)
    pupil = drawn.reshape(side, 5, side, 5).mean(axis=(1, 3))
    field = np.abs(np.fft.fft2(pupil, (grid_px, grid_px))) ** 2
    radii = np.arange(120) * (0.5 / aperture) * rim_px / grid_px
    lens = lens_of(aperture, index).model_copy(update={"spherical_waves": spherical})
    measured = wave_profile(lens, dz_um, radii)
    error = np.abs(measured / measured.sum() - field[0, :120] / field[0, :120].sum()).max()
    error /= (measured / measured.sum()).max()
    show_figure(f"NA {aperture}, dz {dz_um}: differs by {100 * error:.2f} % of the peak")
    assert error < 0.01


def test_in_focus_transfer_is_the_closed_form_times_the_pixel(show_figure):
    """(2 / pi)(acos(f) - f sqrt(1 - f^2)) with f in units of the cut-off, times sinc."""
    lens = lens_of(0.6, pixel_um=0.1)
    frequency, transfer = transfer_along_x(defocus_psf(lens, 0.0, 801), 0.1)
    relative = np.minimum(frequency / lens.cutoff_per_um, 1)
    expected = 2 / np.pi * (np.arccos(relative) - relative * np.sqrt(1 - relative**2))
    error = np.abs(transfer - expected * np.sinc(frequency * 0.1)).max()
    show_figure(f"in-focus transfer differs by at most {error:.4f}")
    assert error < 0.01


@pytest.mark.parametrize(("aperture", "index"), [(0.4, 1.0), (0.75, 1.0), (1.3, 1.515)])
@pytest.mark.parametrize("dz_um", [0.0, 1.0, -4.0])
def test_nothing_passes_beyond_the_cut_off(aperture, index, dz_um, show_figure):
    """2 NA / wavelength, whatever the defocus; the finite window lets a trace through."""
    pixel_um = 0.5 / aperture / 8
    lens = lens_of(aperture, index, pixel_um)
    psf = defocus_psf(lens, dz_um, 2 * (math.ceil(blur_radius_px(lens, dz_um)) + 200) + 1)
    spectrum = np.abs(np.fft.fft2(psf))
    rows = np.fft.fftfreq(psf.shape[0], pixel_um)
    radial = np.hypot(rows[:, None], rows[None, :])
    beyond = spectrum[radial > 1.02 * lens.cutoff_per_um].max()
    below = np.sqrt(np.mean(spectrum[radial < 0.9 * lens.cutoff_per_um] ** 2))
    show_figure(f"NA {aperture}, dz {dz_um}: at most {beyond:.5f} beyond the cut-off, "
                f"rms {below:.4f} below")  # fmt: skip
    assert beyond < 2e-3
    assert beyond < 0.1 * below


def abbe_image(
    transmission: np.ndarray, lens: OpticsSettings, dz_um: float, condenser: float
) -> np.ndarray:
    """Bright-field image by Abbe's sum: one coherent image for every point of the condenser."""
    side = transmission.shape[0]
    frequency = np.fft.fftfreq(side, lens.pixel_size_um)
    spectrum = np.fft.fft2(transmission)
    rim = lens.numerical_aperture / lens.wavelength_um * (1 + 1e-9)
    step = rim / 15
    grid = np.arange(-15, 16) * step
    total, weight = np.zeros((side, side)), 0
    for v, u in ((v, u) for v in grid for u in grid if np.hypot(u, v) <= condenser * rim):
        squared = (frequency[:, None] + v) ** 2 + (frequency[None, :] + u) ** 2
        sine = np.minimum(squared * lens.wavelength_um**2, 1)
        phase = 2 * np.pi * dz_um / lens.wavelength_um * np.sqrt(1 - sine)
        pupil = np.exp(1j * phase) * (squared <= rim**2)
        total += np.abs(np.fft.ifft2(spectrum * pupil)) ** 2
        weight += 1
    return total / weight


def stained_disc(radius_px: float, side: int) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] - side // 2
    return np.clip(radius_px + 0.5 - np.hypot(rows, columns), 0, 1)


@pytest.mark.parametrize("dz_um", [0.0, 2.0, 5.0])
def test_stained_samples_image_as_transmitted_light(dz_um, show_figure):
    """A weak absorber under a condenser as wide as the objective: Abbe's sum agrees.

    With the condenser closed to a third it no longer does: the limit of the approximation.
    """
    lens = lens_of(0.5, pixel_um=0.25)
    absorption = 0.05 * stained_disc(8, 96)
    transmission = (1 - absorption).astype(np.float32)
    ours = image_plane(transmission, defocus_psf(lens, dz_um, 95))
    full, closed = (
        abbe_image(np.sqrt(transmission), lens, dz_um, condenser) for condenser in (1.0, 1 / 3)
    )
    wanted = full.max() - full.min()
    errors = [np.abs(image - ours).max() / wanted for image in (full, closed)]
    show_figure(f"dz {dz_um}: differs by {100 * errors[0]:.1f} % of the contrast under a full "
                f"condenser, {100 * errors[1]:.1f} % under one closed to a third")  # fmt: skip
    assert errors[0] < 0.02
    if dz_um:
        assert errors[1] > 2 * errors[0]


def test_clear_samples_are_outside_the_model(show_figure):
    """A phase disc is visible out of focus under a closed condenser; transmitted light is not."""
    lens = lens_of(0.5, pixel_um=0.25)
    phase = np.exp(0.3j * stained_disc(8, 96))
    ours = image_plane((np.abs(phase) ** 2).astype(np.float32), defocus_psf(lens, 3.0, 95))
    visible = np.ptp(abbe_image(phase, lens, 3.0, 1 / 3))
    show_figure(f"clear disc: contrast {100 * visible:.0f} % by Abbe's sum, "
                f"{100 * np.ptp(ours):.2f} % by the model")  # fmt: skip
    assert np.ptp(ours) < 1e-4
    assert visible > 0.1
