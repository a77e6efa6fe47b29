"""From sharp images to pairs of an out-of-focus image and its truth, drawn on the fly.

Every pair is made from its own number: the same seed and index give the same pair, whatever was
drawn before, on any machine and in any order.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from focusfix.data.simulated_optics import (
    MARGIN_PX,
    KnownMicroscope,
    depth_of_field_um,
    draw_any,
    draw_known,
    draw_screening,
)
from focusfix.data.spectra import from_spectrum, transfer_function
from focusfix.optics import FloatArray, OpticsSettings, blur_radius_px, defocus_psf

PSF_PX = 2 * MARGIN_PX + 1


class SimulationSettings(BaseModel):
    """What the simulated microscopes and exposures look like; ranges are (lowest, highest).

    Parameters
    ----------
    crop_px : int
        Side of the square crops; pixels.
    in_focus_share : float
        Share of pairs whose input is in focus already, so that sharp images come back unharmed.
    screening_share : float
        Share of pairs from a 20x screening microscope (0.65 um pixels, 461 nm, 0-36 um).
    max_blur_radius_px : float
        Largest geometric blur radius of the other pairs; pixels.
    numerical_aperture : tuple of float
        Of the other pairs.
    peak_electrons : tuple of float
        Photo-electrons at the brightest structures, drawn on a log scale.
    background_share : float
        Largest even background, as a share of the peak.
    haze_share : float
        Share of pairs with light from structures in another plane.
    brightfield : bool
        The sharp images show absorption on a bright background.
    optics_bank : int
        How many microscopes are drawn for pairs.
    known : KnownMicroscope, optional
        The only microscope, instead of random ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop_px: int = Field(default=160, ge=32)
    in_focus_share: float = Field(default=0.08, ge=0, le=1)
    screening_share: float = Field(default=0.6, ge=0, le=1)
    max_blur_radius_px: float = Field(default=36.0, gt=0)
    numerical_aperture: tuple[float, float] = (0.3, 1.2)
    peak_electrons: tuple[float, float] = (500.0, 20000.0)
    background_share: float = Field(default=0.3, ge=0)
    haze_share: float = Field(default=0.1, ge=0, le=1)
    brightfield: bool = False
    optics_bank: int = Field(default=1500, ge=1)
    known: KnownMicroscope | None = None


class Blur(NamedTuple):
    """Transfer functions of one microscope at one defocus, on the simulation field.

    Parameters
    ----------
    out_of_focus, in_focus : ndarray, shape (F, F // 2 + 1), float32
        Real transfer functions; one at zero frequency.
    radius_px : float
        Geometric blur radius.
    """

    out_of_focus: FloatArray
    in_focus: FloatArray
    radius_px: float


@dataclass(frozen=True)
class Pair:
    """One training pair on the scale that the network sees.

    Parameters
    ----------
    out_of_focus, in_focus : ndarray, shape (crop_px, crop_px), float32
        Noisy input and noise-free truth, same intensity scale.
    radius_px : float
        Geometric blur radius of the input.
    """

    out_of_focus: FloatArray
    in_focus: FloatArray
    radius_px: float


