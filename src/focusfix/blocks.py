"""Rectangles of an image: what travels from whoever makes pixels to whoever writes them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Block:
    """A rectangle of one plane.

    Parameters
    ----------
    plane : int
        Position of the plane in the image.
    rows, columns : slice
        Where it lies, from start to stop in steps of 1; pixels.
    """

    plane: int
    rows: slice
    columns: slice

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Height and width; pixels."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


PaintedBlock = tuple[Block, "NDArray[Any]"]
"""A block and its pixels, of shape (rows, columns, samples)."""


def bands_as_blocks(
    bands: "Iterable[NDArray[Any]]", shape_yx: tuple[int, int]
) -> Iterator[PaintedBlock]:
    """Say of rows of pixels where in the image they lie.

    Parameters
    ----------
    bands : iterable of ndarray, shape (rows, X, samples)
        Rows over the full width, from the top of each plane to its bottom, plane after plane.
    shape_yx : tuple of int
        Height and width of a plane; pixels.

    Yields
    ------
    Block, ndarray of shape (rows, X, samples)
        The same pixels, in the same order.
    """
    height, width = shape_yx
    plane, row = 0, 0
    for band in bands:
        yield Block(plane, slice(row, row + len(band)), slice(0, width)), band
        row += len(band)
        if row >= height:
            plane, row = plane + 1, 0


def assemble_blocks(blocks: "Iterable[PaintedBlock]", shape_yx: tuple[int, int]) -> "NDArray[Any]":
    """Put an image together in memory.

    Parameters
    ----------
    blocks : iterable of (Block, ndarray of shape (rows, columns, samples))
        Together they hold every pixel of each plane once, plane after plane.
    shape_yx : tuple of int
        Height and width of a plane; pixels.

    Returns
    -------
    ndarray, shape (planes, Y, X, samples)
        Planes in the order in which they came.

    Raises
    ------
    ValueError
        If there is no block, or pixels are missing.
    """
    import numpy as np

    planes: list[NDArray[Any]] = []
    n_missing = 0
    for block, pixels in blocks:
        if not n_missing:
            planes.append(np.empty((*shape_yx, pixels.shape[2]), pixels.dtype))
            n_missing = shape_yx[0] * shape_yx[1]
        planes[-1][block.rows, block.columns] = pixels
        n_missing -= pixels.shape[0] * pixels.shape[1]
    if n_missing or not planes:
        raise ValueError(f"{n_missing} pixels of plane {len(planes)} are missing")
    return np.stack(planes)
