"""Scores of latent paths on paths whose answer is known."""

import math

import pytest
import torch
from torch import Tensor

from focusfix.latent.path_scores import apd, apd_sq, lds, lds_sq

ALL = [lds, lds_sq, apd, apd_sq]
N = 9


def along(positions: Tensor, *, elements: int = 24) -> Tensor:
    """Put one field's codes on a straight line through a random direction, away from the origin."""
    generator = torch.Generator().manual_seed(2)
    direction = torch.randn(elements, dtype=torch.float64, generator=generator)
    origin = torch.randn(elements, dtype=torch.float64, generator=generator)
    return (origin + positions.double()[:, None] * direction).reshape(1, -1, 2, elements // 2)


def test_straight_even_path() -> None:
    codes = along(torch.arange(N))
    assert [round(score(codes).mean, 12) for score in ALL] == [1, 1, 0, 0]


def test_straight_path_with_quadratic_spacing() -> None:
    codes = along((torch.arange(N) / (N - 1)) ** 2)
    # Steps are (2 n + 1) / 64 of the way, even ones 8 / 64: mean |2 n - 7| / 64 = 32 / 8 / 64.
    assert lds(codes).mean == pytest.approx(1)
    assert lds_sq(codes).mean == pytest.approx(1)
    assert apd(codes).mean == pytest.approx(1 / 16)
    assert apd_sq(codes).mean == pytest.approx(1 / 64)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scale_and_place_of_the_codes_do_not_matter(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(2, N, 5, dtype=torch.float64, generator=generator)
    for score in ALL:
        assert score(scale * codes + 3 * scale).mean == pytest.approx(score(codes).mean)


def test_quarter_circle() -> None:
    turn = math.pi / 2 / (N - 1)
    angles = torch.arange(N, dtype=torch.float64) * turn
    codes = torch.stack([angles.cos(), angles.sin()], dim=1)[None]
    assert lds(codes).mean == pytest.approx(math.cos(turn))  # 0.98
    # Equal chords of 2 sin(turn / 2), the whole way is the diagonal of the unit square.
    excess = 2 * math.sin(turn / 2) / math.sqrt(2) - 1 / (N - 1)
    assert apd(codes).mean == pytest.approx(excess)


def test_quarter_circle_through_many_elements() -> None:
    # Of Gaussian numbers of correlation r, squares have the cosine (1 + 2 r^2) / 3.
    turn = math.pi / 2 / (N - 1)
    angles = torch.arange(N, dtype=torch.float64)[:, None] * turn
    plane = torch.randn(2, 200_000, generator=torch.Generator().manual_seed(3))
    codes = (angles.cos() * plane[0] + angles.sin() * plane[1])[None]
    assert lds(codes).mean == pytest.approx(math.cos(turn), abs=0.001)
    assert lds_sq(codes).mean == pytest.approx((1 + 2 * math.cos(turn) ** 2) / 3, abs=0.003)


def test_zig_zag_is_straight_for_squared_steps_only() -> None:
    # Steps are (1, 4) and (1, -4) in turn: cosine (1 - 16) / (1 + 16).
    position = torch.arange(N, dtype=torch.float64)
    codes = torch.stack([position, 4 * (position % 2)], dim=1)[None]
    assert lds(codes).mean == pytest.approx(-15 / 17)
    assert lds_sq(codes).mean == pytest.approx(1)


def test_path_that_nearly_closes_has_a_large_deviation() -> None:
    # Out by 4 and back by 3: three steps against a way of 1.
    codes = torch.tensor([[[0.0], [4.0], [1.0]]])
    assert apd(codes).mean == pytest.approx((3.5 + 2.5) / 2)
    assert apd_sq(codes).mean == pytest.approx((16 - 0.25 + 9 - 0.25) / 2)


def test_random_codes() -> None:
    generator = torch.Generator().manual_seed(1)
    codes = torch.randn(1, N, 200_000, generator=generator)
    assert lds(codes).mean == pytest.approx(-0.5, abs=0.01)
    assert lds_sq(codes).mean == pytest.approx(0.5, abs=0.01)
    walk = codes.cumsum(dim=1)
    assert lds(walk).mean == pytest.approx(0, abs=0.01)
    assert lds_sq(walk).mean == pytest.approx(1 / 3, abs=0.01)


def test_fields_count_alike() -> None:
    straight = [[0.0], [1.0], [2.0]]
    back = [[0.0], [2.0], [1.0]]
    codes = torch.tensor([straight, back])
    assert lds(codes).mean == 0
    assert apd(codes).mean == pytest.approx((0 + (1.5 + 0.5) / 2) / 2)
    assert lds(codes).n_fields == apd(codes).n_fields == 2
    assert lds(codes).n_left_out == apd(codes).n_left_out == 0


def test_pairs_with_a_step_of_no_length_are_left_out() -> None:
    codes = torch.tensor([[[0.0], [1.0], [1.0], [2.0], [3.0]], [[5.0], [5.0], [5.0], [6.0], [6.0]]])
    for score in (lds, lds_sq):
        outcome = score(codes)
        assert (outcome.mean, outcome.n_fields, outcome.n_left_out) == (1.0, 1, 5)


def test_a_path_that_closes_is_left_out() -> None:
    codes = torch.tensor([[[0.0], [1.0], [0.0]], [[0.0], [1.5], [2.0]]])
    for score in (apd, apd_sq):
        outcome = score(codes)
        assert (outcome.n_fields, outcome.n_left_out) == (1, 1)
        assert outcome.mean == 0.25


def test_nothing_to_score_is_an_error_not_a_nan() -> None:
    still = torch.ones(2, 4, 3)
    for score in (lds, lds_sq):
        with pytest.raises(ValueError, match="no field has two successive codes"):
            score(still)
    for score in (apd, apd_sq):
        with pytest.raises(ValueError, match="ends where it began"):
            score(still)


@pytest.mark.parametrize("score", ALL)
@pytest.mark.parametrize("shape", [(5, 3), (0, 5, 3), (1, 1, 3), (1, 5, 0)])
def test_refuses_shapes(score: object, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected codes of shape"):
        score(torch.zeros(shape))


@pytest.mark.parametrize("score", ALL)
def test_refuses_codes_that_are_not_finite(score: object) -> None:
    with pytest.raises(ValueError, match="finite"):
        score(torch.tensor([[[0.0], [math.nan], [1.0]]]))


def test_short_steps_in_half_precision_are_scored() -> None:
    codes = (1e-4 * torch.tensor([[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]])).bfloat16()
    assert lds(codes).mean == pytest.approx(1)
    assert apd(codes).mean == pytest.approx(0)
