from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter
from skimage.io import imsave

from focusfix.data.sharp_images import (
    SharpImage,
    edge_sharpness,
    keep_in_focus,
    read_sharp_images,
    split_of,
)
from focusfix.errors import InputError


def squares(seed: int, shape: tuple[int, int] = (96, 96)) -> np.ndarray:
    random = np.random.default_rng(seed)
    plane = np.zeros(shape, dtype=np.float32)
    for y, x in random.integers(0, 80, (12, 2)):
        plane[y : y + 10, x : x + 10] = random.uniform(0.4, 1.0)
    return plane


def write(path: Path, pixels: np.ndarray) -> Path:
    imsave(path, pixels, check_contrast=False)
    return path


def test_a_gray_image_is_one_plane_from_0_to_1(tmp_path):
    pixels = (squares(0) * 200 + 20).astype(np.uint8)
    (image,) = read_sharp_images([write(tmp_path / "gray.png", pixels)])
    assert image.path.name == "gray.png"
    assert image.plane.shape == (96, 96)
    assert image.plane.dtype == np.float32
    assert (image.plane.min(), image.plane.max()) == (0.0, 1.0)


def test_gray_stored_as_colour_is_one_plane(tmp_path):
    pixels = np.repeat((squares(0) * 255).astype(np.uint8)[..., None], 3, axis=-1)
    assert len(read_sharp_images([write(tmp_path / "rgb.png", pixels)])) == 1


def test_stained_images_are_three_planes_that_keep_their_darkness(tmp_path):
    pixels = np.stack([255 - 100 * squares(seed) for seed in range(3)], axis=-1).astype(np.uint8)
    planes = read_sharp_images([write(tmp_path / "stain.png", pixels)], absorbing=True)
    assert len(planes) == 3
    for seed, image in enumerate(planes):
        expected = pixels[..., seed] / 255.0
        np.testing.assert_allclose(image.plane, expected, atol=1e-6)


def test_empty_images_are_left_out_and_order_is_kept(tmp_path):
    flat = write(tmp_path / "a_flat.png", np.full((20, 20), 9, dtype=np.uint8))
    second = write(tmp_path / "b.png", (squares(1) * 255).astype(np.uint8))
    third = write(tmp_path / "c.png", (squares(2) * 255).astype(np.uint8))
    found = read_sharp_images([flat, third, second])
    assert [image.path.name for image in found] == ["c.png", "b.png"]


def test_no_image_at_all_is_an_input_error():
    with pytest.raises(InputError, match=r"No sharp images were found\."):
        read_sharp_images([])


@pytest.mark.parametrize("gain", [0.01, 1.0, 500.0])
def test_edges_are_measured_against_the_contrast(gain):
    plane = squares(3)
    assert edge_sharpness(gain * plane + 7) == pytest.approx(edge_sharpness(plane), rel=1e-3)


def test_edges_soften_with_planted_blur():
    values = [edge_sharpness(gaussian_filter(squares(3), sigma)) for sigma in (0.0, 1.5, 3.0, 6.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 3 * values[-1]


def test_blurred_copies_are_dropped_within_each_size():
    images = []
    for seed in range(10):
        for shape in ((96, 96), (100, 120)):
            plane = squares(seed, shape)
            blurred = gaussian_filter(plane, 4.0)
            images.append(SharpImage(Path(f"sharp{seed}"), plane))
            if seed < 3:
                images.append(SharpImage(Path(f"blurred{seed}"), blurred))
    kept = keep_in_focus(images, drop_share=6 / 26)
    assert [image.path.name for image in kept] == [
        image.path.name for image in images if image.path.name.startswith("sharp")
    ]


def test_a_handful_is_kept_whole():
    images = [SharpImage(Path(str(n)), gaussian_filter(squares(n), n)) for n in range(4)]
    assert keep_in_focus(images, drop_share=0.5, fewest=5) == images
    assert len(keep_in_focus(images, drop_share=0.5, fewest=4)) == 2


def test_pixels_that_are_not_finite_are_an_input_error(tmp_path):
    plane = squares(0).astype(np.float32)
    plane[3, 4] = np.nan
    tifffile.imwrite(tmp_path / "gap.tif", plane)
    with pytest.raises(InputError, match=r"gap\.tif holds NaN"):
        read_sharp_images([tmp_path / "gap.tif"])


def test_nothing_is_dropped_when_nothing_is_asked_for():
    images = [SharpImage(Path(str(seed)), squares(seed)) for seed in range(4)]
    assert keep_in_focus(images, drop_share=0.0) == images


def test_a_split_depends_on_the_name_alone(tmp_path):
    names = [f"image_{number}.png" for number in range(200)]
    assert [split_of(Path(name)) for name in names] == [split_of(tmp_path / n) for n in names]


def test_splits_never_change():
    """Shipped weights were trained by this split: moving a file would leak test images."""
    known = {"a.png": "train", "image_18.png": "test", "image_5.png": "validation"}
    assert {name: split_of(Path(name)) for name in known} == known


def test_shares_are_about_those_asked_for():
    names = [Path(f"{number:05d}.png") for number in range(20000)]
    counts = Counter(split_of(name, test_share=0.25, validation_share=0.125) for name in names)
    assert counts["test"] / 20000 == pytest.approx(0.25, abs=0.02)
    assert counts["validation"] / 20000 == pytest.approx(0.125, abs=0.02)
    assert set(counts) == {"train", "test", "validation"}


@pytest.mark.parametrize(
    ("shares", "only"), [((1.0, 0.0), "test"), ((0.0, 1.0), "validation"), ((0.0, 0.0), "train")]
)
def test_extreme_shares(shares, only):
    found = {
        split_of(Path(str(i)), test_share=shares[0], validation_share=shares[1]) for i in range(300)
    }
    assert found == {only}
