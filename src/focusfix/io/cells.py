"""Blocks of any size and order, put together to the cells of a regular grid.

A strip, a tile or a chunk of a file is written once, when all of it is there. Only cells of which
a part is missing are held.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focusfix.blocks import Block, PaintedBlock
from focusfix.io.metadata import ImageMetadata


def gather_cells(
    blocks: Iterable[PaintedBlock], metadata: ImageMetadata, cell_yx: tuple[int, int]
) -> Iterator[PaintedBlock]:
    """Put blocks together to cells, each of which is given away as soon as it is complete.

    Parameters
    ----------
    blocks : iterable of (Block, ndarray of shape (rows, columns, S))
        Together they hold every pixel once: plane after plane in C-order, and within a plane in
        any order.
    metadata : ImageMetadata
        Shape and pixel type expected.
    cell_yx : tuple of int
        Height and width of a cell; those at the lower and right border may be smaller. Pixels.

    Yields
    ------
    Block, ndarray of shape (rows, columns, S)
        A cell and its pixels: part of a block, not copied, where one block holds all of it.

    Raises
    ------
    ValueError
        If the blocks do not make up the image.
    """
    plane = _Plane(0, metadata, cell_yx)
    for block, pixels in blocks:
        if not plane.n_missing:
            plane = _Plane(plane.position + 1, metadata, cell_yx)
        yield from plane.take(block, pixels)
        del block, pixels  # so that they are free while the next ones are made
    plane.check_complete()
    if plane.position + 1 != metadata.n_planes:
        raise ValueError(f"the blocks end before plane {plane.position + 1}")


class _Cell:
    """A cell of which a part has come."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.pixels = np.empty(shape, dtype)
        self.n_missing = shape[0] * shape[1]
        self._parts: list[tuple[int, int, int, int]] = []

    def put(self, rows: slice, columns: slice, part: NDArray[Any]) -> None:
        """Copy a part to its place, and find out whether another one lies there."""
        top, bottom, left, right = rows.start, rows.stop, columns.start, columns.stop
        for above, below, before, after in self._parts:
            if above < bottom and top < below and before < right and left < after:
                raise ValueError("two blocks overlap")
        self.pixels[rows, columns] = part
        self.n_missing -= (bottom - top) * (right - left)
        if self._parts:  # parts come side by side: what they make up together is one again
            above, below, before, after = self._parts[-1]
            if (above, below, after) == (top, bottom, left):
                self._parts[-1] = above, below, before, right
                return
            if (below, before, after) == (top, left, right):
                self._parts[-1] = above, bottom, before, after
                return
        self._parts.append((top, bottom, left, right))


class _Plane:
    """The cells of one plane."""

    def __init__(self, position: int, metadata: ImageMetadata, cell_yx: tuple[int, int]) -> None:
        self.position = position
        self._cell_yx = cell_yx
        self._shape_yx = height, width = metadata.shape_yx
        self._samples, self._dtype = metadata.samples, metadata.dtype
        self._n_planes = metadata.n_planes
        self.n_missing = height * width
        self._open: dict[tuple[int, int], _Cell] = {}
        self._is_done = np.zeros((-(-height // cell_yx[0]), -(-width // cell_yx[1])), bool)

    def take(self, block: Block, pixels: NDArray[Any]) -> Iterator[PaintedBlock]:
        """Take a block in, and give away the cells that it completes."""
        self._check(block, pixels)
        self.n_missing -= block.shape_yx[0] * block.shape_yx[1]
        tall, wide = self._cell_yx
        columns = range(block.columns.start // wide, -(-block.columns.stop // wide))
        for i in range(block.rows.start // tall, -(-block.rows.stop // tall)):
            for j in columns:
                done = self._put(i, j, block, pixels)
                if done is not None:
                    yield done
                    del done

    def check_complete(self) -> None:
        """Refuse a plane of which pixels are missing."""
        if self.n_missing:
            raise ValueError(
                f"the blocks end while {self.n_missing} pixels of plane {self.position} are missing"
            )

    def _put(self, i: int, j: int, block: Block, pixels: NDArray[Any]) -> PaintedBlock | None:
        cell = self._cell(i, j)
        rows, columns = _shared(cell.rows, block.rows), _shared(cell.columns, block.columns)
        part = pixels[_from(block.rows.start, rows), _from(block.columns.start, columns)]
        held = self._open.get((i, j))
        if self._is_done[i, j] or (held is not None and part.shape[:2] == cell.shape_yx):
            raise ValueError("two blocks overlap")
        if part.shape[:2] == cell.shape_yx:
            self._is_done[i, j] = True
            return cell, part
        if held is None:
            held = _Cell((*cell.shape_yx, self._samples), self._dtype)
            self._open[i, j] = held
        held.put(_from(cell.rows.start, rows), _from(cell.columns.start, columns), part)
        if held.n_missing:
            return None
        self._is_done[i, j] = True
        return cell, self._open.pop((i, j)).pixels

    def _cell(self, i: int, j: int) -> Block:
        height, width = self._shape_yx
        tall, wide = self._cell_yx
        rows = slice(i * tall, min((i + 1) * tall, height))
        return Block(self.position, rows, slice(j * wide, min((j + 1) * wide, width)))

    def _check(self, block: Block, pixels: NDArray[Any]) -> None:
        if self.position >= self._n_planes:
            raise ValueError(f"there are more blocks than the {self._n_planes} planes hold")
        if block.plane != self.position:
            raise ValueError(
                f"a block of plane {block.plane} comes while {self.n_missing} pixels of plane "
                f"{self.position} are missing"
            )
        for span, size in zip((block.rows, block.columns), self._shape_yx, strict=True):
            if span.step not in (None, 1) or not 0 <= span.start < span.stop <= size:
                raise ValueError(f"{span.start}:{span.stop} of {size} pixels is no part of a plane")
        shape = (*block.shape_yx, self._samples)
        if pixels.shape != shape or pixels.dtype != self._dtype:
            raise ValueError(
                f"pixels of shape {pixels.shape} and type {pixels.dtype} do not fit a block of "
                f"shape {shape} and type {self._dtype}"
            )


def _shared(one: slice, other: slice) -> slice:
    return slice(max(one.start, other.start), min(one.stop, other.stop))


def _from(start: int, span: slice) -> slice:
    """Count a span from another start."""
    return slice(span.start - start, span.stop - start)
