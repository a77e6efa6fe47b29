"""How often each intensity occurs: all ranks of an image at the price of one histogram."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_COUNTED = (np.dtype(np.uint8), np.dtype(np.uint16))


class ValueCounts(NamedTuple):
    """The different values of an image.

    Parameters
    ----------
    values : ndarray, shape (V,)
        Ascending; each once.
    counts : ndarray of int, shape (V,)
        How many pixels hold each; at least 1.
    """

    values: npt.NDArray[Any]
    counts: npt.NDArray[np.intp]

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(self.counts.sum())

    def at_ranks(self, ranks: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return the values that have some places in the order of all pixels.

        Parameters
        ----------
        ranks : ndarray of int, shape (R,)
            Places, from 0 for the darkest.

        Returns
        -------
        ndarray of float64, shape (R,)
        """
        places = np.searchsorted(np.cumsum(self.counts), ranks, side="right")
        return self.values[places].astype(np.float64)

    def percentile(self, percent: float) -> float:
        """Return a percentile, between two values as by :func:`numpy.percentile`."""
        rank = (self.size - 1) * percent / 100
        first = int(rank)
        low, high = self.at_ranks(np.array([first, min(first + 1, self.size - 1)]))
        return float(low + (high - low) * (rank - first))


def count_values(pixels: npt.NDArray[Any]) -> ValueCounts:
    """Count how often each intensity occurs.

    Parameters
    ----------
    pixels : ndarray of int or float, any shape
        At least one; finite. Eight and sixteen bits are counted, others have to be sorted.

    Returns
    -------
    ValueCounts
    """
    if pixels.dtype in _COUNTED:
        counts = np.bincount(pixels.ravel())
        present = np.flatnonzero(counts)
        return ValueCounts(present, counts[present])
    ordered = np.sort(pixels, axis=None)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    return ValueCounts(ordered[starts], np.diff(np.append(starts, ordered.size)))
