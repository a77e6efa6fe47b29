r"""Width of a peak at half of its height (FWHM), on a line or around a point.

The width is read from the profile itself, not from a fitted curve, so that it also holds for
peaks that are no Gaussian: where it crosses the middle between background and top, to both sides
of the top. The background is the median of the profile farther than one and a half widths from
the peak, so that a slope of the peak or a neighbour hardly counts. A Gaussian of standard
deviation :math:`\sigma` has a width of :math:`2\sqrt{2 \ln 2}\,\sigma`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from focusfix.metrics.profile import Line, lines_through, sample_line, smallest_step

SEARCH_PX = 5.0
"""How far from the named point a peak may lie."""

_SHORTEST_PX = 12.0
_BESIDE = 1.5
_LEAST_BESIDE_PX = 3.0
_FIRST_PERCENTILE = 10.0
_ROUNDS = 20
_SETTLED = 1e-4
_LEAST_CONTRAST = 5.0
_MAD_OF_NORMAL = 0.6744897501960817

FloatArray = npt.NDArray[np.float64]


class Peak(NamedTuple):
    """A peak of a profile.

    Parameters
    ----------
    middle_px : float
        Middle between the two crossings, from the start of the line.
    fwhm_px : float
        Distance between them.
    background, height : float
        Level beside the peak, and how far the top is above it; grey values.
    """

    middle_px: float
    fwhm_px: float
    background: float
    height: float


class NoPeakError(ValueError):
    """A profile has no peak whose width can be told; the message says why."""


def measure_peak(
    positions: FloatArray,
    values: FloatArray,
    *,
    near: tuple[float, float] | None = None,
    grey_step: float = 0.0,
) -> Peak:
    """Measure the highest peak of a profile.

    Parameters
    ----------
    positions : ndarray, shape (N,)
        Ascending, at equal steps; pixels.
    values : ndarray, shape (N,)
        Grey values; the peak points up.
    near : tuple of float, optional
        Stretch in which the top must lie; by default the whole profile.
    grey_step : float
        Smallest difference of grey values; noise is taken to be at least half of it.

    Returns
    -------
    Peak

    Raises
    ------
    NoPeakError
        If the top does not stand out from the noise beside it by a factor of five, does not fall
        to half on both sides, or the profile is too short to tell the background.

    Examples
    --------
    >>> positions = np.linspace(0, 40, 401)
    >>> peak = measure_peak(positions, 7 + np.exp(-((positions - 18) ** 2) / (2 * 2.0**2)))
    >>> round(peak.fwhm_px, 2), round(peak.middle_px, 2)
    (4.71, 18.0)
    """
    low, high = near or (positions[0], positions[-1])
    allowed = (positions >= low) & (positions <= high)
    top = int(np.argmax(np.where(allowed, values, -np.inf)))
    background = float(np.percentile(values, _FIRST_PERCENTILE))
    for _ in range(_ROUNDS):
        height = float(values[top]) - background
        left, right = _crossings(positions, values, top, background)
        middle, width = (left + right) / 2, right - left
        beside = values[np.abs(positions - middle) > _BESIDE * width]
        if beside.size * (positions[1] - positions[0]) < _LEAST_BESIDE_PX:
            raise NoPeakError("it is too wide for the stretch that is looked at")
        before, background = background, float(np.median(beside))
        if abs(background - before) <= _SETTLED * abs(height):
            break
    spread = float(np.median(np.abs(beside - background))) / _MAD_OF_NORMAL
    noise = max(spread, grey_step / 2)
    if not height > _LEAST_CONTRAST * noise:
        raise NoPeakError("it does not stand out from the noise beside it")
    return Peak(middle, width, background, height)


@dataclass(frozen=True)
class PointProfile:
    """The two lines through a point, and the peak on each.

    Parameters
    ----------
    lines : dict of str to Line
        "y" (downwards) and "x" (to the right).
    peaks : dict of str to Peak
        Of the same names.
    """

    lines: dict[str, Line]
    peaks: dict[str, Peak]


def find_point(
    plane: npt.NDArray[Any], point: tuple[float, float], *, search_px: float = SEARCH_PX
) -> tuple[float, float]:
    """Move a point to the middle of the peak that lies around it.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities; the peak points up.
    point : tuple of float
        Row and column; pixels.
    search_px : float
        How far the brightest pixel may be, along either axis.

    Returns
    -------
    tuple of float
        Row and column of the middle, to a fraction of a pixel.

    Raises
    ------
    NoPeakError
        If there is no peak.
    """
    y, x = (round(each) for each in point)
    reach = int(search_px)
    top, left = max(y - reach, 0), max(x - reach, 0)
    window = plane[top : y + reach + 1, left : x + reach + 1]
    row, column = np.unravel_index(int(np.argmax(window)), window.shape)
    middle = float(top + row), float(left + column)
    for _ in range(2):
        found = measure_point(plane, middle, search_px=2.0)
        middle = (
            found.lines["y"].y0 + found.peaks["y"].middle_px,
            found.lines["x"].x0 + found.peaks["x"].middle_px,
        )
    return middle


def measure_point(
    plane: npt.NDArray[Any], point: tuple[float, float], *, search_px: float = SEARCH_PX
) -> PointProfile:
    """Measure the peak at a point along both axes.

    The lines are made as short as the peak allows, so that its surroundings do not count.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities; the peak points up.
    point : tuple of float
        Row and column; pixels.
    search_px : float
        How far from the point the top may be on each line.

    Returns
    -------
    PointProfile

    Raises
    ------
    NoPeakError
        If there is no peak.
    """
    half_px = _SHORTEST_PX
    while True:
        lines = lines_through(point, half_px, (plane.shape[0], plane.shape[1]))
        try:
            peaks = {
                name: _peak_near(plane, line, along, search_px)
                for (name, line), along in zip(lines.items(), point, strict=True)
            }
        except NoPeakError:
            if half_px >= max(plane.shape):
                raise
            half_px *= 2
        else:
            return PointProfile(lines, peaks)


def points_up(plane: npt.NDArray[Any], point: tuple[float, float]) -> bool:
    """Tell whether the pixels around a point are brighter than the surroundings, or darker.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities.
    point : tuple of float
        Row and column; pixels.

    Returns
    -------
    bool
        True if the brightest pixel near the point is farther from the median than the darkest.
    """
    y, x = (round(each) for each in point)
    near, around = (
        plane[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        for reach in (int(SEARCH_PX), int(4 * SEARCH_PX))
    )
    median = float(np.median(around))
    return float(near.max()) - median >= median - float(near.min())


def _peak_near(plane: npt.NDArray[Any], line: Line, along: float, search_px: float) -> Peak:
    positions, values = sample_line(plane, line)
    start = line.y0 if line.x0 == line.x1 else line.x0
    near = (along - start - search_px, along - start + search_px)
    return measure_peak(positions, values, near=near, grey_step=smallest_step(plane, line))


def _crossings(
    positions: FloatArray, values: FloatArray, top: int, background: float
) -> tuple[float, float]:
    """Find where a profile falls to the middle between top and background, on both sides."""
    half = (float(values[top]) + background) / 2
    below = values < half
    left, right = np.flatnonzero(below[:top]), np.flatnonzero(below[top:])
    if not left.size or not right.size:
        raise NoPeakError("it does not fall to half of its height on both sides")
    ends = []
    for inside, outside in ((left[-1] + 1, left[-1]), (top + right[0] - 1, top + right[0])):
        share = (values[inside] - half) / (values[inside] - values[outside])
        step = positions[outside] - positions[inside]
        ends.append(float(positions[inside] + share * step))
    return ends[0], ends[1]
