"""From sharp images to focal series of one field through one microscope, drawn on the fly.

Every sample is made from its own number, as in :mod:`focusfix.data.simulate`.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from focusfix.data.level_choice import TripletPattern
from focusfix.data.samples import CropGroup, CropTriplet, FactorPairs
from focusfix.data.simulate import PSF_PX, DefocusSimulator, draw_display_scale
from focusfix.data.simulated_optics import MARGIN_PX, draw_farthest_um
from focusfix.data.spectra import from_spectrum, transfer_function
from focusfix.latent.triplets import LevelTriplet, dyadic_triplets, full_triplets
from focusfix.optics import FloatArray, defocus_psf

LEVELS = 9
"""Levels of a simulated series, the focal one included."""

_PAIR_MICROSCOPES_EACH = 24
_MICROSCOPES, _TRIPLETS, _GROUPS, _FACTORS = range(2, 6)
_WINDOW = slice(MARGIN_PX, -MARGIN_PX)


@dataclass(frozen=True)
class Exposure:
    """How bright a field is and how noisy the camera.

    Parameters
    ----------
    peak_electrons : float
        Photo-electrons at the brightest structures in focus.
    background : float
        Even background, as a share of the peak.
    read_noise : float
        Of the camera; electrons.
    """

    peak_electrons: float
    background: float
    read_noise: float


class Microscope(NamedTuple):
    """One microscope at evenly spaced distances from focus, on one side.

    Parameters
    ----------
    transfers : list of ndarray, shape (F, F // 2 + 1), float32
        Real transfer functions; the first one is that of the focal level.
    step_um : float
        From one level to the next; micrometres, the sign is the side of focus.
    """

    transfers: list[FloatArray]
    step_um: float


class SeriesSimulator(DefocusSimulator):
    """Draw pairs, and samples of focal series with levels 0 (in focus) to 8, evenly spaced.

    Levels run to the distance that the microscope of a pair would be drawn with. All planes of a
    series are recorded: with noise, the one in focus too. There is no haze. Where the microscope
    is known its series have levels on both sides of focus, -8 to 8, which look alike: groups and
    ways between planes are drawn from all of them.
    """

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._microscopes: list[Microscope] = []
        self._series_lock = threading.Lock()

    @property
    def microscopes(self) -> list[Microscope]:
        """The microscopes of the series; computed when the first one is asked for."""
        with self._series_lock:
            if not self._microscopes:
                rng = np.random.default_rng([self.seed, _MICROSCOPES])
                count = math.ceil(self.settings.optics_bank / _PAIR_MICROSCOPES_EACH)
                self._microscopes = [self._draw_microscope(rng) for _ in range(count)]
        return self._microscopes

    def _draw_microscope(self, rng: np.random.Generator) -> Microscope:
        optics, farthest_um = self.draw_optics(rng)
        if self.settings.known is not None:
            farthest_um = draw_farthest_um(self.settings.known, rng)
        step_um = farthest_um / (LEVELS - 1)
        psfs = [defocus_psf(optics, level * step_um, PSF_PX) for level in range(LEVELS)]
        return Microscope([transfer_function(psf, self.field_px) for psf in psfs], step_um)

    def triplet(self, index: int, *, pattern: TripletPattern) -> CropTriplet:
        """Draw the triplet that belongs to a number.

        Parameters
        ----------
        index : int
            Any number >= 0.
        pattern : {"auto", "dyadic", "full"}
            Which three of the levels; "auto" is "dyadic".

        Returns
        -------
        CropTriplet
        """
        rng = np.random.default_rng([self.seed, _TRIPLETS, index])
        triplets = list_level_triplets(pattern)
        chosen = triplets[rng.integers(len(triplets))]
        levels = [round(chosen.sharper), round(chosen.between), round(chosen.blurrier)]
        sharper, between, blurrier = self._record(self._choose(rng), levels, rng)
        return CropTriplet(sharper, between, blurrier, chosen.alpha)

    def group(self, index: int, *, size: int) -> CropGroup:
        """Draw the group that belongs to a number.

        Parameters
        ----------
        index : int
            Any number >= 0.
        size : int
            How many levels, 9 at most; they differ.

        Returns
        -------
        CropGroup
        """
        rng = np.random.default_rng([self.seed, _GROUPS, index])
        levels = rng.choice(self._levels, size, replace=False).tolist()
        microscope = self._choose(rng)
        in_focus, *images = self._record(microscope, [0, *levels], rng)
        return CropGroup(np.stack(images), in_focus, *_ways(microscope, levels))

    def factor_pairs(self, index: int) -> FactorPairs:
        """Draw two fields at two levels of one microscope.

        Parameters
        ----------
        index : int
            Any number >= 0.

        Returns
        -------
        FactorPairs
        """
        rng = np.random.default_rng([self.seed, _FACTORS, index])
        here, there = rng.choice(LEVELS, 2, replace=False).tolist()
        microscope = self._choose(rng)
        in_focus, image, other_level = self._record(microscope, [0, here, there], rng)
        (other_identity,) = self._record(microscope, [here], rng)
        ways = _ways(microscope, [here, there])
        return FactorPairs(image, other_level, other_identity, in_focus, *ways)

    @property
    def _levels(self) -> range:
        """Levels that samples are drawn from."""
        first = 0 if self.settings.known is None else 1 - LEVELS
        return range(first, LEVELS)

    def _choose(self, rng: np.random.Generator) -> Microscope:
        return self.microscopes[rng.integers(len(self.microscopes))]

    def _record(
        self, microscope: Microscope, levels: Sequence[int], rng: np.random.Generator
    ) -> FloatArray:
        """Image a new field at some levels, on one scale; shape (K, crop_px, crop_px)."""
        spectrum = np.fft.rfft2(self.draw_object(rng))
        in_focus = from_spectrum(spectrum * microscope.transfers[0])
        planes = [from_spectrum(spectrum * microscope.transfers[abs(level)]) for level in levels]
        exposure = self._draw_exposure(rng)
        gain = exposure.peak_electrons / max(float(np.percentile(in_focus, 99.9)), 1e-3)
        electrons = np.stack([in_focus, *planes]) * np.float32(gain)
        noisy, noise = expose(electrons, exposure, rng)
        windows = noisy[:, _WINDOW, _WINDOW]
        rows = windows.reshape(-1, windows.shape[-1])
        offset, scale = draw_display_scale(rows, noise, rng)
        return np.asarray((windows[1:] - offset) / scale, dtype=np.float32)

    def _draw_exposure(self, rng: np.random.Generator) -> Exposure:
        low, high = np.log(self.settings.peak_electrons)
        peak = math.exp(rng.uniform(low, high))
        background = rng.uniform(0, self.settings.background_share) * rng.random()
        if self.settings.brightfield:
            background = 0.0
        return Exposure(peak, background, rng.uniform(1.0, 6.0))


def expose(
    electrons: FloatArray, exposure: Exposure, rng: np.random.Generator
) -> tuple[FloatArray, float]:
    """Record planes with shot noise and read noise.

    Parameters
    ----------
    electrons : ndarray, shape (K, Y, X), float32
        Expected photo-electrons, without background.
    exposure : Exposure
        Of all planes.
    rng : numpy.random.Generator
        Of the noise.

    Returns
    -------
    noisy : ndarray, shape (K, Y, X), float32
        Recorded electrons.
    noise : float
        Median standard deviation; electrons.
    """
    expected = np.maximum(electrons, 0) + exposure.background * exposure.peak_electrons
    spread = np.sqrt(expected + exposure.read_noise**2)
    noisy = expected + spread * rng.standard_normal(expected.shape, dtype=np.float32)
    return noisy.astype(np.float32), float(np.median(spread[:, ::8, ::8]))


def list_level_triplets(pattern: TripletPattern) -> tuple[LevelTriplet, ...]:
    """List the triplets of a simulated series: seven dyadic ones, or all 84."""
    levels = range(LEVELS - 1, -1, -1)
    return full_triplets(levels) if pattern == "full" else dyadic_triplets(levels)


def _ways(microscope: Microscope, levels: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """Return signed levels and signed distances from focus."""
    away = np.asarray(levels, dtype=np.float32)
    side = np.float32(math.copysign(1.0, microscope.step_um))
    return side * away, away * np.float32(microscope.step_um)
