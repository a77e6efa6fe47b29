"""Widths of one structure in several images of a field, on the same lines."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from focusfix.metrics.peak import (
    NoPeakError,
    Peak,
    find_point,
    measure_peak,
    measure_point,
    points_up,
)
from focusfix.metrics.profile import Line, lines_through, sample_line, smallest_step

ALONG = "line"
"""Direction of a line that was drawn; those through a point are "y" and "x"."""

WhereT = TypeVar("WhereT")
ResultT = TypeVar("ResultT")
Images = Mapping[str, npt.NDArray[Any]]


class Widths(NamedTuple):
    """Peaks of several images.

    Parameters
    ----------
    lines : dict of str to Line
        By direction; long enough to show the peak of every image.
    peaks : dict of str to dict
        By direction and image; None where an image has no peak.
    """

    lines: dict[str, Line]
    peaks: dict[str, dict[str, Peak | None]]


def measure_widths(images: Images, points: Sequence[tuple[float, float]]) -> Widths:
    """Measure a bead at a point, or what a line crosses, in every image.

    Parameters
    ----------
    images : mapping of str to ndarray, shape (Y, X)
        Intensities of one field. The last image says where the middle of the bead is, and whether
        the structure is brighter or darker than its surroundings.
    points : sequence of (float, float)
        Row and column of one point, or of the two ends of a line; pixels.

    Returns
    -------
    Widths

    Raises
    ------
    NoPeakError
        If the last image has no peak there.
    """
    if len(points) == 1:
        return _at_point(images, points[0])
    return _along_line(images, Line(*points[0], *points[1]))


def _at_point(images: Images, point: tuple[float, float]) -> Widths:
    main = images[list(images)[-1]]
    sign = 1.0 if points_up(main, point) else -1.0
    middle = find_point(sign * main, point)
    found = {name: _or_none(measure_point, sign * image, middle) for name, image in images.items()}
    half_px = max(
        line.length_px / 2 for each in found.values() if each for line in each.lines.values()
    )
    lines = lines_through(middle, half_px, (main.shape[0], main.shape[1]))
    peaks = {
        direction: {name: each.peaks[direction] if each else None for name, each in found.items()}
        for direction in lines
    }
    return Widths(lines, peaks)


def _along_line(images: Images, line: Line) -> Widths:
    main = list(images)[-1]
    _, values = sample_line(images[main], line)
    median = float(np.median(values))
    sign = 1.0 if values.max() - median >= median - values.min() else -1.0
    needed = _peak_on(sign * images[main], line)
    peaks = {name: _or_none(_peak_on, sign * image, line) for name, image in images.items()}
    return Widths({ALONG: line}, {ALONG: {**peaks, main: needed}})


def _peak_on(plane: npt.NDArray[Any], line: Line) -> Peak:
    positions, values = sample_line(plane, line)
    return measure_peak(positions, values, grey_step=smallest_step(plane, line))


def _or_none(
    measure: Callable[[npt.NDArray[Any], WhereT], ResultT], plane: npt.NDArray[Any], where: WhereT
) -> ResultT | None:
    try:
        return measure(plane, where)
    except NoPeakError:
        return None
