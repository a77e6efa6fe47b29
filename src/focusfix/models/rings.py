"""Tables for spectra taken ring by ring; a ring is one radius around zero frequency."""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def ring_radii(side_px: int) -> NDArray[np.float64]:
    """Return the distance from zero frequency on the half grid of a real transform.

    Parameters
    ----------
    side_px : int
        Even side of the transformed square; pixels.

    Returns
    -------
    ndarray, shape (side_px, side_px // 2 + 1), float64
        In rings: multiples of 1 / side_px cycles per pixel.
    """
    vertical = np.fft.fftfreq(side_px) * side_px
    radii: NDArray[np.float64] = np.hypot(vertical[:, None], np.arange(side_px // 2 + 1)[None, :])
    return radii


def ring_matrix(window_px: int) -> Tensor:
    """Make the matrix that averages a power spectrum over rings 1 to ``window_px / 2``."""
    ring = np.rint(ring_radii(window_px)).astype(int).ravel()
    member = ring[:, None] == np.arange(1, window_px // 2 + 1)[None, :]
    return _to_tensor(member / member.sum(axis=0))


def taper_window(window_px: int) -> Tensor:
    """Fade a window from its middle to its border, as a product of two Hann windows."""
    taper = np.hanning(window_px + 1)[:-1]
    return _to_tensor(np.outer(taper, taper))


@cache
def filter_table(support_px: int) -> Tensor:
    r"""Make the matrix from radial gains to a quarter of the finite filter that has them.

    The gains, given at radii 0 to ``support_px`` and constant in the corners, are interpolated,
    transformed back and faded to zero at the edge of the support. The first gain is the sum of the
    filter whatever was cut off: what is missing is added in proportion to the fade. All of these
    steps are linear, and so is the filter :math:`h = T g`.

    Parameters
    ----------
    support_px : int
        Half the side of the filter, s; pixels.

    Returns
    -------
    Tensor, shape (s * s, s + 1)
        Rows are the pixels at 0 to s - 1, row by row, to the right of the centre and below it; the
        filter is even.
    """
    side = 2 * support_px
    at, frequency = np.arange(support_px), np.arange(support_px + 1)
    both_signs = np.where(frequency % support_px, 2, 1)
    waves = both_signs * np.cos(2 * np.pi * at[:, None] * frequency / side) / side
    fade = _support_window(support_px)
    quarters = waves @ np.tensordot(waves, _nodes(support_px), 1)
    quarters *= fade[..., None]
    copies = np.where(at, 2, 1)
    copies = copies[:, None] * copies
    missing = -np.tensordot(copies, quarters, 2)
    missing[0] += 1
    quarters += fade[..., None] / (copies * fade).sum() * missing
    return _to_tensor(quarters.reshape(-1, support_px + 1))


def _nodes(support_px: int) -> NDArray[np.float64]:
    """Interpolate gains at radii 0 to ``support_px`` on a quarter of the grid of frequencies."""
    axis = np.arange(support_px + 1)
    radius = np.minimum(np.hypot(axis[:, None], axis), support_px)
    weights: NDArray[np.float64] = np.clip(1 - np.abs(radius[..., None] - axis), 0, None)
    return weights


def _support_window(support_px: int) -> NDArray[np.float64]:
    """Fade a quarter of a filter from one to zero over the outer four tenths of its support."""
    axis = np.arange(support_px)
    outside = np.hypot(axis[:, None], axis) / support_px
    phase = np.clip((outside - 0.6) / 0.4, 0, 1)
    window: NDArray[np.float64] = 0.5 * (1 + np.cos(np.pi * phase))
    return window


def _to_tensor(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
