"""How well a map of expected errors foretells the true ones."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from focusfix.metrics.trust import correlate_errors

BLOCK_PX = 8
"""Side of the neighbourhoods that errors are averaged over; the error of a pixel is chance."""

_LEAST_BLOCKS = 4


class ForetoldError(NamedTuple):
    """Expected against true absolute errors of one plane.

    Parameters
    ----------
    correlation : float
        Of the logarithms of both, over neighbourhoods of 8 x 8 pixels; -1 to 1, NaN where one of
        them is the same everywhere or the plane has less than four neighbourhoods.
    expected, actual : float
        Means; grey values.
    """

    correlation: float
    expected: float
    actual: float


def compare_expected_error(
    expected: npt.NDArray[Any], image: npt.NDArray[Any], reference: npt.NDArray[Any]
) -> ForetoldError:
    """Compare a map of expected errors with the errors.

    Parameters
    ----------
    expected : ndarray, shape (Y, X, S)
        Absolute error to expect of each sample, at least 0; grey values.
    image, reference : ndarray, same shape
        Intensities.

    Returns
    -------
    ForetoldError

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if not expected.shape == image.shape == reference.shape:
        msg = f"the shapes differ: {expected.shape}, {image.shape} and {reference.shape}"
        raise ValueError(msg)
    errors = np.abs(np.asarray(image, np.float64) - np.asarray(reference, np.float64))
    maps = [_block_means(each.mean(axis=-1)) for each in (np.asarray(expected), errors)]
    correlation = math.nan
    if maps[0].size >= _LEAST_BLOCKS and all(np.ptp(each) > 0 for each in maps):
        correlation = correlate_errors(*maps)
    return ForetoldError(correlation, float(np.mean(expected)), float(errors.mean()))


def _block_means(plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Average whole neighbourhoods; those cut off by the edge are left out."""
    rows, columns = (size // BLOCK_PX for size in plane.shape)
    whole = np.asarray(plane[: rows * BLOCK_PX, : columns * BLOCK_PX], dtype=np.float64)
    return np.asarray(whole.reshape(rows, BLOCK_PX, columns, BLOCK_PX).mean(axis=(1, 3)))
