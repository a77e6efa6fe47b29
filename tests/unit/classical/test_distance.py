import numpy as np
import pytest

from focusfix.classical.distance import candidate_distances, estimate_distance, farthest_visible
from focusfix.data.screening import SCREENING_OPTICS, screening_pair
from focusfix.optics import FloatArray, OpticsSettings, blur_radius_px

LENS = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.5)


def discs(seed: int = 0, size: int = 256) -> FloatArray:
    """Draw discs of all sizes and brightnesses, as cells are."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    image = np.zeros((size, size), np.float32)
    for _ in range(40):
        y, x, radius = (
            generator.uniform(0, size),
            generator.uniform(0, size),
            generator.uniform(4, 16),
        )
        image[np.hypot(rows - y, columns - x) < radius] += generator.uniform(0.3, 1)
    return image


@pytest.mark.parametrize("dz_um", [0.0, 8.0, 18.0])
def test_finds_the_distance_of_a_simulated_field(dz_um: float) -> None:
    image, _ = screening_pair(discs(), dz_um, seed=0)
    fit = estimate_distance(image, SCREENING_OPTICS, farthest_um=24.0)
    assert fit.dz_um == pytest.approx(dz_um, abs=1.2, rel=0.1)
    assert not fit.at_the_end
    if dz_um > 1:
        assert fit.misfit < fit.misfit_in_focus


def test_brightness_and_offset_do_not_matter() -> None:
    image, _ = screening_pair(discs(), 5.0, seed=0)
    first = estimate_distance(image, SCREENING_OPTICS, farthest_um=8.0)
    other = estimate_distance(40 * image + 1000, SCREENING_OPTICS, farthest_um=8.0)
    assert other.dz_um == pytest.approx(first.dz_um, abs=0.2)


def test_says_when_it_may_be_farther() -> None:
    image, _ = screening_pair(discs(), 25.0, seed=0)
    assert estimate_distance(image, SCREENING_OPTICS, farthest_um=6.0).at_the_end


def test_candidates_start_in_focus_and_grow_apart() -> None:
    distances = candidate_distances(LENS, 60.0)
    steps = np.diff(distances)[:-1]
    assert distances[0] == 0
    assert distances[-1] == 60
    assert steps[0] == pytest.approx(1.0)
    assert (np.diff(steps) >= 0).all()


@pytest.mark.parametrize("farthest_um", [0.0, -1.0, float("inf"), float("nan")])
def test_refuses_to_search_nowhere(farthest_um: float) -> None:
    with pytest.raises(ValueError, match="farthest_um must be greater than 0"):
        candidate_distances(LENS, farthest_um)


@pytest.mark.parametrize(("shape", "radius_px"), [((2000, 3000), 64), ((200, 900), 20)])
def test_search_ends_where_the_disc_is_large(shape: tuple[int, int], radius_px: float) -> None:
    assert blur_radius_px(LENS, farthest_visible(LENS, shape)) == pytest.approx(radius_px)
