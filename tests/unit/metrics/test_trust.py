"""Fits and scores of expected errors, on errors whose law is known."""

import numpy as np
import pytest

from focusfix.metrics.trust import (
    correlate_errors,
    fit_expected_error,
    measure_reliability,
    measure_sparsification,
)

WEIGHTS = np.array([0.8, -0.5, 0.0, -3.0])


@pytest.fixture(scope="module")
def signs() -> np.ndarray:
    random = np.random.default_rng(0)
    return np.column_stack([random.normal(-2, 1, (40_000, 3)), np.ones(40_000)])


@pytest.fixture(scope="module")
def expected(signs) -> np.ndarray:
    return np.exp(signs @ WEIGHTS)


@pytest.fixture(scope="module")
def errors(expected) -> np.ndarray:
    return np.random.default_rng(1).exponential(expected)


def test_fit_finds_the_weights_of_exponential_errors(signs, errors) -> None:
    fitted = fit_expected_error(signs, errors)
    np.testing.assert_allclose(fitted, WEIGHTS, atol=0.03)


def test_fit_makes_the_mean_ratio_one_whatever_the_law(signs, expected) -> None:
    half_normal = np.abs(np.random.default_rng(2).normal(0, expected))
    ratio = half_normal / np.exp(signs @ fit_expected_error(signs, half_normal))
    np.testing.assert_allclose((signs * (ratio - 1)[:, None]).mean(axis=0), 0, atol=1e-5)


def test_fit_of_a_constant_is_the_mean() -> None:
    [weight] = fit_expected_error(np.ones((4, 1)), np.array([1.0, 2.0, 3.0, 6.0]))
    assert np.exp(weight) == pytest.approx(3)


@pytest.mark.parametrize(
    ("signs", "errors"),
    [(np.ones((3, 2)), np.ones(4)), (np.ones(3), np.ones(3)), (np.ones((3, 2)), np.zeros(3))],
    ids=["lengths", "one axis", "no errors"],
)
def test_fit_refuses_what_does_not_fit(signs, errors) -> None:
    with pytest.raises(ValueError, match="expected signs"):
        fit_expected_error(signs, errors)


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_reliability_tells_by_how_much_errors_are_underestimated(expected, errors, factor) -> None:
    curve = measure_reliability(expected / factor, errors, bins=8)
    assert len(curve.expected) == len(curve.actual) == 8
    assert (np.diff(curve.expected) > 0).all()
    np.testing.assert_allclose(curve.actual, factor * curve.expected, rtol=0.05)


def test_reliability_of_a_map_that_knows_nothing_is_flat(errors) -> None:
    blind = np.random.default_rng(3).random(errors.shape)
    curve = measure_reliability(blind, errors, bins=5)
    np.testing.assert_allclose(curve.actual, errors.mean(), rtol=0.1)


@pytest.mark.parametrize(("power", "correlation"), [(1.0, 1.0), (0.3, 1.0), (-2.0, -1.0)])
def test_correlation_is_that_of_logarithms(expected, power, correlation) -> None:
    assert correlate_errors(expected, 5 * expected**power) == pytest.approx(correlation)


def test_correlation_with_chance_errors_is_that_of_their_laws() -> None:
    """The logarithm of an exponential error has the variance pi^2 / 6 around that of its mean."""
    random = np.random.default_rng(4)
    means = np.exp(random.normal(0, 1, 100_000))
    found = correlate_errors(means, random.exponential(means))
    assert found == pytest.approx(1 / np.sqrt(1 + np.pi**2 / 6), abs=0.01)


def test_leaving_out_by_the_true_errors_is_perfect(errors) -> None:
    curves = measure_sparsification(errors, errors)
    assert curves.skill == pytest.approx(1)
    np.testing.assert_allclose(curves.by_map, curves.by_truth)
    assert curves.left_out.tolist() == pytest.approx(np.arange(10) / 10)
    assert curves.by_map[0] == pytest.approx(1)


def test_leaving_out_blindly_has_no_skill(errors) -> None:
    blind = np.random.default_rng(5).random(errors.shape)
    assert measure_sparsification(blind, errors).skill == pytest.approx(0, abs=0.02)
    assert measure_sparsification(-errors, errors).skill < -0.5


def test_leaving_out_the_known_bad_half() -> None:
    """Half of the pixels have errors of 1, half of 3: without the latter the mean falls to 1/2."""
    errors = np.repeat([1.0, 3.0], 500)
    curves = measure_sparsification(errors + 10, errors, steps=2)
    np.testing.assert_allclose(curves.by_map, [1, 0.5])


def test_equal_errors_leave_nothing_to_gain() -> None:
    assert measure_sparsification(np.arange(50.0), np.full(50, 2.0)).skill == 0
