"""Intensity along a straight line through an image."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

STEP_PX = 0.1
"""Distance between the samples of a profile."""

_MARGIN_PX = 16

FloatArray = npt.NDArray[np.float64]


class Line(NamedTuple):
    """A straight line between two points of an image.

    Parameters
    ----------
    y0, x0, y1, x1 : float
        Ends; pixels, 0 is the middle of the first pixel.
    """

    y0: float
    x0: float
    y1: float
    x1: float

    @property
    def length_px(self) -> float:
        """Distance between the ends."""
        return float(np.hypot(self.y1 - self.y0, self.x1 - self.x0))


def sample_line(plane: npt.NDArray[Any], line: Line) -> tuple[FloatArray, FloatArray]:
    """Read the intensities along a line, by cubic splines between the pixels.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Intensities.
    line : Line
        Within the plane.

    Returns
    -------
    positions : ndarray, shape (N,)
        From the start of the line; pixels, some 0.1 apart.
    values : ndarray, shape (N,)
        Grey values.
    """
    from scipy.ndimage import map_coordinates

    steps = np.linspace(0.0, 1.0, max(round(line.length_px / STEP_PX), 1) + 1)
    points = [
        first + steps * (last - first) for first, last in ((line.y0, line.y1), (line.x0, line.x1))
    ]
    around, origin = _around(plane, line)
    shifted = np.stack([each - first for each, first in zip(points, origin, strict=True)])
    sampled = map_coordinates(around, shifted, order=3, mode="mirror")
    return steps * line.length_px, np.asarray(sampled)


def lines_through(
    point: tuple[float, float], half_px: float, shape: tuple[int, int]
) -> dict[str, Line]:
    """Draw a line along each axis through a point, cut off at the edge of the image.

    Parameters
    ----------
    point : tuple of float
        Row and column; pixels.
    half_px : float
        Length to either side; pixels.
    shape : tuple of int
        Height and width of the image.

    Returns
    -------
    dict of str to Line
        "y" and "x".
    """
    y, x = point
    rows, columns = shape[0] - 1, shape[1] - 1
    return {
        "y": Line(max(y - half_px, 0), x, min(y + half_px, rows), x),
        "x": Line(y, max(x - half_px, 0), y, min(x + half_px, columns)),
    }


def smallest_step(plane: npt.NDArray[Any], line: Line) -> float:
    """Return the smallest difference of grey values around a line; 0 if all are equal."""
    steps = np.diff(np.unique(_around(plane, line)[0]))
    return float(steps.min()) if steps.size else 0.0


def _around(plane: npt.NDArray[Any], line: Line) -> tuple[FloatArray, tuple[int, int]]:
    """Cut out the pixels that the splines along a line depend on; return them and their corner."""
    spans = []
    for first, last in ((line.y0, line.y1), (line.x0, line.x1)):
        low, high = min(first, last), max(first, last)
        spans.append((max(int(low) - _MARGIN_PX, 0), int(high) + _MARGIN_PX + 2))
    (top, bottom), (left, right) = spans
    return np.asarray(plane[top:bottom, left:right], dtype=np.float64), (top, left)
