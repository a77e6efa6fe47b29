from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from focusfix.footprint import Footprint
from focusfix.latent.line import extrapolate_latents, interpolate_latents
from focusfix.metrics.ladder import Ladder, compare, summarise
from focusfix.metrics.latent_space import (
    average_paths,
    encode_ladder,
    make_images,
    path_scores,
)
from focusfix.models.linear_autoencoder import LinearAutoencoder

LEVELS = (0, 2, 4, 6, 8, 10, 12, 14, 16)


class PixelLine:
    """The identity as an autoencoder, whose reconstructions are brighter by a known amount."""

    footprint = Footprint(reach_px=0, stride_px=2)

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def encode(self, image: Tensor) -> Tensor:
        return image

    def __call__(self, image: Tensor) -> Tensor:
        return image + self.offset

    def interpolate_images(self, sharper: Tensor, blurrier: Tensor, *, alpha: float) -> Tensor:
        return self(interpolate_latents(sharper, blurrier, alpha=alpha))

    def extrapolate_images(self, sharper: Tensor, blurrier: Tensor, *, alpha: float) -> Tensor:
        return self(extrapolate_latents(sharper, blurrier, alpha=alpha))


def straight_ladder(times: Sequence[float]) -> Ladder:
    """Images on the segment between two, at these shares of the way."""
    ends = np.random.default_rng(0).uniform(0.2, 0.7, (2, 24, 30))
    images = np.stack([(1 - t) * ends[0] + t * ends[1] for t in times]).astype(np.float32)
    return Ladder("a01_s1", LEVELS, images)


EVEN = straight_ladder([k / 8 for k in range(9)])


def summaries(model: PixelLine, ladder: Ladder) -> dict[tuple[str, str], float]:
    rows = compare(ladder, make_images(model, ladder), with_ssim=False)
    kinds = {(row.task, row.method) for row in rows}
    return {
        kind: summarise([r for r in rows if (r.task, r.method) == kind]).psnr_db for kind in kinds
    }


def test_a_straight_even_ladder_is_followed_exactly() -> None:
    found = summaries(PixelLine(), EVEN)
    for task in ("synthesis", "deblurring"):
        assert found[task, "model"] > 100
        assert found[task, "line of pixels"] > 100
        assert found[task, "doing nothing"] < 40


def test_a_known_error_gives_the_known_psnr() -> None:
    found = summaries(PixelLine(0.1), EVEN)
    for task in ("reconstruction", "synthesis", "deblurring"):
        assert found[task, "model"] == pytest.approx(20.0, abs=1e-3)
    assert found["synthesis of codes", "model"] > 100
    assert found["deblurring", "line of pixels"] > 100


def test_tasks_have_the_papers_numbers_of_images() -> None:
    rows = compare(EVEN, make_images(PixelLine(), EVEN), with_ssim=False)
    levels = {
        task: [row.level for row in rows if row.task == task and row.method == "model"]
        for task in ("reconstruction", "synthesis", "synthesis of codes", "deblurring")
    }
    assert levels["reconstruction"] == levels["synthesis"] == list(LEVELS)
    assert levels["synthesis of codes"] == list(LEVELS)
    assert levels["deblurring"] == [2, 4, 6, 8, 10, 12, 14]


def test_doing_nothing_takes_the_sharper_input() -> None:
    made = {
        (each.task, each.place): each
        for each in make_images(PixelLine(), EVEN)
        if each.method == "doing nothing"
    }
    np.testing.assert_array_equal(made["synthesis", 3].image, EVEN.images[8])
    np.testing.assert_array_equal(made["synthesis", 3].reference, EVEN.images[3])
    np.testing.assert_array_equal(made["deblurring", 3].image, EVEN.images[3])
    np.testing.assert_array_equal(made["deblurring", 3].reference, EVEN.images[8])


def test_paths_of_closed_form() -> None:
    even = path_scores(encode_ladder(PixelLine(), EVEN)[None])
    assert (even.lds.mean, even.lds_sq.mean) == pytest.approx((1, 1), abs=1e-4)
    assert (even.apd.mean, even.apd_sq.mean) == pytest.approx((0, 0), abs=1e-4)
    squares = straight_ladder([(k / 8) ** 2 for k in range(9)])
    uneven = path_scores(encode_ladder(PixelLine(), squares)[None])
    assert uneven.lds.mean == pytest.approx(1, abs=1e-4)
    assert uneven.apd.mean == pytest.approx(0.063, abs=5e-4)
    assert uneven.apd_sq.mean == pytest.approx(0.016, abs=5e-4)


def test_codes_are_those_of_the_largest_middle_on_the_grid() -> None:
    torch.manual_seed(0)
    network = LinearAutoencoder(widths=[2, 3, 4]).eval()
    codes = encode_ladder(network, EVEN)
    with torch.inference_mode():
        middle = torch.from_numpy(EVEN.images[:, None, :, 3:27].copy())
        expected = network.encode(middle).flatten(1)
    torch.testing.assert_close(codes, expected)
    with pytest.raises(ValueError, match="smaller than the stride, 8 px"):
        encode_ladder(network, EVEN.middle(6))


def test_a_network_sees_padded_images() -> None:
    torch.manual_seed(0)
    network = LinearAutoencoder(widths=[2, 3]).eval()
    made = next(e for e in make_images(network, EVEN) if (e.task, e.place) == ("deblurring", 2))
    halo = network.footprint.halo_px
    margins = [(0, 0), (halo, halo), (halo, halo + 2)]
    images = torch.from_numpy(np.pad(EVEN.images, margins, mode="symmetric"))
    with torch.inference_mode():
        codes = network.encode(torch.stack([images[2], images[0]])[:, None])
        code = extrapolate_latents(codes[:1], codes[1:], alpha=0.25)
        expected = network.decode(code)[0, 0, halo:-halo, halo : halo + 30]
    np.testing.assert_allclose(made.image, expected.numpy(), atol=1e-6)


def test_fields_scored_one_by_one_average_to_all_together() -> None:
    codes = torch.randn(5, 9, 12, generator=torch.Generator().manual_seed(0))
    together = path_scores(codes)
    averaged = average_paths([path_scores(each[None]) for each in codes])
    for one, other in zip(together, averaged, strict=True):
        assert one.mean == pytest.approx(other.mean)
        assert (one.n_fields, one.n_left_out) == (other.n_fields, other.n_left_out)
    with pytest.raises(ValueError, match="no path"):
        average_paths([])
