"""Tables for spectra taken ring by ring; a ring is one radius around zero frequency."""

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


def node_matrix(support_px: int) -> Tensor:
    """Make the matrix that interpolates gains at radii 0 to ``support_px``; constant in corners."""
    radius = np.minimum(ring_radii(2 * support_px).ravel(), support_px)
    nodes = np.arange(support_px + 1)
    return _to_tensor(np.clip(1 - np.abs(radius[:, None] - nodes[None, :]), 0, None))


def taper_window(window_px: int) -> Tensor:
    """Fade a window from its middle to its border, as a product of two Hann windows."""
    taper = np.hanning(window_px + 1)[:-1]
    return _to_tensor(np.outer(taper, taper))


def support_window(support_px: int) -> Tensor:
    """Fade a filter from one to zero over the outer four tenths of its support."""
    axis = np.arange(1 - support_px, support_px)
    outside = np.hypot(axis[:, None], axis[None, :]) / support_px
    phase = np.clip((outside - 0.6) / 0.4, 0, 1)
    return _to_tensor(0.5 * (1 + np.cos(np.pi * phase)))


def _to_tensor(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
