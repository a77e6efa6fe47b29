"""Intensity scale of one channel: from camera counts to the unit range of networks, and back."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from focusfix.errors import InputError

Pixels = npt.NDArray[Any]

LOW_PERCENTILE = 0.1
HIGH_PERCENTILE = 99.9
SCALED_LIMIT = 1.0e4
SAMPLE_LIMIT = 1 << 22
_COUNT_CHUNK = 1 << 20
_SMALLEST_EXTENT, _LARGEST_EXTENT = 1.0e-290, 1.0e290


@dataclass(frozen=True)
class IntensityScale:
    r"""Affine map between stored intensities and the nominal range [0, 1] of networks.

    .. math:: x = g\,(v - o)

    Parameters
    ----------
    offset : float
        Stored intensity :math:`o` that maps to 0.
    gain : float
        Factor :math:`g` > 0 per unit of stored intensity.
    fill : float, optional
        Stored intensity that stands in for NaN and Inf; when not given, they are an error.
    constant : bool
        Whether the channel holds one value only, so that there is nothing to restore.
    """

    offset: float
    gain: float
    fill: float | None = None
    constant: bool = False

    def apply(self, stored: Pixels) -> npt.NDArray[np.float32]:
        """Scale stored intensities for a network.

        Parameters
        ----------
        stored : ndarray of int or float, any shape
            Finite intensities as in the file.

        Returns
        -------
        ndarray of float32, same shape
            Nominal range [0, 1]; brighter or darker pixels go beyond it, up to ``SCALED_LIMIT``.
        """
        working = _working_dtype(stored.dtype)
        scaled = np.subtract(stored, working(self.offset), dtype=working)
        scaled *= working(self.gain)
        np.clip(scaled, -SCALED_LIMIT, SCALED_LIMIT, out=scaled)
        return scaled.astype(np.float32, copy=False)

    def invert(self, scaled: Pixels, dtype: npt.DTypeLike) -> tuple[Pixels, int]:
        r"""Undo `apply`: :math:`v = x / g + o`, rounded to the nearest integer and saturated.

        Parameters
        ----------
        scaled : ndarray of float32, any shape
            Finite values, nominal range [0, 1].
        dtype : dtype-like
            Type of the stored intensities.

        Returns
        -------
        stored : ndarray of ``dtype``, same shape
            Intensities; exact for integers up to 16 bits. Above, float32 keeps 24 bits.
        n_clipped : int
            Pixels that were outside the range of ``dtype``.
        """
        target = np.dtype(dtype)
        stored = scaled.astype(np.float64)
        stored /= self.gain
        stored += self.offset
        return _saturate(stored, target)

    def add_change(
        self, stored: Pixels, change: npt.NDArray[np.float32], dtype: npt.DTypeLike
    ) -> tuple[Pixels, int]:
        r"""Add a change that was predicted on the scaled range to the stored intensities.

        .. math:: v' = v + \Delta x / g

        This equals inverting the scale of :math:`x + \Delta x`, without sending :math:`v` through
        the 24 bits of float32: pixels that do not change keep every bit, whatever their type.

        Parameters
        ----------
        stored : ndarray of int or float, any shape
            Intensities as in the file.
        change : ndarray of float32, same shape
            Output of the network less its input.
        dtype : dtype-like
            Type of the result.

        Returns
        -------
        changed : ndarray of ``dtype``, same shape
            Rounded to the nearest integer and saturated where ``dtype`` is an integer.
        n_clipped : int
            Pixels that were outside the range of ``dtype``.
        """
        target = np.dtype(dtype)
        wide = max(stored.dtype.itemsize, target.itemsize) > 2
        working = np.float64 if wide else np.float32
        total = np.divide(change, working(self.gain), dtype=working)
        total += stored
        changed, n_clipped = _saturate(total, target)
        if target.kind == "f" and stored.dtype == target:
            np.copyto(changed, stored, where=change == 0)
        return changed, n_clipped


def fit_intensity_scale(
    windows: Iterable[Pixels],
    *,
    low: float = LOW_PERCENTILE,
    high: float = HIGH_PERCENTILE,
    camera_offset: float | None = None,
) -> IntensityScale:
    """Fit the scale of one channel over all of its pixels.

    Parameters
    ----------
    windows : iterable of ndarray
        All pixels of the channel, in pieces of any shape; NaN and Inf are left out.
    low, high : float
        Percentiles in [0, 100] that map to 0 and 1.
    camera_offset : float, optional
        Dark level of the camera, used as the offset in place of the low percentile.

    Returns
    -------
    IntensityScale
        With gain 1 and ``constant`` set where the channel holds one value only.

    Raises
    ------
    InputError
        If there is no finite pixel.
    """
    sample = IntensitySample()
    for window in windows:
        sample.add(window)
    return sample.scale(low=low, high=high, camera_offset=camera_offset)


class IntensitySample:
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

    def scale(
        self,
        *,
        low: float = LOW_PERCENTILE,
        high: float = HIGH_PERCENTILE,
        camera_offset: float | None = None,
    ) -> IntensityScale:
        """Turn the sample into a scale.

        Parameters
        ----------
        low, high, camera_offset
            As in `fit_intensity_scale`.

        Returns
        -------
        IntensityScale
            Spans the full range of values where both percentiles coincide.

        Raises
        ------
        InputError
            If there was no finite pixel.
        """
        minimum, bottom, top, maximum = self.percentiles((0.0, low, high, 100.0))
        if minimum == maximum:
            return IntensityScale(offset=minimum, gain=1.0, constant=True)
        offset = bottom if camera_offset is None else camera_offset
        if top <= offset:
            offset, top = (minimum, maximum) if camera_offset is None else (offset, maximum)
        if top <= offset:
            raise InputError(
                f"The camera offset {offset:g} is not below the brightest pixel, {maximum:g}.",
                "Give the dark level of the camera, or leave the offset out.",
            )
        extent = top - offset
        if not _SMALLEST_EXTENT <= extent <= _LARGEST_EXTENT:
            raise InputError(
                f"The intensities span {extent:g}, which no scale can bring to the range 0 to 1.",
                "Look for stray extreme values, and rescale the image.",
            )
        return IntensityScale(offset=offset, gain=1.0 / extent)

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
            return tuple(_histogram_percentile(self._counts, p) + self._lowest_code for p in wanted)
        if not self._n_kept:
            raise InputError(
                "The image holds no finite pixel.", "Check how the file was written or exported."
            )
        values = np.concatenate(self._kept)
        self._kept = [values]
        extremes = {0.0: self._minimum, 100.0: self._maximum}
        return tuple(
            extremes[p] if p in extremes else float(np.percentile(values, p)) for p in wanted
        )

    def _count(self, window: Pixels) -> None:
        bounds = np.iinfo(window.dtype)
        if self._counts is None:
            self._lowest_code = int(bounds.min)
            self._counts = np.zeros(int(bounds.max) - int(bounds.min) + 1, dtype=np.int64)
        flat = window.reshape(-1)
        for first in range(0, flat.size, _COUNT_CHUNK):
            codes = flat[first : first + _COUNT_CHUNK].astype(np.intp)
            codes -= self._lowest_code
            self._counts += np.bincount(codes, minlength=self._counts.size)

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


def _working_dtype(dtype: np.dtype[Any]) -> type[np.float32] | type[np.float64]:
    """Choose float32 where it represents every value of ``dtype`` and a half, else float64."""
    narrow = dtype.itemsize <= 2
    return np.float32 if narrow else np.float64


def _saturate(values: npt.NDArray[Any], target: np.dtype[Any]) -> tuple[Pixels, int]:
    if target.kind == "f":
        bounds = np.finfo(target)
        low, high = float(bounds.min), float(bounds.max)
    else:
        low, high = float(np.iinfo(target).min), float(np.iinfo(target).max)
        np.rint(values, out=values)
    n_clipped = int(np.count_nonzero((values < low) | (values > high)))
    if n_clipped:
        np.clip(values, low, high, out=values)
    return values.astype(target), n_clipped


def _histogram_percentile(counts: npt.NDArray[np.int64], percentile: float) -> float:
    cumulated = np.cumsum(counts)
    rank = (int(cumulated[-1]) - 1) * percentile / 100.0
    below, above = math.floor(rank), math.ceil(rank)
    first = int(np.searchsorted(cumulated, below, side="right"))
    second = int(np.searchsorted(cumulated, above, side="right"))
    return first + (rank - below) * (second - first)
