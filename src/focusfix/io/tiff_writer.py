"""Write TIFF images from blocks: ImageJ, OME or plain, with flat memory."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from focusfix.blocks import PaintedBlock
from focusfix.io.atomic import partial_file
from focusfix.io.metadata import ImageMetadata
from focusfix.io.tiff import open_writer, sort_tiles
from focusfix.io.tiff_cells import cut_strips, cut_tiles
from focusfix.io.tiff_plan import plan_tiff
from focusfix.io.tiff_tags import writer_tags


def write_tiff(
    path: Path,
    metadata: ImageMetadata,
    blocks: Iterable[PaintedBlock],
    *,
    compression: str = "auto",
    bigtiff_bytes: int | None = None,
) -> tuple[str, ...]:
    """Write a TIFF file from blocks and move it into place; see ``write_image``.

    Parameters
    ----------
    path : Path
        File to write; replaced if it exists.
    metadata : ImageMetadata
        The image.
    blocks : iterable of (Block, ndarray of shape (rows, columns, S))
        Pixels of each plane in turn.
    compression : str
        One of ``COMPRESSIONS``.
    bigtiff_bytes : int, optional
        Size of the pixels above which BigTIFF is written; bytes.

    Returns
    -------
    tuple of str
        Notes of the plan.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written to.
    ValueError
        If the blocks do not make up the image.
    """
    plan = plan_tiff(path, metadata, compression=compression, bigtiff_bytes=bigtiff_bytes)
    places: list[NDArray[np.uint32]] = []
    if plan.tile_px is None:
        segments = cut_strips(blocks, metadata, plan.chunk_rows)
        cut: dict[str, Any] = {"rowsperstrip": plan.strip_rows}
    else:
        segments = cut_tiles(blocks, metadata, plan.tile_px, places)
        cut = {"tile": (plan.tile_px, plan.tile_px)}
    with partial_file(path) as partial:
        writer = open_writer(partial, plan.kind, bigtiff=plan.bigtiff)
        try:
            writer.write(
                # Unlike a generator, a map is not closed by the writer, so its end can be checked.
                map(segment_encoder(metadata, plan.compression), segments),
                shape=_stored_shape(metadata, plan.kind),
                dtype=metadata.dtype,
                software="focusfix",
                **cut,
                **_layout_words(metadata, plan.compression),
                **writer_tags(metadata, plan.kind),
            )
            _check_end(segments)
            writer.close()
        finally:
            writer.filehandle.close()
        sort_tiles(partial, places)
    return plan.notes


def _stored_shape(metadata: ImageMetadata, kind: str) -> tuple[int, ...]:
    """Give grey ImageJ images the axis S, without which tifffile drops an X of size 1."""
    grey = metadata.shape[: len(metadata.plane_axes) + 2]
    if metadata.samples > 1:
        return metadata.shape
    return (*grey, 1) if kind == "imagej" else grey


def _layout_words(metadata: ImageMetadata, compression: str) -> dict[str, Any]:
    words: dict[str, Any] = {"photometric": metadata.photometric}
    if metadata.samples > 1:
        words |= {"photometric": "rgb", "planarconfig": "contig"}
    elif metadata.photometric == "rgb":
        words["photometric"] = "minisblack"
    if compression != "none":
        words["compression"] = compression
        words["predictor"] = 2 if _differs(metadata, compression) else None
    return words


def _differs(metadata: ImageMetadata, compression: str) -> bool:
    """Whether neighbouring pixels are subtracted before compression.

    ImageJ adds them up again for LZW only, on 8 and 16 bits of grey and on 8 bits of colour.
    """
    most = 1 if metadata.samples > 1 else 2
    dtype = metadata.dtype
    return compression == "lzw" and dtype.kind in "iu" and dtype.itemsize <= most


def segment_encoder(metadata: ImageMetadata, compression: str) -> Callable[[NDArray[Any]], bytes]:
    """Return the function that turns strips or tiles into the bytes of the file.

    Parameters
    ----------
    metadata : ImageMetadata
        Pixel type and samples.
    compression : str
        "none", "lzw", "deflate" or "zstd".

    Returns
    -------
    callable
        Takes a strip or tile of shape (rows, columns, S) and returns its bytes.
    """
    if compression == "none":
        return lambda segment: segment.tobytes()
    encode: Callable[[Any], Any] = {
        "lzw": imagecodecs.lzw_encode,
        "deflate": imagecodecs.zlib_encode,
        "zstd": imagecodecs.zstd_encode,
    }[compression]
    differs = _differs(metadata, compression)

    def encode_segment(segment: NDArray[Any]) -> bytes:
        coded = imagecodecs.delta_encode(segment, axis=-2) if differs else segment
        return bytes(encode(np.ascontiguousarray(coded)))

    return encode_segment


def _check_end(segments: Iterator[NDArray[Any]]) -> None:
    """Let the source of the segments notice that nothing may follow."""
    for _ in segments:
        raise ValueError("there are more strips or tiles than the file has room for")
