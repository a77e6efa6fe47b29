r"""How well an expected error tells the true one, and the fit that makes it do so.

A trust map gives, per pixel, the absolute error to expect. Three questions are asked of it on
fields whose truth is known:

- *Reliability*: among pixels with the same expected error, is the mean true error that?
- *Correlation* of the logarithms of expected and true errors, over small neighbourhoods.
- *Sparsification*: when the least trusted pixels are left out, does the mean error of the others
  fall, and how close to the fall that the true errors themselves would give?
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_TINY = 1e-12


class Reliability(NamedTuple):
    """Mean errors of pixels in bins of expected error.

    Parameters
    ----------
    expected, actual : ndarray, shape (B,)
        Means of each bin, from the most to the least trusted; in one unit.
    """

    expected: Array
    actual: Array


class Sparsification(NamedTuple):
    """Mean error of what is left when the least trusted pixels are left out.

    Parameters
    ----------
    left_out : ndarray, shape (S,)
        Shares, from 0 up.
    by_map, by_truth : ndarray, shape (S,)
        Mean error of the others over that of all, when the map or the true errors decide.
    """

    left_out: Array
    by_map: Array
    by_truth: Array

    @property
    def skill(self) -> float:
        """Share of the possible fall that is reached: 1 is perfect, 0 is leaving out blindly."""
        possible = float(np.sum(1 - self.by_truth))
        return float(np.sum(1 - self.by_map)) / possible if possible > _TINY else 0.0


def fit_expected_error(signs: Array, errors: Array, *, rounds: int = 50) -> Array:
    r"""Fit weights so that the exponential of the weighted signs is the mean error.

    Maximises the likelihood of exponentially distributed errors, whose mean is
    :math:`\mu = e^{w \cdot f}`, by Newton's method:

    .. math:: L(w) = \sum_p \Big( w \cdot f_p + e_p\, e^{-w \cdot f_p} \Big).

    At the minimum the mean of :math:`e / \mu`, weighted by any sign, is one.

    Parameters
    ----------
    signs : ndarray, shape (P, S)
        Signs of trouble of P pixels; the last one is constant.
    errors : ndarray, shape (P,)
        Their true absolute errors; >= 0.
    rounds : int
        Most steps.

    Returns
    -------
    ndarray, shape (S,)

    Raises
    ------
    ValueError
        If shapes do not fit, or all errors are zero.
    """
    if signs.ndim != 2 or signs.shape[:1] != errors.shape or not errors.any():
        msg = f"expected signs (P, S) and errors (P,) not all zero: {signs.shape}, {errors.shape}"
        raise ValueError(msg)
    weights = np.zeros(signs.shape[1])
    weights[-1] = np.log(errors.mean())
    for _ in range(rounds):
        ratio = errors * np.exp(-(signs @ weights))
        gradient = signs.T @ (1 - ratio)
        curvature = signs.T @ (signs * (ratio[:, None] + 0.1))
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def measure_reliability(expected: Array, errors: Array, *, bins: int = 10) -> Reliability:
    """Compare expected and true errors in bins of equally many pixels.

    Parameters
    ----------
    expected, errors : ndarray
        Per pixel, same shape; in one unit.
    bins : int
        How many; at least 1.

    Returns
    -------
    Reliability
    """
    order = np.argsort(expected, axis=None)
    parts = np.array_split(order, bins)
    return Reliability(
        np.array([expected.ravel()[part].mean() for part in parts]),
        np.array([errors.ravel()[part].mean() for part in parts]),
    )


def correlate_errors(expected: Array, errors: Array) -> float:
    """Correlate the logarithms of expected and true errors; -1 to 1.

    Parameters
    ----------
    expected, errors : ndarray
        Same shape; positive. Take means over small neighbourhoods: the error of one pixel is
        mostly chance.
    """
    first, second = (np.log(np.maximum(each, _TINY)).ravel() for each in (expected, errors))
    return float(np.corrcoef(first, second)[0, 1])


def measure_sparsification(expected: Array, errors: Array, *, steps: int = 10) -> Sparsification:
    """Leave out the least trusted pixels, step by step.

    Parameters
    ----------
    expected, errors : ndarray
        Per pixel, same shape.
    steps : int
        Shares 0, 1 / steps, ... of the pixels are left out.

    Returns
    -------
    Sparsification
    """
    by_map = errors.ravel()[np.argsort(expected, axis=None)]
    by_truth = np.sort(errors, axis=None)
    shares = np.arange(steps) / steps
    kept = [max(1, round(by_map.size * (1 - share))) for share in shares]
    mean = max(float(errors.mean()), _TINY)
    curves = [np.array([each[:k].mean() for k in kept]) / mean for each in (by_map, by_truth)]
    return Sparsification(shares, *curves)
