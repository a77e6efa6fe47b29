"""Image files around the tile engine: read, computed a few tiles at a time, and written."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from focusfix.blocks import PaintedBlock
from focusfix.engine.overlap import run_behind
from focusfix.io.image import ImageMetadata, ImageReader, write_image

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


def write_behind(
    path: Path,
    metadata: ImageMetadata,
    blocks: Iterator[PaintedBlock],
    *,
    overwrite: bool = False,
    finish: Callable[[Iterator[PaintedBlock]], Iterator[PaintedBlock]] = iter,
    is_single: bool = False,
) -> tuple[str, ...]:
    """Compute blocks here, and write them in another thread meanwhile.

    Parameters
    ----------
    path, metadata
        As for `focusfix.io.image.write_image`.
    blocks : iterator of (Block, ndarray of shape (rows, columns, S))
        Drawn from in the thread of the caller.
    overwrite : bool
        Whether an existing file is replaced.
    finish : callable
        What else becomes of the blocks, in the thread that writes.
    is_single : bool
        Whether there is one block only, which is written here: a thread would have to wait for it.

    Returns
    -------
    tuple of str
        What the user should know of the file written.

    Raises
    ------
    FocusfixError
        As `write_image`, or what computing the blocks raises; nothing unfinished is left.
    """

    def write(drawn: Iterator[PaintedBlock]) -> tuple[str, ...]:
        return write_image(path, metadata, finish(drawn), overwrite=overwrite)

    return write(blocks) if is_single else run_behind(write, blocks, name="focusfix-write")
