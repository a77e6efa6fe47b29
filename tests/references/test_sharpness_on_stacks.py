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


@pytest.mark.parametrize("name", ["mitochondria_z34.tif", "microtubules_z31.tif"])
def test_fluorescence_falls_on_both_sides(real_data, name):
    """Planes are 0.05 um apart, well within the depth of field: neighbours may swap, means of five
    may not. A side with less than two such means has no order."""
    sharpness, focal_level = measure(real_data / "stacks" / name)
    sides = sharpness[focal_level::-1], sharpness[focal_level:]
    means = [side[: side.size // 5 * 5].reshape(-1, 5).mean(axis=1) for side in sides]
    assert max(len(each) for each in means) >= 3
    assert all((np.diff(each) < 0).all() for each in means)
