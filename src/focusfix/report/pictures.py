"""Planes as PNG pictures for a page: on one intensity scale, enlarged, and as differences."""

import base64
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

MOST_PX = 640
"""Longest side of a picture of a whole plane."""

_ZOOM_SHARE = 0.25
_ZOOM_PX = (48, 128)
_LOW_PERCENTILE, _HIGH_PERCENTILE = 0.1, 99.9
_DIFFERENCE_PERCENTILE = 99.5
_NEGATIVE, _ZERO, _POSITIVE = (77, 166, 255), (16, 18, 22), (255, 142, 56)
_MAP_COLOURS = ((13, 8, 60), (122, 28, 110), (222, 82, 60), (250, 220, 130))

Plane = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


class Scale(NamedTuple):
    """Grey values that become black and white.

    Parameters
    ----------
    low, high : float
        In ascending order.
    """

    low: float
    high: float


class Box(NamedTuple):
    """A rectangle of pixels.

    Parameters
    ----------
    top, left, height, width : int
        Pixels.
    """

    top: int
    left: int
    height: int
    width: int

    def cut(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Cut the rectangle out of a plane of shape (Y, X) or (Y, X, S)."""
        return plane[self.top : self.top + self.height, self.left : self.left + self.width]


def fit_scale(plane: Plane) -> Scale:
    """Choose the grey values that become black and white.

    Parameters
    ----------
    plane : ndarray
        Intensities that all pictures of a field are shown like: those of the reference.

    Returns
    -------
    Scale
        The percentiles 0.1 and 99.9.
    """
    low, high = (float(v) for v in np.percentile(plane, [_LOW_PERCENTILE, _HIGH_PERCENTILE]))
    return Scale(low, high) if high > low else Scale(low - 0.5, low + 0.5)


def choose_zoom(plane: Plane) -> Box:
    """Find the part of a plane with the most fine detail.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Of the reference, so that the choice flatters no method.

    Returns
    -------
    Box
        A quarter of the shorter side, 48 to 128 pixels; the whole plane if it is smaller.
    """
    from scipy.ndimage import gaussian_filter

    rows, columns = plane.shape
    side = round(_ZOOM_SHARE * min(rows, columns))
    side = min(max(side, _ZOOM_PX[0]), _ZOOM_PX[1], rows, columns)
    detail = (plane - gaussian_filter(plane, 3.0)) ** 2
    energy = gaussian_filter(np.minimum(detail, np.percentile(detail, 99)), side / 4)
    reach = side // 2
    allowed = energy[reach : rows - side + reach + 1, reach : columns - side + reach + 1]
    top, left = np.unravel_index(int(np.argmax(allowed)), allowed.shape)
    return Box(int(top), int(left), side, side)


def paint_plane(plane: Plane, scale: Scale) -> Pixels:
    """Turn intensities into grey or RGB pixels.

    Parameters
    ----------
    plane : ndarray, shape (Y, X, S)
        S = 1 or 3.
    scale : Scale
        For all colours.

    Returns
    -------
    ndarray of uint8, shape (Y, X) or (Y, X, 3)
    """
    share = (plane - scale.low) / (scale.high - scale.low)
    pixels = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return pixels[..., 0] if plane.shape[-1] == 1 else pixels[..., :3]


def fit_difference(difference: Plane) -> float:
    """Choose the difference that gets the full colour: the percentile 99.5 of its size."""
    limit = float(np.percentile(np.abs(difference), _DIFFERENCE_PERCENTILE))
    return limit if limit > 0 else 1.0


def paint_difference(difference: Plane, limit: float) -> Pixels:
    """Turn differences into pixels: blue below zero, black at zero, orange above.

    Parameters
    ----------
    difference : ndarray, shape (Y, X)
        Grey values.
    limit : float
        Difference of the full colour; > 0.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
    """
    share = np.clip(difference / limit, -1, 1)
    return _blend(share, (-1.0, 0.0, 1.0), (_NEGATIVE, _ZERO, _POSITIVE))


def paint_map(values: Plane, limit: float) -> Pixels:
    """Turn values from 0 up into pixels: dark violet at 0, pale yellow at the limit.

    Parameters
    ----------
    values : ndarray, shape (Y, X)
        At least 0; NaN is shown as 0.
    limit : float
        Value of the last colour; > 0.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
    """
    share = np.clip(np.nan_to_num(values) / limit, 0, 1)
    stops = tuple(float(each) for each in np.linspace(0, 1, len(_MAP_COLOURS)))
    return _blend(share, stops, _MAP_COLOURS)


def shrink(plane: npt.NDArray[Any], most_px: int = MOST_PX) -> Plane:
    """Average blocks of pixels until no side is longer than ``most_px``.

    Parameters
    ----------
    plane : ndarray, shape (Y, X) or (Y, X, S)
        Intensities.
    most_px : int
        Longest side of the result.

    Returns
    -------
    ndarray
        Rows and columns that fill no block are left out.
    """
    step = math.ceil(max(plane.shape[:2]) / most_px)
    rows, columns = (max(size // step, 1) for size in plane.shape[:2])
    cut = np.asarray(plane[: rows * step, : columns * step], dtype=np.float64)
    if min(plane.shape[:2]) < step:
        return np.asarray(cut[:: max(step, 1), :: max(step, 1)])
    blocks = cut.reshape(rows, step, columns, step, *plane.shape[2:])
    return np.asarray(blocks.mean(axis=(1, 3)))


def data_uri(pixels: Pixels) -> str:
    """Encode pixels as a PNG that a page can hold."""
    from imagecodecs import png_encode

    encoded = base64.b64encode(png_encode(np.ascontiguousarray(pixels), level=7)).decode("ascii")
    return f"data:image/png;base64,{encoded}"


def _blend(
    share: Plane, stops: tuple[float, ...], colours: tuple[tuple[int, int, int], ...]
) -> Pixels:
    channels = [np.interp(share, stops, [colour[k] for colour in colours]) for k in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
