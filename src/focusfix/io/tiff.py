"""The adapter to tifffile: the only module that knows its calls and their two generations."""

import inspect
import logging
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from focusfix.errors import InputError
from focusfix.io.tiff_layout import Decoder, StoredPage, StoredSeries, StoredTags

# tifffile reports damaged files through its logger, which would print to the user's terminal;
# what it says while a file is opened is collected instead, see `_messages`.
_LOGGER = logging.getLogger("tifffile")
_LOGGER.addHandler(logging.NullHandler())

_UNCONVERTED_YCBCR = "its colours are stored as YCbCr without JPEG compression"
_PHOTOMETRICS = {0: "miniswhite", 1: "minisblack", 2: "rgb", 3: "palette", 6: "rgb"}
# What tifffile raises on files whose structure is broken.
_DAMAGE = (tifffile.TiffFileError, struct.error, ValueError, IndexError, KeyError, TypeError)
_JPEG_CODES = (6, 7, 33007)


def read_layout(path: Path) -> tuple[StoredSeries, StoredTags]:
    """Read where the first image of a TIFF file lies and what is said of it.

    Parameters
    ----------
    path : Path
        TIFF or BigTIFF file.

    Returns
    -------
    tuple of StoredSeries and StoredTags
        Layout and description of the image of highest resolution.

    Raises
    ------
    InputError
        If the structure of the file is damaged or outside what can be read.
    """
    try:
        with _messages() as messages, tifffile.TiffFile(path) as tif:
            layout = _first_layout(path, tif, messages)
        if layout is None:  # parts in other files
            with _messages() as messages, tifffile.TiffFile(path, is_ome=False) as tif:
                messages.append(
                    "the OME metadata describes a data set of several files; only the planes in "
                    "this file are read, as a plain TIFF"
                )
                layout = _first_layout(path, tif, messages)
    except _DAMAGE as error:
        raise _damaged(path, str(error)) from error
    except NotImplementedError as error:
        raise _unsupported(path, str(error)) from error
    if layout is None:
        raise _damaged(path, "planes are missing")
    return layout


def _first_layout(
    path: Path, tif: Any, messages: list[str]
) -> tuple[StoredSeries, StoredTags] | None:
    if not tif.series or 0 in tif.series[0].shape:
        raise InputError(
            f"{path} holds no pixels.", "Copy or export the image again, it was not saved whole."
        )
    series = tif.series[0]
    if tif.is_imagej and series.kind in ("uniform", "generic"):
        raise _damaged(path, "it holds fewer planes than its ImageJ metadata announces")
    if series.transform is not None:
        raise _unsupported(path, f"its {series.kind} variant stores pixels in coded form")
    pages = _pages_of(series)
    if any(page is None for page in pages):
        return None
    if any(Path(page.parent.filehandle.path) != Path(tif.filehandle.path) for page in pages):
        return None
    keyframe = series.keyframe
    stored = StoredSeries(
        kind=series.kind,
        axes=series.axes,
        shape=tuple(series.shape),
        dtype=np.dtype(series.dtype).newbyteorder(tif.byteorder),
        page_shape=tuple(keyframe.shaped),
        segment_shape=_segment_shape(keyframe),
        pages=tuple(
            StoredPage(tuple(page.dataoffsets), tuple(page.databytecounts), page.jpegtables)
            for page in pages
        ),
        data_offset=series.dataoffset,
        decode=_decoder(keyframe),
        compression=_compression_name(keyframe),
        photometric=_photometric(path, keyframe),
    )
    return stored, _tags_of(tif, keyframe, messages)


def _pages_of(series: Any) -> list[Any]:
    """List the pages; the first alone where the others are only implied by contiguous pixels."""
    if series.dataoffset is not None:
        return [series[0]]
    return list(series)


def _segment_shape(keyframe: Any) -> tuple[int, int, int]:
    _, _, length, width, _ = keyframe.shaped
    if keyframe.is_tiled:
        return max(int(keyframe.tiledepth), 1), int(keyframe.tilelength), int(keyframe.tilewidth)
    return 1, min(int(keyframe.rowsperstrip), length) or length, width


