import math

import numpy as np
import pytest

from focusfix.footprint import Footprint
from focusfix.metrics.ladder import Comparison, Ladder, Made, compare, run_padded, summarise


def ladder(levels: tuple[float, ...] = (0, 4, 16), size: int = 16) -> Ladder:
    images = np.random.default_rng(0).random((len(levels), size, size)).astype(np.float32)
    return Ladder("a01_s1", levels, images)


def row(mse: float, ssim: float = math.nan) -> Comparison:
    return Comparison("synthesis", "model", "a01_s1", 0, False, mse, ssim)


def test_alpha_is_the_weight_of_the_image_in_focus() -> None:
    assert [ladder().alpha(place) for place in range(3)] == [0, 0.25, 1]


def test_stretching_gives_every_image_its_full_range() -> None:
    field = ladder()
    field = Ladder("f", field.levels, field.images * [[[0.5]], [[2]], [[0]]] + 3)
    stretched = field.stretched().images
    assert stretched[0].min() == stretched[1].min() == 0
    assert stretched[0].max() == stretched[1].max() == 1
    assert not stretched[2].any()
    np.testing.assert_allclose(
        stretched[0], (field.images[0] - field.images[0].min()) / np.ptp(field.images[0]), rtol=1e-5
    )


def test_middle_is_the_middle() -> None:
    assert ladder().middle(4).images.shape == (3, 4, 4)
    np.testing.assert_array_equal(ladder().middle(4).images, ladder().images[:, 6:10, 6:10])
    with pytest.raises(ValueError, match="no middle of 17 px"):
        ladder().middle(17)


@pytest.mark.parametrize("levels", [(0,), (0, 2, 1), (0, 0, 1)])
def test_levels_do_not_turn_back(levels: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="not turn back"):
        Ladder("f", levels, np.zeros((len(levels), 8, 8), dtype=np.float32))


def test_every_level_has_an_image() -> None:
    with pytest.raises(ValueError, match="expected 3 images"):
        Ladder("f", (0, 1, 2), np.zeros((2, 8, 8), dtype=np.float32))


def test_images_are_continued_by_reflection() -> None:
    """A box filter over the margin knows what lies beyond the edge."""
    import torch

    image = np.random.default_rng(1).random((10, 13)).astype(np.float32)
    sizes = []

    def box(padded: torch.Tensor) -> torch.Tensor:
        sizes.append(padded.shape[-2:])
        return torch.nn.functional.avg_pool2d(padded, 3, 1, 1)

    blurred = run_padded(Footprint(reach_px=3, stride_px=4), box, image)
    reflected = np.pad(image, 1, mode="symmetric")
    expected = np.lib.stride_tricks.sliding_window_view(reflected, (3, 3)).mean((2, 3))
    np.testing.assert_allclose(blurred, expected, rtol=1e-5)
    assert sizes == [(20, 24)]


def test_comparison_clips_both_images() -> None:
    field = ladder()
    ones = np.ones((16, 16), dtype=np.float32)
    made = Made("synthesis", "model", 1, 1.5 * ones, 1.2 * ones)
    (exact,) = compare(field, [made])
    assert (exact.mse, exact.ssim, exact.level, exact.is_end) == (0, 1, 4, False)
    (off,) = compare(field, [made._replace(reference=0.9 * ones, place=2)], with_ssim=False)
    assert off.mse == pytest.approx(0.01, rel=1e-5)
    assert math.isnan(off.ssim)
    assert off.is_end


def test_mean_and_pooled_psnr_differ() -> None:
    """The figures of an independent calculation for squared errors 1e-4, 1e-3 and 1e-2."""
    summary = summarise([row(1e-4, 0.9), row(1e-3, 0.8), row(1e-2, 0.7)])
    assert summary.psnr_db == pytest.approx(30.0)
    assert summary.pooled_psnr_db == pytest.approx(24.3, abs=0.05)
    assert summary.ssim == pytest.approx(0.8)


def test_two_exact_images_of_nine_raise_pooled_psnr_by_1_09_db() -> None:
    between = [row(1e-3)] * 7
    with_ends = summarise([row(0.0), *between, row(0.0)])
    gain = with_ends.pooled_psnr_db - summarise(between).pooled_psnr_db
    assert gain == pytest.approx(1.09, abs=0.005)
    assert with_ends.n_exact == 2
    assert with_ends.psnr_db == pytest.approx(30.0)


def test_rounding_is_no_error() -> None:
    """A mean of decibels would be ruled by how single precision rounds."""
    summary = summarise([row(1e-3), row(1e-15)])
    assert summary.psnr_db == pytest.approx(30.0)
    assert (summary.n_images, summary.n_exact) == (2, 1)


def test_only_exact_images() -> None:
    summary = summarise([row(0.0)])
    assert summary.psnr_db == summary.pooled_psnr_db == math.inf
    with pytest.raises(ValueError, match="nothing to average"):
        summarise([])