class DefocusSimulator:
    """Draw pairs from sharp planes through random microscopes.

    Parameters
    ----------
    planes : sequence of ndarray, shape (Y, X), float32
        Sharp images scaled to [0, 1]; sides of at least ``crop_px`` are best, smaller ones are
        continued by reflection.
    weights : sequence of float
        How often each plane is drawn.
    settings : SimulationSettings
        Ranges.
    seed : int
        Of everything that is drawn.
    """

    def __init__(
        self,
        planes: Sequence[FloatArray],
        weights: Sequence[float],
        settings: SimulationSettings,
        seed: int,
    ) -> None:
        if not planes or len(planes) != len(weights):
            raise ValueError("DefocusSimulator needs planes, and one weight for each")
        self.settings = settings
        self.seed = seed
        self.field_px = settings.crop_px + 2 * MARGIN_PX
        self.planes = [_at_least(plane, self.field_px) for plane in planes]
        self.shares = np.asarray(weights, dtype=np.float64) / float(np.sum(weights))
        self._bank: list[Blur] = []
        self._lock = threading.Lock()

    @property
    def bank(self) -> list[Blur]:
        """The microscopes of the pairs; computed when the first one is asked for."""
        with self._lock:
            if not self._bank:
                rng = np.random.default_rng([self.seed, 0])
                self._bank = [self._draw_blur(rng) for _ in range(self.settings.optics_bank)]
        return self._bank

    def pair(self, index: int) -> Pair:
        """Draw the pair that belongs to a number.

        Parameters
        ----------
        index : int
            Any number >= 0.

        Returns
        -------
        Pair
        """
        whole = self.periodic_pair(index)
        window = slice(MARGIN_PX, -MARGIN_PX)
        return Pair(
            whole.out_of_focus[window, window], whole.in_focus[window, window], whole.radius_px
        )

    def periodic_pair(self, index: int) -> Pair:
        """Draw the pair that belongs to a number, with its margins.

        The field continues at its opposite border, for the blur as for the structure: blurring
        is a product of spectra, exactly.

        Parameters
        ----------
        index : int
            Any number >= 0.

        Returns
        -------
        Pair
            Arrays of shape (F, F), F = crop_px + 96.
        """
        rng = self._generator(index)
        blur = self._draw_from_bank(rng)
        structure = np.fft.rfft2(self.draw_object(rng))
        blurred = from_spectrum(structure * blur.out_of_focus)
        sharp = from_spectrum(structure * blur.in_focus)
        if rng.random() < self.settings.haze_share:
            blurred, sharp = self._add_haze(blurred, sharp, rng)
        return self._expose(blurred, sharp, blur.radius_px, rng)

    def blur_of(self, index: int) -> Blur:
        """Tell the blur of the pair that belongs to a number, without drawing the pair."""
        return self._draw_from_bank(self._generator(index))

    def _generator(self, index: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, 1, index])

    def _draw_from_bank(self, rng: np.random.Generator) -> Blur:
        return self.bank[rng.integers(len(self.bank))]

    def draw_object(self, rng: np.random.Generator) -> FloatArray:
        """Cut the liveliest of three places from a sharp plane; sides of ``field_px``."""
        plane = self.planes[rng.choice(len(self.planes), p=self.shares)]
        best = None
        for _ in range(3):  # empty background teaches little: keep the liveliest of three places
            y = rng.integers(plane.shape[0] - self.field_px + 1)
            x = rng.integers(plane.shape[1] - self.field_px + 1)
            field = plane[y : y + self.field_px, x : x + self.field_px]
            inner = field[MARGIN_PX:-MARGIN_PX:4, MARGIN_PX:-MARGIN_PX:4]
            liveliness = float(inner.std())
            if best is None or liveliness > best[0]:
                best = (liveliness, field)
        assert best is not None
        turned = np.rot90(best[1], int(rng.integers(4)))
        turned = turned[:, ::-1] if rng.random() < 0.5 else turned
        return np.asarray(turned ** rng.uniform(0.75, 1.35), dtype=np.float32)

    def _add_haze(
        self, blurred: FloatArray, sharp: FloatArray, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        other = np.fft.rfft2(self.draw_object(rng)) * rng.uniform(0.05, 0.6)
        near, far = (self.bank[i] for i in rng.integers(len(self.bank), size=2))
        return (
            blurred + from_spectrum(other * near.out_of_focus),
            sharp + from_spectrum(other * far.out_of_focus),
        )

    def _expose(
        self, blurred: FloatArray, sharp: FloatArray, radius_px: float, rng: np.random.Generator
    ) -> Pair:
        low, high = np.log(self.settings.peak_electrons)
        peak = math.exp(rng.uniform(low, high))
        background = rng.uniform(0, self.settings.background_share) * rng.random()
        if self.settings.brightfield:
            background = 0.0
        gain = peak / max(float(np.percentile(sharp, 99.9)), 1e-3)
        expected = np.maximum(blurred * gain, 0) + background * peak
        truth = sharp * gain + background * peak
        read_noise = rng.uniform(1.0, 6.0)
        spread = np.sqrt(expected + read_noise**2)
        noisy = expected + spread * rng.standard_normal(expected.shape, dtype=np.float32)
        window = slice(MARGIN_PX, -MARGIN_PX)
        offset, scale = draw_display_scale(
            noisy[window, window], float(np.median(spread[::8, ::8])), rng
        )
        return Pair(
            np.asarray((noisy - offset) / scale, dtype=np.float32),
            np.asarray((truth - offset) / scale, dtype=np.float32),
            radius_px,
        )

    def _draw_blur(self, rng: np.random.Generator) -> Blur:
        optics, dz_um = self.draw_optics(rng)
        if rng.random() < self.settings.in_focus_share:
            dz_um = rng.uniform(-0.3, 0.3) * depth_of_field_um(optics)
        return Blur(
            transfer_function(defocus_psf(optics, dz_um, PSF_PX), self.field_px),
            transfer_function(defocus_psf(optics, 0.0, PSF_PX), self.field_px),
            blur_radius_px(optics, dz_um),
        )

    def draw_optics(self, rng: np.random.Generator) -> tuple[OpticsSettings, float]:
        """Draw a microscope, and a distance from focus in micrometres."""
        if self.settings.known is not None:
            return draw_known(self.settings.known, rng)
        if rng.random() < self.settings.screening_share:
            return draw_screening(rng)
        ranges = self.settings.numerical_aperture, self.settings.max_blur_radius_px
        return draw_any(rng, *ranges)


def draw_display_scale(
    noisy: FloatArray, noise: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Scale as at run time, where the percentiles are those of the whole image, not of a crop."""
    low, high = np.percentile(noisy[::4, ::4], [0.1, 99.9])
    scale = max(float(high - low), 12 * noise) * math.exp(rng.uniform(-0.3, 0.7))
    return float(low) - rng.uniform(-0.03, 0.08) * scale, scale


def _at_least(plane: FloatArray, side_px: int) -> FloatArray:
    missing = [max(0, side_px - size) for size in plane.shape]
    padding = [(gap // 2, gap - gap // 2) for gap in missing]
    return np.pad(plane, padding, mode="symmetric") if any(missing) else plane
