"""Windows of the planes of an OME-Zarr image."""

from math import prod
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Self

import numpy as np

from focusfix.errors import InputError
from focusfix.io.decoded import DecodedParts
from focusfix.io.metadata import PIXEL_TYPES, ImageMetadata
from focusfix.io.ngff import read_image_group
from focusfix.io.ngff_metadata import map_ngff_axes, read_ngff_metadata
from focusfix.io.zarr_arrays import StoredArray
from focusfix.io.zarr_files import check_zarr_installed

_CACHE_BYTES = 256 * 2**20


class ZarrReader:
    """Read windows of an OME-Zarr image without decoding more chunks than they touch.

    Parameters
    ----------
    path : Path
        Folder of the image.
    axes : str, optional
        Axes instead of those that the metadata state.
    cache_bytes : int
        Decoded chunks kept at most where that costs no decoding again; bytes.

    Raises
    ------
    InputError
        If the image cannot be used; see ``open_image``.
    """

    def __init__(
        self, path: Path, *, axes: str | None = None, cache_bytes: int = _CACHE_BYTES
    ) -> None:
        check_zarr_installed(path)
        image = read_image_group(path)
        array = StoredArray(image.path / image.levels[0])
        if array.dtype.name not in PIXEL_TYPES:
            raise InputError(
                f"{path} has pixels of type {array.dtype.name}, which focusfix does not handle.",
                f"Convert it to one of {', '.join(PIXEL_TYPES)}.",
            )
        if 0 in array.shape:
            raise InputError(
                f"{path} holds no pixels: its shape is {array.shape}.",
                "Write the image again, it was not saved.",
            )
        axis_map = map_ngff_axes(image, array.shape, axes)
        self.path = path
        self.metadata: ImageMetadata = read_ngff_metadata(
            image, axis_map, array.shape, array.dtype, array.compression
        )
        self._order = axis_map.order
        self.blocks = BlockStore(array, axis_map.order, len(self.metadata.plane_axes), cache_bytes)
        self.chunk_yx = self.blocks.chunk_yx
        self.notes: tuple[str, ...] = (
            *image.notes,
            *axis_map.notes,
            *_missing_notes(array),
            *self.blocks.notes,
        )

    def read_window(self, plane: int, rows: slice, columns: slice) -> np.ndarray:
        """Read part of a plane.

        Parameters
        ----------
        plane : int
            Position of the plane, see ``PlaneIndex``.
        rows, columns : slice
            Window with 0 <= start < stop <= size and step 1; pixels.

        Returns
        -------
        numpy.ndarray, shape (Y, X, S)
            Pixels in the pixel type of the image; S is 1 for grey.

        Raises
        ------
        InputError
            If the pixels cannot be read or decoded.
        IndexError
            If the plane or window lies outside the image.
        """
        metadata = self.metadata
        if not 0 <= plane < metadata.n_planes:
            raise IndexError(f"plane {plane} of {metadata.n_planes}")
        spans = [
            _checked(span, size)
            for span, size in zip((rows, columns), metadata.shape_yx, strict=True)
        ]
        sizes = metadata.shape[: len(metadata.plane_axes)]
        index = tuple(int(at) for at in np.unravel_index(plane, sizes)) if sizes else ()
        return self.blocks.read(index, spans[0], spans[1])

    def close(self) -> None:
        """Forget the decoded chunks; files are not held open."""
        self.blocks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class BlockStore:
    """Rectangles of pixels out of an array, with a bounded cache of decoded chunks.

    Parameters
    ----------
    array : StoredArray
        The pixels.
    order : tuple of int
        Stored dimension of each axis shown: plane axes, Y, X and maybe S.
    n_plane_axes : int
        How many of them number the planes.
    cache_bytes : int
        Decoded chunks kept at most where that costs no decoding again; bytes.

    Notes
    -----
    Safe to use from several threads: reading, decoding and the cache share one lock. A chunk that
    holds several planes is kept whole if all chunks of these planes fit into the cache; otherwise
    only the plane that is wanted is kept of it, and the chunk is decoded again for the others.
    """

    def __init__(
        self, array: StoredArray, order: tuple[int, ...], n_plane_axes: int, cache_bytes: int
    ) -> None:
        self._array = array
        self._order = order
        self._n_plane_axes = n_plane_axes
        self._lock = RLock()
        self.shape = tuple(array.shape[at] for at in order)
        chunks = tuple(min(array.chunks[at], array.shape[at]) for at in order)
        depth, (tall, wide) = chunks[:n_plane_axes], chunks[n_plane_axes : n_plane_axes + 2]
        self.chunk_yx = self._tall, self._wide = tall, wide
        height, width = self.shape[n_plane_axes : n_plane_axes + 2]
        samples = prod(self.shape[n_plane_axes + 2 :])
        piece_bytes = tall * wide * samples * array.dtype.itemsize
        slab_blocks = -(-width // wide) * -(-height // tall)
        kept_whole = slab_blocks * piece_bytes * prod(depth) <= cache_bytes
        self.depth = depth if kept_whole else (1,) * n_plane_axes
        self.notes: tuple[str, ...] = ()
        if not kept_whole and prod(depth) > 1:
            self.notes = (
                f"each chunk holds {prod(depth)} planes and is decoded once for each of them",
            )
        self._decoded = DecodedParts[np.ndarray](
            tall,
            piece_bytes * prod(self.depth),
            are_wide=wide == width,
            most_bytes=cache_bytes,
            least=slab_blocks if prod(self.depth) > 1 else 1,
        )

    def read(self, index: tuple[int, ...], rows: range, columns: range) -> np.ndarray:
        """Read a rectangle of one plane.

        Parameters
        ----------
        index : tuple of int
            Position along each plane axis.
        rows, columns : range
            Consecutive rows and columns; pixels.

        Returns
        -------
        numpy.ndarray, shape (rows, columns, S)
            Pixels in native byte order.

        Raises
        ------
        InputError
            If a chunk cannot be read or decoded.
        """
        samples = prod(self.shape[self._n_plane_axes + 2 :])
        window = np.empty((len(rows), len(columns), samples), self._array.dtype)
        slab = tuple(at // size for at, size in zip(index, self.depth, strict=True))
        inside = tuple(at % size for at, size in zip(index, self.depth, strict=True))
        with self._lock:
            tall, wide = self._tall, self._wide
            cells = range(columns.start // wide, -(-columns.stop // wide))
            is_narrow = len(columns) < self.shape[self._n_plane_axes + 1]
            self._decoded.fit(rows, len(cells), is_narrow=is_narrow)
            for i in range(rows.start // tall, -(-rows.stop // tall)):
                top, bottom = max(rows.start, i * tall), min(rows.stop, (i + 1) * tall)
                for j, block in zip(cells, self._row_of_blocks(slab, i, cells), strict=True):
                    left, right = max(columns.start, j * wide), min(columns.stop, (j + 1) * wide)
                    target = window[
                        top - rows.start : bottom - rows.start,
                        left - columns.start : right - columns.start,
                    ]
                    target[...] = block[inside][
                        top - i * tall : bottom - i * tall, left - j * wide : right - j * wide
                    ]
        return window

    def clear(self) -> None:
        """Forget the decoded chunks."""
        with self._lock:
            self._decoded.clear()

    def _row_of_blocks(self, slab: tuple[int, ...], i: int, cells: range) -> list[np.ndarray]:
        """Give neighbouring blocks; those that are not in the cache are decoded in one go."""
        keys = [(slab, i, j) for j in cells]
        found = {key: self._decoded.take(key) for key in keys if key in self._decoded}
        missing = [key[2] for key in keys if key not in found]
        if missing:
            self._decoded.make_room(len(missing))
            run = range(missing[0], missing[-1] + 1)
            pixels = self._decode(slab, i, run)
            axis = self._n_plane_axes + 1
            for number, j in enumerate(run):
                part = slice(number * self._wide, (number + 1) * self._wide)
                found[slab, i, j] = pixels[(*(slice(None),) * axis, part)]
        for key in keys:
            self._decoded.put(key, found[key])
        return [found[key] for key in keys]

    def _decode(self, slab: tuple[int, ...], i: int, cells: range) -> np.ndarray:
        """Read blocks side by side; axes as shown, colour samples last."""
        region = [slice(0, size) for size in self.shape]
        for axis, (at, size) in enumerate(zip(slab, self.depth, strict=True)):
            region[axis] = slice(at * size, min((at + 1) * size, self.shape[axis]))
        y, x = self._n_plane_axes, self._n_plane_axes + 1
        region[y] = slice(i * self._tall, min((i + 1) * self._tall, self.shape[y]))
        region[x] = slice(cells.start * self._wide, min(cells.stop * self._wide, self.shape[x]))
        stored = [slice(0, 1)] * len(region)
        for part, at in zip(region, self._order, strict=True):
            stored[at] = part
        pixels = self._array.read(stored).transpose(self._order)
        return pixels if pixels.ndim > x + 1 else pixels[..., np.newaxis]


def _checked(span: slice, size: int) -> range:
    start = 0 if span.start is None else span.start
    stop = size if span.stop is None else span.stop
    if span.step not in (None, 1) or not 0 <= start < stop <= size:
        raise IndexError(f"window {start}:{stop} of {size} pixels")
    return range(start, stop)


def _missing_notes(array: StoredArray) -> tuple[str, ...]:
    missing = array.n_missing
    if not missing:
        return ()
    return (f"{missing} chunks are not stored: their pixels are taken as {array.fill_value}",)
