"""Intensity scale of one channel: from camera counts to the unit range of networks, and back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from focusfix.engine.percentiles import PercentileSample, Pixels
from focusfix.errors import InputError

LOW_PERCENTILE = 0.1
HIGH_PERCENTILE = 99.9
SCALED_LIMIT = 1.0e30
"""Largest scaled intensity, so that stray values cannot overflow float32 inside a network."""

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


@dataclass(frozen=True)
class ChangeScale(IntensityScale):
    """The same scale, for results that are a quantity per pixel and not a changed image.

    What the tile function adds to its input is written by itself, in stored intensities: a
    function that returns its input and an error adds nothing but the error. Planes with a constant
    scale become zeros.
    """

    @classmethod
    def of(cls, scale: IntensityScale) -> Self:
        """Make one of the scale of an image."""
        return cls(scale.offset, scale.gain, scale.fill, scale.constant)

    def add_change(
        self,
        stored: Pixels,  # noqa: ARG002 - left out, which is what this scale is for
        change: npt.NDArray[np.float32],
        dtype: npt.DTypeLike,
    ) -> tuple[Pixels, int]:
        r"""Turn a change on the scaled range into stored intensities, :math:`\Delta x / g`.

        Parameters
        ----------
        stored : ndarray of int or float, any shape
            Intensities as in the file; left out.
        change : ndarray of float32, same shape
            Output of the tile function less its input.
        dtype : dtype-like
            Type of the result.

        Returns
        -------
        changes : ndarray of ``dtype``, same shape
            Rounded to the nearest integer and saturated where ``dtype`` is an integer.
        n_clipped : int
            Pixels that were outside the range of ``dtype``.
        """
        return _saturate(np.divide(change, self.gain, dtype=np.float64), np.dtype(dtype))


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


class IntensitySample(PercentileSample):
    """Pixels of one channel, gathered piece by piece, that its scale will be fitted to."""

    def scale(
        self,
        *,
        low: float = LOW_PERCENTILE,
        high: float = HIGH_PERCENTILE,
        camera_offset: float | None = None,
    ) -> IntensityScale:
        """Turn the percentiles of the channel into its scale.

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
            If there was no finite pixel, the camera offset is too bright, or the values span a
            range that double precision cannot scale.
        """
        minimum, bottom, top, maximum = self.percentiles((0.0, low, high, 100.0))
        if minimum == maximum:
            return IntensityScale(offset=minimum, gain=1.0, constant=True)
        if camera_offset is None:
            offset, top = (bottom, top) if bottom < top else (minimum, maximum)
        else:
            offset, top = camera_offset, (top if camera_offset < top else maximum)
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
