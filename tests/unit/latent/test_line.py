import math

import pytest
import torch

from focusfix.latent.line import (
    alpha_for_levels,
    alpha_ladder,
    extrapolate_latents,
    interpolate_latents,
    noise_gain,
)

SHARPER = torch.tensor([[4.0, -2.0], [0.1, 0.7]])
BLURRIER = torch.tensor([[0.0, 2.0], [0.3, -0.9]])


def test_interpolation_returns_the_ends_exactly() -> None:
    assert torch.equal(interpolate_latents(SHARPER, BLURRIER, alpha=1), SHARPER)
    assert torch.equal(interpolate_latents(SHARPER, BLURRIER, alpha=0), BLURRIER)


def test_alpha_is_the_weight_of_the_sharper_code() -> None:
    mixed = interpolate_latents(SHARPER[:1], BLURRIER[:1], alpha=0.75)
    assert mixed.tolist() == [[3.0, -1.0]]


def test_each_field_has_its_own_alpha() -> None:
    alphas = torch.tensor([1.0, 0.0])
    mixed = interpolate_latents(SHARPER, BLURRIER, alpha=alphas)
    assert torch.equal(mixed, torch.stack([SHARPER[0], BLURRIER[1]]))
    codes = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    mixed = interpolate_latents(*codes, alpha=alphas)
    assert torch.equal(mixed, torch.stack([codes[0][0], codes[1][1]]))


def test_extrapolation_solves_the_interpolation_for_its_end() -> None:
    # z_a = z_b / alpha - (1 - alpha) / alpha * z_c, by hand for alpha = 1/4
    beyond = extrapolate_latents(SHARPER[:1], BLURRIER[:1], alpha=0.25)
    assert beyond.tolist() == [[16.0, -14.0]]


def test_extrapolation_with_alpha_one_changes_nothing() -> None:
    assert torch.equal(extrapolate_latents(SHARPER, BLURRIER, alpha=1.0), SHARPER)


def test_extrapolation_of_equal_codes_amplifies_nothing() -> None:
    code = torch.rand(3, 7)
    assert torch.equal(extrapolate_latents(code, code, alpha=0.01), code)


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.0001, math.nan, math.inf])
def test_extrapolation_refuses_alpha(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"alpha must be in \(0, 1\]"):
        extrapolate_latents(SHARPER, BLURRIER, alpha=alpha)
    with pytest.raises(ValueError, match=r"alpha must be in \(0, 1\]"):
        noise_gain(alpha)


@pytest.mark.parametrize("alpha", [-0.1, 1.5, math.nan, torch.tensor([0.5, 2.0])])
def test_interpolation_refuses_alpha(alpha: float | torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"alpha must be in \[0, 1\]"):
        interpolate_latents(SHARPER, BLURRIER, alpha=alpha)


@pytest.mark.parametrize("move", [interpolate_latents, extrapolate_latents])
def test_shapes_are_not_broadcast(move: object) -> None:
    with pytest.raises(ValueError, match="same shape"):
        move(SHARPER, BLURRIER[:1], alpha=0.5)
    with pytest.raises(ValueError, match="one alpha for each of 2 codes"):
        move(SHARPER, BLURRIER, alpha=torch.tensor([0.5, 0.5, 0.5]))
    with pytest.raises(ValueError, match="same shape"):
        move(torch.tensor(1.0), torch.tensor(0.0), alpha=0.5)


@pytest.mark.parametrize(
    ("alpha", "gain"), [(1.0, 1.0), (0.875, 1.15), (0.5, 2.24), (0.25, 5.0), (0.125, 10.63)]
)
def test_noise_gain(alpha: float, gain: float) -> None:
    assert noise_gain(alpha) == pytest.approx(gain, abs=0.006)


def test_noise_gain_is_that_of_extrapolation() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 1, 200_000, generator=generator)
    measured = float(extrapolate_latents(noise[0], noise[1], alpha=0.25).std())
    assert measured == pytest.approx(noise_gain(0.25), rel=0.01)


@pytest.mark.parametrize(
    ("sharper", "between", "blurrier", "alpha"),
    [
        (16, 8, 0, 0.5),
        (16, 2, 0, 0.125),
        (16, 14, 0, 0.875),
        (16, 20, 32, 0.75),
        (0.0, -1, -4, 0.75),
    ],
)
def test_alpha_for_levels(sharper: float, between: float, blurrier: float, alpha: float) -> None:
    assert alpha_for_levels(sharper=sharper, between=between, blurrier=blurrier) == alpha


def test_alpha_for_levels_refuses() -> None:
    with pytest.raises(ValueError, match="must differ, both are 3"):
        alpha_for_levels(sharper=3, between=3, blurrier=3)
    with pytest.raises(ValueError, match="level 18 is not between levels 16 and 0"):
        alpha_for_levels(sharper=16, between=18, blurrier=0)


@pytest.mark.parametrize("count", [2, 6, 7, 9, 10, 11])
def test_ladder_has_as_many_rungs_as_asked_for(count: int) -> None:
    ladder = alpha_ladder(count)
    assert len(ladder) == count
    assert (ladder[0], ladder[-1]) == (0.0, 1.0)
    assert ladder == tuple(sorted(ladder))


def test_ladder_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 alphas, got 1"):
        alpha_ladder(1)
