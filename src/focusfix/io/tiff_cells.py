"""The strips and tiles of a TIFF file, cut from blocks of any size and order."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focusfix.blocks import PaintedBlock
from focusfix.io.cells import gather_cells
from focusfix.io.metadata import ImageMetadata

# Strips of wide images have a row or two. So many rows at least are gathered at once; pixels.
_LEAST_ROWS = 16


def cut_strips(
    blocks: Iterable[PaintedBlock], metadata: ImageMetadata, strip_rows: int
) -> Iterator[NDArray[Any]]:
    """Cut blocks into strips, in the order in which they lie in the image.

    Parameters
    ----------
    blocks : iterable of (Block, ndarray of shape (rows, columns, S))
        Pixels of the image; see ``gather_cells``. Strips that come too early are held, so little
        memory is needed where the blocks come row by row.
    metadata : ImageMetadata
        Shape and pixel type expected.
    strip_rows : int
        Rows of a strip; the last of a plane may have fewer.

    Yields
    ------
    ndarray, shape (rows, X, S)
        Strips, plane after plane.

    Raises
    ------
    ValueError
        If the blocks do not make up the image.
    """
    height, width = metadata.shape_yx
    step = strip_rows * -(-_LEAST_ROWS // strip_rows)
    early: dict[int, NDArray[Any]] = {}
    row = 0
    for block, pixels in gather_cells(blocks, metadata, (step, width)):
        early[block.rows.start] = pixels
        del pixels
        while row in early:
            ready = early.pop(row)
            row = (row + len(ready)) % height
            for top in range(0, len(ready), strip_rows):
                yield ready[top : top + strip_rows]
            del ready


def cut_tiles(
    blocks: Iterable[PaintedBlock],
    metadata: ImageMetadata,
    tile_px: int,
    places: list[NDArray[np.uint32]],
) -> Iterator[NDArray[Any]]:
    """Cut blocks into tiles, in the order in which they are complete.

    Parameters
    ----------
    blocks : iterable of (Block, ndarray of shape (rows, columns, S))
        Pixels of the image; see ``gather_cells``.
    metadata : ImageMetadata
        Shape and pixel type expected.
    tile_px : int
        Side of a tile.
    places : list of ndarray
        Filled in on the way: for each plane, which tile of it each one was, in the order of the
        file, counted along the rows from the upper left.

    Yields
    ------
    ndarray, shape (tile_px, tile_px, S)
        Tiles, plane after plane; those that reach beyond the image are filled up with 0.

    Raises
    ------
    ValueError
        If the blocks do not make up the image.
    """
    across, down = (-(-size // tile_px) for size in reversed(metadata.shape_yx))
    for number, (block, pixels) in enumerate(gather_cells(blocks, metadata, (tile_px, tile_px))):
        turn = number % (across * down)
        if turn == 0:
            places.append(np.empty(across * down, np.uint32))
        row, column = block.rows.start // tile_px, block.columns.start // tile_px
        places[-1][turn] = row * across + column
        yield _fill_up(pixels, tile_px)
        del pixels


def _fill_up(pixels: NDArray[Any], tile_px: int) -> NDArray[Any]:
    if pixels.shape[:2] == (tile_px, tile_px):
        return pixels
    tile = np.zeros((tile_px, tile_px, pixels.shape[2]), pixels.dtype)
    tile[: pixels.shape[0], : pixels.shape[1]] = pixels
    return tile
