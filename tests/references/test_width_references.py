"""Widths of planted structures: Gaussians, Lorentzians, bars, in one image and in several."""

import math

import numpy as np
import pytest

from focusfix.metrics.peak import NoPeakError, find_point, measure_peak, measure_point, points_up
from focusfix.metrics.profile import Line, sample_line
from focusfix.metrics.widths import ALONG, measure_widths

FWHM_OF_SIGMA = 2 * math.sqrt(2 * math.log(2))
SHAPE = (120, 130)


def bead(
    sigma: float, at: tuple[float, float] = (60.3, 64.6), *, wider: float = 1.0, height=1000.0
) -> np.ndarray:
    rows, columns = np.indices(SHAPE, dtype=float)
    squares = ((rows - at[0]) / (wider * sigma)) ** 2 + ((columns - at[1]) / sigma) ** 2
    return 100 + height * np.exp(-squares / 2)


def noise(level: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, SHAPE)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.5, 5.0, 11.0])
@pytest.mark.parametrize("wider", [1.0, 1.4])
def test_gaussian_bead(sigma, wider):
    plane = bead(sigma, wider=wider)
    middle = find_point(plane, (62, 63))
    assert middle == pytest.approx((60.3, 64.6), abs=0.05)
    peaks = measure_point(plane, middle).peaks
    close = 0.015 if sigma > 1 else 0.03  # some two pixels wide
    assert peaks["x"].fwhm_px == pytest.approx(FWHM_OF_SIGMA * sigma, rel=close)
    assert peaks["y"].fwhm_px == pytest.approx(FWHM_OF_SIGMA * sigma * wider, rel=close)
    assert peaks["x"].height == pytest.approx(1000, rel=0.04)
    assert peaks["x"].background == pytest.approx(100, abs=10)


@pytest.mark.parametrize("sigma", [1.5, 3.0, 6.0])
def test_noise_of_a_fiftieth_of_the_height_changes_little(sigma):
    widths = [
        measure_point(bead(sigma) + noise(20, seed), (60.3, 64.6)).peaks["x"].fwhm_px
        for seed in range(8)
    ]
    assert np.mean(widths) == pytest.approx(FWHM_OF_SIGMA * sigma, rel=0.03)
    assert np.std(widths) < 0.05 * np.mean(widths)


def test_the_background_need_not_be_dark_nor_alone():
    """A steep offset, and a brighter neighbour ten pixels away, leave the width as it is."""
    plane = bead(2.0) + bead(2.0, (60.3, 84.6), height=3000.0) + 20_000
    peaks = measure_point(plane, (60.3, 64.6)).peaks
    assert peaks["x"].fwhm_px == pytest.approx(2 * FWHM_OF_SIGMA, rel=0.02)
    assert peaks["x"].background == pytest.approx(20_200, abs=40)


def test_a_peak_that_is_no_gaussian():
    """A Lorentzian has the width of its definition; a fitted Gaussian would not."""
    positions = np.linspace(0, 400, 4001)
    values = 5 + 80 / (1 + ((positions - 200) / 3.0) ** 2)
    assert measure_peak(positions, values).fwhm_px == pytest.approx(6.0, rel=0.02)
    bar = np.where(np.abs(positions - 200) < 10, 9.0, 2.0)
    assert measure_peak(positions, bar).fwhm_px == pytest.approx(20.0, abs=0.2)


@pytest.mark.parametrize("angle_deg", [0, 30, 45, 77])
def test_a_fibre_that_a_line_crosses(angle_deg):
    """A Gaussian fibre, crossed at a right angle and at 45 degrees, where it is wider by 1.41."""
    rows, columns = np.indices(SHAPE, dtype=float)
    angle = math.radians(angle_deg)
    across = (rows - 60) * math.cos(angle) - (columns - 65) * math.sin(angle)
    plane = 50 + 400 * np.exp(-(across**2) / (2 * 2.5**2))
    for turn, factor in ((0.0, 1.0), (math.pi / 4, math.sqrt(2))):
        step = 30 * math.cos(angle + turn), -30 * math.sin(angle + turn)
        points = ((60 - step[0], 65 - step[1]), (60 + step[0], 65 + step[1]))
        widths = measure_widths({"image": plane}, points)
        peak = widths.peaks[ALONG]["image"]
        assert peak.fwhm_px == pytest.approx(2.5 * FWHM_OF_SIGMA * factor, rel=0.01)
        assert peak.middle_px == pytest.approx(30, abs=0.05)


def test_dark_structures_are_as_wide_as_bright_ones():
    dark = 5000 - bead(2.0)
    assert not points_up(dark, (60, 65))
    peaks = measure_widths({"image": dark}, [(60, 65)]).peaks
    assert peaks["y"]["image"].fwhm_px == pytest.approx(2 * FWHM_OF_SIGMA, rel=0.01)
    line = measure_widths({"image": dark}, [(60.3, 40), (60.3, 90)]).peaks[ALONG]["image"]
    assert line.fwhm_px == pytest.approx(2 * FWHM_OF_SIGMA, rel=0.01)


def test_images_are_measured_on_the_lines_of_the_last():
    images = {"output": bead(3.0), "input": noise(1) + 100, "reference": bead(1.5)}
    widths = measure_widths(images, [(58, 66)])
    assert widths.lines["x"].y0 == pytest.approx(60.3, abs=0.05)
    assert widths.lines["x"].length_px >= 24
    measured = {name: peak and peak.fwhm_px for name, peak in widths.peaks["x"].items()}
    assert measured["output"] == pytest.approx(3.0 * FWHM_OF_SIGMA, rel=0.01)
    assert measured["reference"] == pytest.approx(1.5 * FWHM_OF_SIGMA, rel=0.01)
    assert measured["input"] is None


@pytest.mark.parametrize(
    ("plane", "words"),
    [
        (np.full(SHAPE, 7.0), "does not fall|does not stand out"),
        (noise(5.0) + 100, "does not stand out|does not fall"),
        (np.tile(np.where(np.arange(130) < 65, 10.0, 900.0), (120, 1)), "does not"),
        (bead(40.0), "too wide|does not fall"),
        (np.rint(0.6 + np.random.default_rng(0).uniform(size=SHAPE)), "does not"),
    ],
    ids=["constant", "noise", "edge", "too wide", "single grey values"],
)
def test_no_peak_is_said_to_be_none(plane, words):
    with pytest.raises(NoPeakError, match=words):
        measure_widths({"image": plane}, [(60, 65)])


def test_a_peak_at_the_edge_is_cut_off():
    with pytest.raises(NoPeakError, match="does not fall"):
        measure_widths({"image": bead(3.0, (60, 1))}, [(60, 1)])


def test_samples_of_a_line_are_the_pixels_it_passes():
    plane = noise(1.0)
    positions, values = sample_line(plane, Line(7, 20, 7, 90))
    at_pixels = np.isclose(positions % 1, 0, atol=1e-9) | np.isclose(positions % 1, 1, atol=1e-9)
    assert at_pixels.sum() == 71
    np.testing.assert_allclose(values[at_pixels], plane[7, 20:91], atol=1e-6)
    assert positions[-1] == pytest.approx(70)