def _decoder(keyframe: Any) -> Decoder:
    decode = keyframe.decode

    def decode_segment(
        data: bytes | None, index: int, jpegtables: bytes | None
    ) -> np.ndarray | None:
        tables = {} if jpegtables is None else {"jpegtables": jpegtables}
        segment: np.ndarray | None = decode(data, index, **tables)[0]
        return segment

    return decode_segment


def _compression_name(keyframe: Any) -> str | None:
    code = int(keyframe.compression)
    if code == 1:
        return None
    if code in (8, 32946):
        return "deflate"
    try:
        return str(tifffile.COMPRESSION(code).name).lower()
    except ValueError:
        return f"code {code}"


def _photometric(path: Path, keyframe: Any) -> str:
    code = int(keyframe.photometric)
    if code == 6 and int(keyframe.compression) not in _JPEG_CODES:
        raise _unsupported(path, _UNCONVERTED_YCBCR)
    if code not in _PHOTOMETRICS:
        name = getattr(keyframe.photometric, "name", code)
        raise _unsupported(path, f"its samples are of the colour model {name}")
    return _PHOTOMETRICS[code]


def _tags_of(tif: Any, keyframe: Any, messages: list[str]) -> StoredTags:
    first = tif.pages[0]
    x, y, unit = (keyframe.tags.valueof(code) for code in (282, 283, 296))
    unit = 2 if unit is None else int(unit)  # inch, unless the file says otherwise
    bits = keyframe.bitspersample
    return StoredTags(
        resolution=None if x is None or y is None else (tuple(x), tuple(y), unit),
        description=first.description or None,
        imagej=dict(tif.imagej_metadata or {}) if tif.is_imagej else {},
        shaped=dict(tif.shaped_metadata[0]) if tif.shaped_metadata else {},
        ome_xml=tif.ome_metadata if tif.is_ome else None,
        bits_per_sample=int(bits if isinstance(bits, int) else bits[0]),
        colormap=keyframe.colormap,
        n_series=len(tif.series),
        messages=tuple(messages),
    )


@contextmanager
def _messages() -> Iterator[list[str]]:
    """Collect what tifffile logs as warning or error."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    collector = Collector(logging.WARNING)
    _LOGGER.addHandler(collector)
    try:
        yield found
    finally:
        _LOGGER.removeHandler(collector)


def open_writer(path: Path, kind: str, *, bigtiff: bool) -> Any:
    """Open a ``tifffile.TiffWriter`` for one kind of file in either generation of its interface.

    Parameters
    ----------
    path : Path
        File to create.
    kind : str
        "imagej", "ome" or "plain".
    bigtiff : bool
        Whether offsets take 64 bits.

    Returns
    -------
    tifffile.TiffWriter
        Writer, to be used as a context manager.
    """
    if "kind" in inspect.signature(tifffile.TiffWriter.__init__).parameters:
        newer = "generic" if kind == "plain" else kind
        return tifffile.TiffWriter(path, bigtiff=bigtiff, kind=newer)
    return tifffile.TiffWriter(
        path, bigtiff=bigtiff, imagej=kind == "imagej", ome=kind == "ome", shaped=False
    )


def sort_tiles(path: Path, places: Sequence[NDArray[np.uint32]]) -> None:
    """Say in a file whose tiles were written in any order which of them is which.

    Parameters
    ----------
    path : Path
        TIFF or BigTIFF file, complete but for this.
    places : sequence of ndarray of int
        For each page from the first on, the position of each tile in the page, in the order in
        which they were written.
    """
    if all((order[1:] > order[:-1]).all() for order in places):
        return
    with tifffile.TiffFile(path, mode="r+") as tif:
        for page, order in zip(tif.pages, places, strict=True):
            for name in ("TileOffsets", "TileByteCounts"):
                tag = page.tags[name]
                values = np.empty(len(order), np.uint64)
                values[order] = tag.value
                tag.overwrite(values.tolist())


def _damaged(path: Path, cause: str) -> InputError:
    return InputError(
        f"{path} is damaged or incomplete: {cause.rstrip('.')}.",
        "Copy it again from where it was recorded.",
    )


def _unsupported(path: Path, cause: str) -> InputError:
    return InputError(
        f"{path} cannot be used: {cause.rstrip('.')}.",
        "Open it in Fiji and save it as an uncompressed grey or RGB TIFF.",
    )
