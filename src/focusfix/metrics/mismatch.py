r"""What makes an image unlike those that the networks learned from, whatever their model card says.

Every figure is taken from one window of stored intensities, and its limit is well beyond what
training images show (simulated noise and 250 images of BBBC038 and other collections):

================  ==============================================  ==========  ================
figure            meaning                                         odd         training
================  ==============================================  ==========  ================
sharpness         detail above noise at all                       0           0.01 and more
noise             of pixels, over the range of intensities        above 0.12  up to 0.10
saturated share   pixels that hold the brightest value            above 1 %   up to 0.9 %
levels            grey values in use                              below 20    30 and more
background level  in what looks like fluorescence, with detail    above 0.35  up to 0.29
================  ==============================================  ==========  ================

Photographs have no even background, and their power falls with the same slope from coarse to fine
detail, since things come in all sizes and distances. A microscope cuts detail off where its lens
ends and goes on with noise, if there is any.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from focusfix.metrics.focus import FloatPlane, sharpness_of_power, windowed_power
from focusfix.metrics.modality import level_of_counts
from focusfix.metrics.noise import estimate_noise
from focusfix.metrics.spectrum import frequency_grid
from focusfix.metrics.value_counts import ValueCounts, count_values

LEAST_SIZE_PX = 128
"""Side below which a window says too little."""

MOST_NOISE = 0.12
MOST_SATURATED = 0.01
LEAST_LEVELS = 20
MOST_BACKGROUND = 0.35

_LEAST_ENTROPY = 0.85
_MOST_EVEN = 0.28
_COARSE_FALL = (1.7, 3.45)
_FINE_FALL = (1.6, 2.65)
_NOISELESS = 0.3
_BANDS = ((0.03, 0.1), (0.1, 0.25), (0.25, 0.5))


@dataclass(frozen=True)
class WindowFigures:
    """What one window of an image shows.

    Parameters
    ----------
    sharpness : float
        As by :func:`focusfix.metrics.focus.measure_sharpness`; cycles per pixel.
    noise : float
        Standard deviation of noise over the range from the 0.1th to the 99.9th percentile.
    saturated_share : float
        Share of pixels that hold the brightest value.
    levels : int
        Different values within that range.
    background : float
        As by :func:`focusfix.metrics.modality.background_level`.
    contrast : float
        Standard deviation over the same range as noise.
    even_share : float
        Largest share of pixels within a tenth of the range.
    entropy : float
        Of the histogram in 32 bins, 0 (one value) to 1 (all alike).
    falls : tuple of float
        Logarithms of the ratios of power at 0.03-0.1, 0.1-0.25 and 0.25-0.5 cycles per pixel.
    """

    sharpness: float
    noise: float
    saturated_share: float
    levels: int
    background: float
    contrast: float
    even_share: float
    entropy: float
    falls: tuple[float, float]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but noise, or nothing at all."""
        return self.sharpness <= 0

    @property
    def is_photograph(self) -> bool:
        """Whether intensities spread without a background, and power falls as in photographs."""
        spread = self.entropy > _LEAST_ENTROPY and self.even_share < _MOST_EVEN
        within = [
            low < fall < high
            for fall, (low, high) in zip(self.falls, (_COARSE_FALL, _FINE_FALL), strict=True)
        ]
        return spread and all(within)

    @property
    def lacks_dark_background(self) -> bool:
        """Whether the median lies higher than in fluorescence, for no want of light or focus."""
        fine_detail = self.falls[1] > 1 and self.noise < _NOISELESS * self.contrast
        return self.background > MOST_BACKGROUND and fine_detail


def measure_window(window: npt.NDArray[Any]) -> WindowFigures | None:
    """Measure one window of an image.

    Parameters
    ----------
    window : ndarray, shape (Y, X, S)
        Stored intensities; the last of two or four samples is alpha and left out, colours are
        averaged where one value per pixel is needed.

    Returns
    -------
    WindowFigures or None
        None for windows below 128 x 128 pixels, of one value, or with pixels that are not finite.
    """
    samples = window.shape[2]
    stored = window[..., : samples - 1 if samples in {2, 4} else samples]
    if min(stored.shape[:2]) < LEAST_SIZE_PX or not np.isfinite(stored).all():
        return None
    grey = stored.mean(axis=2, dtype=np.float64)
    values = count_values(stored)
    brightness = values if stored.shape[2] == 1 else count_values(grey)
    low, high = brightness.percentile(0.1), brightness.percentile(99.9)
    if not high > low:
        return None
    shape = (grey.shape[0], grey.shape[1])
    power = windowed_power(grey)
    even_share, entropy = _spread(brightness, low, high)
    in_range = (values.values >= low) & (values.values <= high)
    return WindowFigures(
        sharpness=sharpness_of_power(power, shape),
        noise=estimate_noise(grey) / (high - low),
        saturated_share=float(values.counts[-1] / stored.size),
        levels=int(np.count_nonzero(in_range)),
        background=level_of_counts(brightness),
        contrast=float(grey.std()) / (high - low),
        even_share=even_share,
        entropy=entropy,
        falls=_falls(power, shape),
    )


def _spread(brightness: ValueCounts, low: float, high: float) -> tuple[float, float]:
    """Return the largest share of pixels of about one value, and the entropy of the histogram."""
    scaled, counts = (brightness.values - low) / (high - low), brightness.counts
    fine = np.histogram(scaled, bins=75, range=(-0.2, 1.3), weights=counts)[0] / brightness.size
    coarse = np.histogram(scaled, bins=32, range=(0, 1), weights=counts)[0]
    shares = coarse[coarse > 0] / coarse.sum()
    even = np.convolve(fine, np.ones(5), mode="same").max()
    return float(even), float(-(shares * np.log2(shares)).sum() / 5)


def _falls(power: FloatPlane, shape: tuple[int, int]) -> tuple[float, float]:
    """Compare the mean power of neighbouring bands of frequencies."""
    bands = _bands_of(shape)
    means = (np.bincount(bands, weights=power.ravel()) / np.bincount(bands))[1:]
    coarse, fine = np.diff(-np.log(np.maximum(means, np.finfo(float).tiny)))
    return float(coarse), float(fine)


@lru_cache(maxsize=2)
def _bands_of(shape: tuple[int, int]) -> npt.NDArray[np.intp]:
    """Sort the coefficients into the bands, from 1 on; 0 is outside of all."""
    frequency = frequency_grid(shape).ravel()
    bands = np.zeros(frequency.shape, dtype=np.intp)
    for number, (low, high) in enumerate(_BANDS, 1):
        bands[(frequency >= low) & (frequency < high)] = number
    return bands
