"""Convolution with filters that are given by a gain for every ring of frequencies."""

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.models.base import cut_margin
from focusfix.models.rings import filter_table

_FAST_GRID = 8
_FAST_FACTORS = (2, 3, 5, 7)


class RadialFilter(nn.Module):
    """Turns radial gains into filters of finite support, and convolves images with them.

    Parameters
    ----------
    support_px : int
        Half the side of the filters; gains are given at zero and at as many rings, at multiples
        of 1 / (2 * support_px) cycles per pixel. The cut to the support leaves that at zero as it
        is.
    """

    stays_eager = True
    table: Tensor

    def __init__(self, support_px: int) -> None:
        super().__init__()
        self.support_px = support_px
        self.register_buffer("table", filter_table(support_px).clone(), persistent=False)

    def quarters(self, gains: Tensor) -> Tensor:
        """Make the finite filters of radial gains, which are even: their centre and what follows.

        Parameters
        ----------
        gains : Tensor, shape (K, support_px + 1)
            At frequencies 0 to 1/2 cycle per pixel, filter by filter.

        Returns
        -------
        Tensor, shape (K, support_px, support_px)
        """
        return (gains @ self.table.T).reshape(-1, self.support_px, self.support_px)

    def kernels(self, gains: Tensor) -> Tensor:
        """Make whole filters, shape (K, 2 * support_px - 1, 2 * support_px - 1), as above."""
        places = torch.arange(1 - self.support_px, self.support_px).abs()
        return self.quarters(gains)[:, places[:, None], places]

    def prepare(self, image: Tensor) -> "PreparedImage":
        """Transform images (N, 1, Y, X) that have a margin of ``support_px`` on every side."""
        return PreparedImage(self, image)


class PreparedImage:
    """Images that are convolved with one filter after the other, transformed once.

    Parameters
    ----------
    filters : RadialFilter
        Makes the filters.
    padded : Tensor, shape (N, 1, Y + 2 * support_px, X + 2 * support_px)
        Images with their margin.
    """

    def __init__(self, filters: RadialFilter, padded: Tensor) -> None:
        self._filters = filters
        height, width = padded.shape[-2:]
        support = filters.support_px
        self._wanted = slice(support, height - support), slice(support, width - support)
        self._grid = fast_length(height), fast_length(width)
        self._columns = torch.fft.rfft2(padded, self._grid).mT.contiguous()
        self._waves = [
            _cosines(side, support, filters.table.dtype, filters.table.device)
            for side in self._grid
        ]

    def convolved(self, gains: Tensor) -> Iterator[Tensor]:
        """Convolve with the filters of radial gains, as for :meth:`RadialFilter.quarters`.

        Yields
        ------
        Tensor, shape (N, 1, Y, X)
            Convolved with each filter in turn.
        """
        for quarter in self._filters.quarters(gains):
            yield self._convolve(quarter)

    def _convolve(self, quarter: Tensor) -> Tensor:
        along_rows, along_columns = self._waves
        half = along_columns @ quarter.T @ along_rows.T
        response = torch.cat([half, half[:, 1:-1].flip(1)], dim=1)  # filters are even
        wanted_rows, wanted_columns = self._wanted
        rows = torch.fft.ifft(self._columns * response)[..., wanted_rows].mT
        convolved: Tensor = torch.fft.irfft(rows, self._grid[1])[..., wanted_columns]
        return convolved


def with_zero_frequency(gains: Tensor, at_zero: float) -> Tensor:
    """Put the gain at zero frequency before the others; shape (..., K) to (..., K + 1)."""
    return F.pad(gains, (1, 0), value=at_zero)


@lru_cache(maxsize=16)
def _cosines(side: int, support_px: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the cosines that turn one half of an even filter into one half of its transfer."""
    with torch.inference_mode(mode=False):  # for training as well, whoever asks first
        frequencies = torch.arange(side // 2 + 1, dtype=torch.float64, device=device) / side
        places = torch.arange(support_px, dtype=torch.float64, device=device)
        waves = 2 * torch.cos(2 * torch.pi * frequencies[:, None] * places)
        waves[:, 0] = 1
        return waves.to(dtype)


def fast_length(size: int) -> int:
    """Return the next length that Fourier transforms are fast at.

    Parameters
    ----------
    size : int
        Length to make room for; pixels, at least 1.

    Returns
    -------
    int
        At least ``size``; a multiple of 8 without prime factors above 7.
    """
    length = -(-size // _FAST_GRID) * _FAST_GRID
    while _without_small_factors(length) > 1:
        length += _FAST_GRID
    return length


def _without_small_factors(number: int) -> int:
    for factor in _FAST_FACTORS:
        while number % factor == 0:
            number //= factor
    return number


def with_margin(image: Tensor, cut_px: int, margin_px: int) -> Tensor:
    """Leave out the outermost pixels and add a margin: these pixels, as far as they go."""
    if cut_px >= margin_px:
        return cut_margin(image, cut_px - margin_px)
    return F.pad(image, (margin_px - cut_px,) * 4, mode="replicate")
