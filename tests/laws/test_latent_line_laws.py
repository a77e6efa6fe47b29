"""Interpolation and extrapolation are inverse, on the line and nowhere else."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from focusfix.latent.line import alpha_for_levels, extrapolate_latents, interpolate_latents
from focusfix.latent.triplets import full_triplets

ALPHAS = st.floats(0.05, 1)
SEEDS = st.integers(0, 2**31)


def two_codes(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 4, 2, 2, dtype=torch.float64, generator=generator)


@settings(deadline=None, max_examples=50)
@given(alpha=ALPHAS, seed=SEEDS)
def test_extrapolation_undoes_interpolation(alpha: float, seed: int) -> None:
    sharper, blurrier = two_codes(seed)
    between = interpolate_latents(sharper, blurrier, alpha=alpha)
    torch.testing.assert_close(extrapolate_latents(between, blurrier, alpha=alpha), sharper)


@settings(deadline=None, max_examples=50)
@given(alpha=ALPHAS, seed=SEEDS)
def test_both_forms_of_extrapolation_agree(alpha: float, seed: int) -> None:
    sharper, blurrier = two_codes(seed)
    printed = sharper / alpha - (1 - alpha) / alpha * blurrier
    torch.testing.assert_close(extrapolate_latents(sharper, blurrier, alpha=alpha), printed)


@settings(deadline=None, max_examples=50)
@given(levels=st.lists(st.integers(-100, 100), min_size=3, max_size=7, unique=True))
def test_levels_on_a_line_are_met_by_their_alphas(levels: list[int]) -> None:
    """Codes that are linear in the level are predicted, whatever the spacing."""
    for triplet in full_triplets(sorted(levels)):
        a, b, c = (
            torch.full((1, 1), float(x), dtype=torch.float64) for x in vars(triplet).values()
        )
        torch.testing.assert_close(interpolate_latents(a, c, alpha=triplet.alpha), b)
        torch.testing.assert_close(extrapolate_latents(b, c, alpha=triplet.alpha), a)


@settings(deadline=None, max_examples=30)
@given(ends=st.tuples(st.integers(-50, 50), st.integers(51, 99)), share=st.floats(0, 1))
def test_swapping_the_ends_gives_the_complement(ends: tuple[int, int], share: float) -> None:
    low, high = ends
    between = min(max(low + share * (high - low), low), high)
    one = alpha_for_levels(sharper=low, between=between, blurrier=high)
    other = alpha_for_levels(sharper=high, between=between, blurrier=low)
    assert abs(one + other - 1) < 1e-12
