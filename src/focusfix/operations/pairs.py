"""Whether two images can be the sharper and the blurrier one of a field."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from focusfix.metrics.focus import LEAST_SIZE_PX, measure_sharpness

_COARSE_PX = 16
_LEAST_CELLS = 4


@dataclass(frozen=True)
class PairJudgement:
    """What two planes have to do with each other.

    Parameters
    ----------
    correlation : float
        Pearson correlation of their coarse structure, -1 to 1; NaN where one has none.
    sharpness_ratio : float
        Sharpness of the second over that of the first; NaN where it cannot be measured.
    """

    correlation: float
    sharpness_ratio: float


def judge_pair(sharper: npt.NDArray[Any], blurrier: npt.NDArray[Any]) -> PairJudgement:
    """Compare two planes that are said to show one field.

    Blur takes fine structure away but leaves coarse structure where it is, so planes of one field
    agree once they are averaged over blocks (16 pixels, less in small images); planes of different
    fields do not.

    Parameters
    ----------
    sharper, blurrier : ndarray, shape (Y, X)
        Intensities of any type; finite, of the same shape.

    Returns
    -------
    PairJudgement
        Agreement of the coarse structure, and which one is sharper.
    """
    first, second = (_coarsen(plane) for plane in (sharper, blurrier))
    spread = first.std() * second.std()
    correlation = float("nan")
    if spread > 0:
        correlation = float(((first - first.mean()) * (second - second.mean())).mean() / spread)
    ratio = float("nan")
    if min(sharper.shape) >= LEAST_SIZE_PX:
        sharpness = measure_sharpness(sharper)
        ratio = measure_sharpness(blurrier) / sharpness if sharpness > 0 else ratio
    return PairJudgement(correlation, ratio)


def _coarsen(plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Average over square blocks; what is left over at the far edges is left out."""
    side = max(min(_COARSE_PX, min(plane.shape) // _LEAST_CELLS), 1)
    rows, columns = (length // side for length in plane.shape)
    blocks = plane[: rows * side, : columns * side].astype(np.float64)
    return np.asarray(blocks.reshape(rows, side, columns, side).mean(axis=(1, 3)))
