"""Write OME-Zarr images: from one stream of blocks, or by several processes at once."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np

from focusfix.blocks import Block, PaintedBlock
from focusfix.errors import OutputError
from focusfix.io.atomic import output_error
from focusfix.io.atomic_folder import finish_folder, start_folder
from focusfix.io.cells import gather_cells
from focusfix.io.metadata import ImageMetadata
from focusfix.io.ngff_layout import NgffLayout, image_attributes, plan_layout
from focusfix.io.zarr_arrays import StoredArray, create_array
from focusfix.io.zarr_files import check_zarr_installed, write_group


@dataclass(frozen=True)
class ZarrOutput:
    """An OME-Zarr image on its way, which one process makes and others may write to.

    One process calls ``create``; any number of them, which receive this object (it can be
    pickled) and see the same disk, call ``write_block`` for every block of ``blocks``, in any
    order and at the same time, and again if one of them was lost; when all are written, one
    process calls ``finish``. Until then the image has no name of its own.

    Parameters
    ----------
    target : Path
        Final name of the folder.
    partial : Path
        Folder that is written into.
    layout : NgffLayout
        Where planes lie in the arrays.
    """

    target: Path
    partial: Path
    layout: NgffLayout

    @classmethod
    def create(cls, target: Path, metadata: ImageMetadata) -> "ZarrOutput":
        """Make the unfinished folder, with the arrays of all levels and no pixels.

        Parameters
        ----------
        target : Path
            Final name; what has that name is replaced at the end.
        metadata : ImageMetadata
            The image; ``ngff_version`` is the version written.

        Returns
        -------
        ZarrOutput

        Raises
        ------
        OutputError
            If zarr is not installed, OME-Zarr does not have such axes, or the disk is full or the
            folder cannot be written to.
        """
        check_zarr_installed(target, OutputError)
        layout = plan_layout(target, metadata)
        output = cls(target, start_folder(target), layout)
        try:
            for level, shape in enumerate(layout.shapes):
                create_array(
                    output.partial / str(level),
                    zarr_format=layout.zarr_format,
                    shape=shape,
                    chunks=layout.chunks,
                    dtype=metadata.dtype,
                    axes=layout.names,
                )
        except BaseException as error:
            output.discard()
            if isinstance(error, OSError):
                raise output_error(target, error) from error
            raise
        return output

    @property
    def metadata(self) -> ImageMetadata:
        """The image."""
        return self.layout.metadata

    def blocks(self) -> Iterator[Block]:
        """List the blocks that make up the image, plane by plane, each of one chunk's size.

        Rectangles of several of them are blocks as well.
        """
        yield from self._level_blocks(0)

    def write_block(self, block: Block, pixels: np.ndarray) -> None:
        """Write a rectangle that does not share a chunk with another.

        Parameters
        ----------
        block : Block
            Where; it begins at a multiple of the chunk's sides, and ends at one or at the border.
        pixels : numpy.ndarray, shape (rows, columns, S)
            In the pixel type of the image.

        Raises
        ------
        ValueError
            If the block is not made of whole chunks, or the pixels do not fit it.
        OutputError
            If the disk is full or the folder cannot be written to.
        """
        metadata = self.metadata
        spans = zip(
            (block.rows, block.columns), self.layout.chunk_yx, metadata.shape_yx, strict=True
        )
        for span, side, size in spans:
            if span.start % side or (span.stop % side and span.stop != size) or span.stop > size:
                raise ValueError(f"{span.start}:{span.stop} of {size} pixels are no whole chunks")
        shape = (*block.shape_yx, metadata.samples)
        if pixels.shape != shape or pixels.dtype != metadata.dtype:
            raise ValueError(
                f"pixels of shape {pixels.shape} and type {pixels.dtype} do not fit a block of "
                f"shape {shape} and type {metadata.dtype}"
            )
        self._write(0, block, pixels)

    def finish(self) -> None:
        """Make the smaller levels, write the metadata, and move the image into place.

        Raises
        ------
        OutputError
            If the disk is full or the folder cannot be written to.
        """
        for level in range(1, len(self.layout.shapes)):
            for block in self._level_blocks(level):
                self._write(level, block, shrink(self._read(level - 1, _doubled(block))))
        try:
            attributes = image_attributes(self.layout, self._extremes())
            write_group(self.partial, self.layout.zarr_format, attributes)
        except OSError as error:
            raise output_error(self.target, error) from error
        finish_folder(self.partial, self.target)

    def discard(self) -> None:
        """Remove what is unfinished."""
        shutil.rmtree(self.partial, ignore_errors=True)

    @cached_property
    def _arrays(self) -> tuple[StoredArray, ...]:
        levels = range(len(self.layout.shapes))
        return tuple(StoredArray(self.partial / str(level), writable=True) for level in levels)

    def _level_blocks(self, level: int) -> Iterator[Block]:
        shape_yx, chunk_yx = self.layout.shapes[level][-2:], self.layout.chunk_yx
        rows, columns = (
            [slice(at, min(at + side, size)) for at in range(0, size, side)]
            for size, side in zip(shape_yx, chunk_yx, strict=True)
        )
        for plane, row, column in product(range(self.metadata.n_planes), rows, columns):
            yield Block(plane, row, column)

    def _write(self, level: int, block: Block, pixels: np.ndarray) -> None:
        region = self.layout.region(block.plane, block.rows, block.columns)
        stored = np.moveaxis(pixels, -1, 0) if self.layout.has_samples else pixels[..., 0]
        shape = tuple(part.stop - part.start for part in region)
        try:
            self._arrays[level].write(region, stored.reshape(shape))
        except OSError as error:
            raise output_error(self.target, error) from error

    def _read(self, level: int, block: Block) -> np.ndarray:
        """Read a rectangle, cut off at the border; shape (rows, columns, S)."""
        height, width = self.layout.shapes[level][-2:]
        rows = slice(block.rows.start, min(block.rows.stop, height))
        columns = slice(block.columns.start, min(block.columns.stop, width))
        pixels = self._arrays[level].read(self.layout.region(block.plane, rows, columns))
        shape_yx = (rows.stop - rows.start, columns.stop - columns.start)
        return np.moveaxis(pixels.reshape(-1, *shape_yx), 0, -1)

    def _extremes(self) -> list[tuple[float, float]] | None:
        """Find the darkest and brightest value of each channel in its middle plane, made small."""
        level = len(self.layout.shapes) - 1
        height, width = self.layout.shapes[level][-2:]
        found = []
        for channel in range(self.metadata.axis_size("C")):
            planes = [p.position for p in self.metadata.planes if p.channel == channel]
            middle = Block(planes[len(planes) // 2], slice(0, height), slice(0, width))
            pixels = self._read(level, middle).astype(np.float64)
            if not np.isfinite(pixels).all():
                return None
            found += [(float(p.min()), float(p.max())) for p in np.moveaxis(pixels, -1, 0)]
        return found


def write_zarr(
    path: Path, metadata: ImageMetadata, blocks: Iterable[PaintedBlock]
) -> tuple[str, ...]:
    """Write an OME-Zarr image from blocks and move it into place; see ``write_image``.

    Parameters
    ----------
    path : Path
        Folder to write; replaced if it exists.
    metadata : ImageMetadata
        The image.
    blocks : iterable of (Block, ndarray of shape (rows, columns, S))
        Pixels of each plane in turn.

    Returns
    -------
    tuple of str
        What OME-Zarr does not hold of the image.

    Raises
    ------
    OutputError
        If zarr is not installed, OME-Zarr does not have such axes, the disk is full or the folder
        cannot be written to.
    ValueError
        If the blocks do not make up the image.
    """
    output = ZarrOutput.create(path, metadata)
    try:
        for block, pixels in gather_cells(blocks, metadata, output.layout.chunk_yx):
            output.write_block(block, pixels)
            del pixels
        output.finish()
    except BaseException:
        output.discard()
        raise
    return _losses(metadata)


def shrink(pixels: np.ndarray) -> np.ndarray:
    """Average 2 x 2 pixels; at an odd border, those there are.

    Parameters
    ----------
    pixels : numpy.ndarray, shape (rows, columns, S)
        Any pixel type.

    Returns
    -------
    numpy.ndarray, shape (ceil(rows / 2), ceil(columns / 2), S)
        The same pixel type; whole numbers are rounded, halves to the even one.
    """
    whole_numbers = pixels.dtype.kind in "iu"
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    total = pixels[0::2, 0::2].astype(np.int64 if whole_numbers else np.float64)
    for row, column in ((0, 1), (1, 0), (1, 1)):
        total += pixels[row::2, column::2]
    means = total * 0.25
    if whole_numbers:
        np.rint(means, out=means)
    shrunk: np.ndarray = means.astype(pixels.dtype)
    return shrunk


def _doubled(block: Block) -> Block:
    rows, columns = (slice(2 * s.start, 2 * s.stop) for s in (block.rows, block.columns))
    return Block(block.plane, rows, columns)


def _losses(metadata: ImageMetadata) -> tuple[str, ...]:
    """Say what is known of the image and has no place in OME-Zarr."""
    if metadata.format != "ome":
        return ()
    lost = sorted({key for each in metadata.extras.get("channels", ()) for key in each} - {"Color"})
    if not lost:
        return ()
    return (f"OME-Zarr does not hold {', '.join(lost)} of the channels",)
