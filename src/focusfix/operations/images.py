"""An image file as the tile engine sees it, and how many tiles of it are computed at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from focusfix.io.image import ImageReader

if TYPE_CHECKING:
    from focusfix.runtime.device import Device

_PIXELS_PER_CALL = 1 << 23


def choose_batch_size(tile_shape: tuple[int, int], device: "Device") -> int:
    """Choose how many tiles are computed at once.

    Parameters
    ----------
    tile_shape : tuple of int
        Height and width of a tile; pixels.
    device : Device
        Where the network runs.

    Returns
    -------
    int
        1 on the CPU, where more tiles cost memory and gain nothing; elsewhere as many as make
        about eight million pixels, so that they can be copied while others are computed.
    """
    if device.kind == "cpu":
        return 1
    return max(_PIXELS_PER_CALL // (tile_shape[0] * tile_shape[1]), 1)


class ReaderSource:
    """An image file as the tile engine sees it.

    Parameters
    ----------
    reader : ImageReader
        Stays open as long as this is used.
    planes : sequence of int, optional
        Planes of the file, in the order in which the engine is to see them, repeated or left out
        as wanted; all as they are stored when not given.
    """

    def __init__(self, reader: ImageReader, planes: Sequence[int] | None = None) -> None:
        self.path = reader.path
        self._reader = reader
        self._planes = range(reader.metadata.n_planes) if planes is None else planes
        self.shape_yx = reader.metadata.shape_yx
        self.chunk_yx = reader.chunk_yx
        self.n_planes = len(self._planes)
        self.samples = reader.metadata.samples
        self.dtype: np.dtype[Any] = reader.metadata.dtype

    @property
    def channel_of_plane(self) -> tuple[int, ...]:
        """Channel of each plane, for fitting one intensity scale per channel."""
        planes = self._reader.metadata.planes
        return tuple(planes[position].channel for position in self._planes)

    @property
    def copied_samples(self) -> tuple[int, ...]:
        """Samples that are no intensities: the alpha of grey or RGB images."""
        return (self.samples - 1,) if self.samples in {2, 4} else ()

    def read_window(self, plane: int, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Read stored intensities.

        Parameters
        ----------
        plane : int
            Position of the plane, as the engine counts.
        rows, columns : slice
            Window inside the plane; pixels.

        Returns
        -------
        ndarray, shape (rows, columns, samples)
            In the type of the file.
        """
        return self._reader.read_window(self._planes[plane], rows, columns)
