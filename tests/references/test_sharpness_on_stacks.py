"""Sharpness of real focal series: highest in focus, falling on both sides of it."""

import numpy as np
import pytest

from focusfix.io.image import open_image
from focusfix.metrics.focus import rank_focus

pytestmark = pytest.mark.data


def measure(path) -> tuple[np.ndarray, int]:
    with open_image(path) as image:
        rows, columns = (slice(0, min(size, 512)) for size in image.metadata.shape_yx)
        planes = [
            image.read_window(plane.position, rows, columns).mean(axis=-1)
            for plane in image.metadata.planes
        ]
    sharpness, focal_level = rank_focus(planes)
    return np.array(sharpness), focal_level


def test_brightfield_smear_falls_from_its_stated_focus(real_data):
    """Plane 9 of 19 is in focus, as its publishers say."""
    sharpness, focal_level = measure(real_data / "stacks" / "smear_brightfield_rgb_z19.tif")
    assert focal_level == 9
    assert (np.diff(sharpness[:10]) > 0).all()
    assert (np.diff(sharpness[9:]) < 0).all()


def test_fluorescence_nucleus_falls_from_its_focus(real_data):
    """Far from focus nothing changes any more: the curve ends in a level, up to its noise."""
    sharpness, focal_level = measure(real_data / "stacks" / "nucleus_widefield_z45.tif")
    assert focal_level == 19
    left, right = sharpness[focal_level::-1], sharpness[focal_level:]
    for side in (left, right):
        steps = np.diff(side)
        assert (steps[:12] < 0).all()
        assert steps.max() < 0.015 * sharpness.max()
        assert side[12:].max() < 0.5 * sharpness.max()


def test_noisy_volume_falls_to_its_empty_ends(real_data):
    """A ball of chromosomes: every plane through it shows some in focus, so that there is no single
    plane of focus. Above and below it the planes are empty, and noisier than what they show."""
    sharpness, focal_level = measure(real_data / "stacks" / "chromosomes_z40.tif")
    inside = np.flatnonzero(sharpness > 0.6 * sharpness.max())
    assert inside[0] <= focal_level <= inside[-1]
    assert (np.diff(inside) == 1).all()
    assert (np.diff(sharpness[: inside[0] + 1]) > 0).all()
    assert (np.diff(sharpness[inside[-1] :]) < 0).all()
    assert max(sharpness[0], sharpness[-1]) < 0.02 * sharpness.max()


@pytest.mark.parametrize("name", ["mitochondria_z34.tif", "microtubules_z31.tif"])
def test_fluorescence_falls_on_both_sides(real_data, name):
    """Planes are 0.05 um apart, well within the depth of field: neighbours may swap, means of five
    may not. A side with less than two such means has no order."""
    sharpness, focal_level = measure(real_data / "stacks" / name)
    sides = sharpness[focal_level::-1], sharpness[focal_level:]
    means = [side[: side.size // 5 * 5].reshape(-1, 5).mean(axis=1) for side in sides]
    assert max(len(each) for each in means) >= 3
    assert all((np.diff(each) < 0).all() for each in means)
