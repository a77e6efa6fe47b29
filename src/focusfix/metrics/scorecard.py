"""All measures of an image against a reference, with the gain over the untouched input."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from focusfix.metrics import multiscale
from focusfix.metrics.fidelity import affine_fit, band_coherence, nrmse, pearson, psnr, ssim
from focusfix.metrics.focus import sharpness_ratio

Scores = dict[str, float]
"""Values by the name of the measure; NaN where a measure is not defined for the images."""

AFFINE = "_affine"
"""Ends the names of measures taken after an affine fit of intensities."""

_SSIM_LEAST_PX = 11
_SHARPNESS_LEAST_PX = 8


@dataclass(frozen=True)
class Measure:
    """One figure of merit.

    Parameters
    ----------
    name : str
        As in tables and JSON.
    best : {"high", "low", "one"}
        Which values are good.
    digits : int
        Decimals worth showing.
    unit : str
        Empty for plain numbers.
    """

    name: str
    best: str = "high"
    digits: int = 4
    unit: str = ""

    def gain(self, before: float, after: float) -> float:
        """Say how much better one value is than another: positive is better, whatever is best."""
        if before == after:
            return 0.0
        if self.best == "one":
            return abs(1 - before) - abs(1 - after)
        return before - after if self.best == "low" else after - before


_INTENSITY_MEASURES = (
    Measure("psnr", digits=2, unit="dB"),
    Measure("ssim"),
    Measure("ms_ssim"),
    Measure("nrmse", best="low"),
)
_STRUCTURE_MEASURES = (
    Measure("pearson"),
    Measure("sharpness_ratio", best="one"),
    Measure("band_coherence"),
)
_AFFINE_MEASURES = tuple(
    Measure(f"{each.name}{AFFINE}", each.best, each.digits, each.unit)
    for each in _INTENSITY_MEASURES
)
MEASURES = {
    each.name: each for each in (*_INTENSITY_MEASURES, *_STRUCTURE_MEASURES, *_AFFINE_MEASURES)
}
"""By name; those after an affine fit last. Structure does not change with gain and offset."""


def score_plane(
    image: npt.NDArray[Any],
    reference: npt.NDArray[Any],
    *,
    data_range: float,
    band: tuple[float, float] | None,
    affine: bool = False,
) -> Scores:
    """Compare a plane with its reference in every measure.

    Parameters
    ----------
    image, reference : ndarray, shape (Y, X, S)
        Intensities on the same scale, without alpha; finite. PSNR, NRMSE and Pearson take all
        colour samples together, the others are means over the samples.
    data_range : float
        Largest possible intensity; > 0. Values of the image outside the range count as its ends.
    band : tuple of float, optional
        Frequencies for band coherence; cycles per pixel. None where no band is known.
    affine : bool
        Whether the measures of intensity are taken once more after an affine fit.

    Returns
    -------
    dict of str to float
        In the order of ``MEASURES``; NaN for a measure that the images are too small for, or
        that is not defined because they are constant.

    Raises
    ------
    ValueError
        If the shapes differ or ``data_range`` is not positive.
    """
    scores = _score_intensities(image, reference, data_range)
    scores["pearson"] = pearson(image, reference)
    scores["sharpness_ratio"] = scores["band_coherence"] = math.nan
    samples = _samples(image, reference)
    if min(reference.shape[:2]) >= _SHARPNESS_LEAST_PX:
        scores["sharpness_ratio"] = _mean(sharpness_ratio(*pair) for pair in samples)
    if band is not None:
        low, high = band
        scores["band_coherence"] = _mean(
            band_coherence(*pair, low_per_px=low, high_per_px=high) for pair in samples
        )
    if affine:
        fitted = _score_intensities(affine_fit(image, reference), reference, data_range)
        scores |= {f"{name}{AFFINE}": value for name, value in fitted.items()}
    return scores


def mean_scores(all_scores: Iterable[Mapping[str, float]]) -> tuple[Scores, dict[str, int]]:
    """Average each measure over planes.

    Parameters
    ----------
    all_scores : iterable of mapping
        Scores of planes.

    Returns
    -------
    means : dict of str to float
        Over the finite values; infinite or NaN if there are no others.
    left_out : dict of str to int
        How many values were infinite or not defined and are not in the mean, by measure.
    """
    listed = list(all_scores)
    means, left_out = {}, {}
    for name in dict.fromkeys(name for scores in listed for name in scores):
        values = [scores[name] for scores in listed if name in scores]
        finite = [value for value in values if math.isfinite(value)]
        infinite = [value for value in values if math.isinf(value)]
        means[name] = _mean(finite or infinite)
        if 0 < len(finite) < len(values):
            left_out[name] = len(values) - len(finite)
    return means, left_out


def _score_intensities(
    image: npt.NDArray[Any], reference: npt.NDArray[Any], data_range: float
) -> Scores:
    clipped = np.clip(np.asarray(image, dtype=np.float64), 0, data_range)
    samples = _samples(clipped, reference)
    scores = {
        "psnr": psnr(clipped, reference, data_range=data_range),
        "ssim": math.nan,
        "ms_ssim": math.nan,
        "nrmse": nrmse(clipped, reference),
    }
    side = min(reference.shape[:2])
    if side >= _SSIM_LEAST_PX:
        scores["ssim"] = _mean(ssim(*pair, data_range=data_range) for pair in samples)
    if side >= multiscale.LEAST_SIZE_PX:
        scores["ms_ssim"] = _mean(
            multiscale.ms_ssim(*pair, data_range=data_range) for pair in samples
        )
    return scores


def _samples(
    image: npt.NDArray[Any], reference: npt.NDArray[Any]
) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    return [(image[..., sample], reference[..., sample]) for sample in range(reference.shape[-1])]


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan
