"""Interpolate what is known of neighbourhoods between them, for every pixel."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F


def enlarge_bilinear(cells: Tensor, times: int, *, ring: int = 0) -> Tensor:
    """Enlarge images bilinearly, each cell to a square of pixels; beyond the outermost, constant.

    Rows of cells are widened by a matrix and then mixed two by two, which on the CPU is several
    times faster than interpolating from four cells pixel by pixel.

    Parameters
    ----------
    cells : Tensor, shape (N, C, Y, X)
        Values in the middle of each square.
    times : int
        Side of a square; pixels.
    ring : int
        Outermost cells on every side that serve as neighbours only.

    Returns
    -------
    Tensor, shape (N, C, (Y - 2 * ring) * times, (X - 2 * ring) * times)
        As `torch.nn.functional.interpolate` gives them, but for rounding.
    """
    with torch.autocast(cells.device.type, enabled=False):
        cells = cells.float() if cells.dtype != torch.float64 else cells
        if not ring:
            cells, ring = F.pad(cells, (1, 1, 1, 1), mode="replicate"), 1
        rows = cells[..., ring - 1 : cells.shape[-2] - ring + 1, :]
        rows = rows @ _weights(cells.shape[-1], times, ring, cells.dtype, cells.device)
        below = (torch.arange(times, device=cells.device) + 0.5).to(cells)[:, None] / times
        between = torch.lerp(rows[..., :-1, None, :], rows[..., 1:, None, :], below)
        return between.flatten(-3, -2)[..., times // 2 : times // 2 - times, :]


@lru_cache(maxsize=16)
def _weights(size: int, times: int, ring: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return what each cell counts for each pixel of one axis, shape (cells, pixels)."""
    with torch.inference_mode(mode=False):  # for training as well, whoever asks first
        cells = torch.eye(size, dtype=dtype, device=device)[None]
        pixels = F.interpolate(cells, scale_factor=float(times), mode="linear", align_corners=False)
        return pixels[0, :, ring * times : (size - ring) * times]
