"""Read the blur of whole planes with a network, tile by tile."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from focusfix.errors import ModelError
from focusfix.metrics.defocus import FloatMap

if TYPE_CHECKING:
    from focusfix.config import CheckpointHeader
    from focusfix.models.latent_line import LatentLine

READERS = ("latent-line",)
"""Registry names of the networks that read blur."""

_CORE_PX = 1024


class NetworkBlurReader:
    """Blur as a network reads it; tiles give what the whole plane would.

    Parameters
    ----------
    network : LatentLine
        With its weights.
    """

    def __init__(self, network: "LatentLine") -> None:
        from focusfix.models.blur_reading import FARTHEST_PX
        from focusfix.models.reach import farthest_reach

        self._network = network.eval()
        self.cell_px = network.footprint.stride_px
        self.farthest_px = FARTHEST_PX
        reach_px = farthest_reach(network.blur_span, self.cell_px)
        self._margin_px = math.ceil(reach_px / self.cell_px) * self.cell_px
        self._core_px = max(_CORE_PX // self.cell_px, 1) * self.cell_px

    def radius_px(self, image: FloatMap) -> tuple[FloatMap, FloatMap]:
        """Read the blur radius of every neighbourhood, and its expected error.

        Parameters
        ----------
        image : ndarray of float32, shape (Y, X)
            Intensities scaled to a nominal [0, 1]; any size, mirrored at its lower and right edge
            to whole neighbourhoods.

        Returns
        -------
        radius : ndarray of float32, shape (ceil(Y / cell_px), ceil(X / cell_px))
            Pixels.
        error : ndarray of float32, same shape
            Pixels, > 0.
        """
        cell = self.cell_px
        rows, columns = (math.ceil(size / cell) * cell for size in image.shape)
        edges = ((0, rows - image.shape[0]), (0, columns - image.shape[1]))
        whole = np.pad(np.asarray(image, dtype=np.float32), edges, mode="symmetric")
        radius, error = (np.empty((rows // cell, columns // cell), np.float32) for _ in range(2))
        for top in range(0, rows, self._core_px):
            for left in range(0, columns, self._core_px):
                self._read_tile(whole, (top, left), (radius, error))
        return radius, error

    def _read_tile(
        self, whole: FloatMap, corner: tuple[int, int], maps: tuple[FloatMap, FloatMap]
    ) -> None:
        import torch

        starts = [max(at - self._margin_px, 0) for at in corner]
        ends = [at + self._core_px + self._margin_px for at in corner]
        tile = np.ascontiguousarray(whole[starts[0] : ends[0], starts[1] : ends[1]])
        with torch.inference_mode():
            read = self._network.read_blur(torch.from_numpy(tile)[None, None])
        rows, columns = (
            slice(at // self.cell_px, (at + self._core_px) // self.cell_px) for at in corner
        )
        skipped = [(at - start) // self.cell_px for at, start in zip(corner, starts, strict=True)]
        for target, cells in zip(maps, read, strict=True):
            core = target[rows, columns]
            core[:] = cells[0, 0].numpy()[
                skipped[0] : skipped[0] + core.shape[0], skipped[1] : skipped[1] + core.shape[1]
            ]


def load_blur_reader(path: Path) -> "tuple[NetworkBlurReader, CheckpointHeader]":
    """Load weights that read blur.

    Parameters
    ----------
    path : Path
        Weights file.

    Returns
    -------
    reader : NetworkBlurReader
        Ready to read, on the processor.
    header : CheckpointHeader
        Description of the weights.

    Raises
    ------
    ModelError
        If the file is not as it should be, or its network does not read blur.
    """
    from focusfix.io.checkpoint import load_checkpoint
    from focusfix.models.latent_line import LatentLine

    network, header = load_checkpoint(path)
    if not isinstance(network, LatentLine):
        raise ModelError(
            f"{path} is a {header.model}, which does not read how far images are from focus.",
            f"Give weights of: {', '.join(READERS)}.",
        )
    return NetworkBlurReader(network), header
