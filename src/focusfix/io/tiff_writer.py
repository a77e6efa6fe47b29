"""Write TIFF images from row bands: ImageJ, OME or plain, with flat memory."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from focusfix.io.atomic import partial_file
from focusfix.io.metadata import ImageMetadata
from focusfix.io.strips import cut_strips
from focusfix.io.tiff import open_writer
from focusfix.io.tiff_plan import plan_tiff
from focusfix.io.tiff_tags import writer_tags


def write_tiff(
    path: Path,
    metadata: ImageMetadata,
    bands: Iterable[np.ndarray],
    *,
    compression: str = "auto",
    bigtiff_bytes: int | None = None,
) -> tuple[str, ...]:
    """Write a TIFF file from row bands and move it into place; see ``write_image``.

    Parameters
    ----------
    path : Path
        File to write; replaced if it exists.
    metadata : ImageMetadata
        The image.
    bands : iterable of numpy.ndarray, shape (rows, X, S)
        Rows of each plane in turn.
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
        If the bands do not make up the image.
    """
    plan = plan_tiff(path, metadata, compression=compression, bigtiff_bytes=bigtiff_bytes)
    strips = cut_strips(bands, metadata, plan.chunk_rows)
    with partial_file(path) as partial:
        writer = open_writer(partial, plan.kind, bigtiff=plan.bigtiff)
        try:
            writer.write(
                # Unlike a generator, a map is not closed by the writer, so its end can be checked.
                map(strip_encoder(metadata, plan.compression), strips),
                shape=_stored_shape(metadata, plan.kind),
                dtype=metadata.dtype,
                rowsperstrip=plan.strip_rows,
                software="focusfix",
                **_layout_words(metadata, plan.compression),
                **writer_tags(metadata, plan.kind),
            )
            _check_end(strips)
            writer.close()
        finally:
            writer.filehandle.close()
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


def strip_encoder(metadata: ImageMetadata, compression: str) -> Callable[[np.ndarray], bytes]:
    """Return the function that turns strips into the bytes of the file.

    Parameters
    ----------
    metadata : ImageMetadata
        Pixel type and samples of the strips.
    compression : str
        "none", "lzw", "deflate" or "zstd".

    Returns
    -------
    callable
        Takes a strip of shape (rows, X, S) and returns its bytes.
    """
    if compression == "none":
        return lambda strip: strip.tobytes()
    encode = {
        "lzw": imagecodecs.lzw_encode,
        "deflate": imagecodecs.zlib_encode,
        "zstd": imagecodecs.zstd_encode,
    }[compression]

    differs = _differs(metadata, compression)

    def encode_strip(strip: np.ndarray) -> bytes:
        coded = imagecodecs.delta_encode(strip, axis=-2) if differs else strip
        return bytes(encode(coded.tobytes()))

    return encode_strip


def _check_end(strips: Iterator[np.ndarray]) -> None:
    """Let the source of the strips notice that nothing may follow."""
    for _ in strips:
        raise ValueError("there are more strips than the file has room for")
