"""Percentiles of a channel that is seen piece by piece."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from focusfix.errors import InputError

Pixels = npt.NDArray[Any]

SAMPLE_LIMIT = 1 << 22
"""Values kept of channels that cannot be counted."""

_COUNT_CHUNK = 1 << 20


class PercentileSample:
    """Intensities of one channel, gathered piece by piece.

    Integers of up to 16 bits are counted, so that percentiles are exact. Other types keep all
    pixels up to ``SAMPLE_LIMIT`` and beyond that a random, reproducible share of them; the
    smallest and largest value are exact always.
    """

    def __init__(self) -> None:
        self._counts: npt.NDArray[np.int64] | None = None
        self._lowest_code = 0
        self._kept: list[npt.NDArray[np.float64]] = []
        self._n_kept = 0
        self._share = 1.0
        self._random = np.random.default_rng(0)
        self._minimum, self._maximum = math.inf, -math.inf

    def add(self, window: Pixels) -> None:
        """Take in one piece of the channel.

        Parameters
        ----------
        window : ndarray, any shape
            Intensities as in the file; NaN and Inf are left out.
        """
        if window.dtype.kind in "iu" and window.dtype.itemsize <= 2:
            self._count(window)
        else:
            self._keep(window)

    def percentiles(self, wanted: tuple[float, ...]) -> tuple[float, ...]:
        """Interpolate percentiles linearly between neighbouring values.

        Parameters
        ----------
        wanted : tuple of float
            Percentiles in [0, 100].

        Returns
        -------
        tuple of float
            Intensities; 0 and 100 are the exact extremes.

        Raises
        ------
        InputError
            If there was no finite pixel.
        """
        if self._counts is not None:
            cumulated = np.cumsum(self._counts)
            return tuple(_count_percentile(cumulated, p) + self._lowest_code for p in wanted)
        if not self._n_kept:
            raise InputError(
                "The image holds no finite pixel.", "Check how the file was written or exported."
            )
        values = np.concatenate(self._kept)
        self._kept = [values]
        extremes = {0.0: self._minimum, 100.0: self._maximum}
        return tuple(extremes[p] if p in extremes else _interpolate(values, p) for p in wanted)

    def _count(self, window: Pixels) -> None:
        """Count codes up to the highest one seen, which few images take from all 16 bits."""
        if self._counts is None:
            self._lowest_code = int(np.iinfo(window.dtype).min)
            self._counts = np.zeros(0, dtype=np.int64)
        flat = window.reshape(-1)
        for first in range(0, flat.size, _COUNT_CHUNK):
            codes = flat[first : first + _COUNT_CHUNK].astype(np.intp)
            codes -= self._lowest_code
            fewer, more = sorted((self._counts, np.bincount(codes)), key=len)
            more[: len(fewer)] += fewer
            self._counts = more

    def _keep(self, window: Pixels) -> None:
        values = window.reshape(-1)
        values = values[np.isfinite(values)].astype(np.float64, copy=False)
        if not values.size:
            return
        self._minimum = min(self._minimum, float(values.min()))
        self._maximum = max(self._maximum, float(values.max()))
        self._kept.append(self._thin(values, self._share))
        self._n_kept += self._kept[-1].size
        while self._n_kept > SAMPLE_LIMIT:
            self._share /= 2
            halved = self._thin(np.concatenate(self._kept), 0.5)
            self._kept, self._n_kept = [halved], halved.size

    def _thin(self, values: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
        if share == 1.0:
            return values
        return values[self._random.integers(0, values.size, max(round(values.size * share), 1))]


def _count_percentile(cumulated: npt.NDArray[np.int64], percentile: float) -> float:
    rank = (int(cumulated[-1]) - 1) * percentile / 100.0
    below, above = math.floor(rank), math.ceil(rank)
    first = int(np.searchsorted(cumulated, below, side="right"))
    second = int(np.searchsorted(cumulated, above, side="right"))
    return first + (rank - below) * (second - first)


def _interpolate(values: npt.NDArray[np.float64], percentile: float) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.percentile(values, percentile))
