"""Write TIFF images from row bands: ImageJ, OME or plain, with flat memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from focusfix.io.atomic import partial_file
from focusfix.io.image import ImageMetadata
from focusfix.io.tiff import open_writer
from focusfix.io.tiff_tags import writer_tags

# Classic TIFF addresses 4 GiB; the page directories need some of it; bytes.
_BIGTIFF_BYTES = 2**32 - 2**25
_STRIP_BYTES = 2**18

_IMAGEJ_TYPES = ("uint8", "uint16", "int16", "float32")
_OME_TYPES = ("uint8", "uint16", "int16", "uint32", "float32", "float64")
_LOSSLESS = ("lzw", "deflate", "zstd")
COMPRESSIONS = ("auto", "none", *_LOSSLESS)


@dataclass(frozen=True)
class TiffPlan:
    """How an image will lie in the TIFF file.

    Parameters
    ----------
    kind : str
        "imagej", "ome", "shaped" (plain, axes as JSON in the description) or "generic" (plain).
    bigtiff : bool
        Whether offsets take 64 bits.
    compression : str
        "none", "lzw", "deflate" or "zstd".
    strip_rows : int
        Rows of a strip; pixels.
    notes : tuple of str
        What the user should know, such as a change of format.
    """

    kind: str
    bigtiff: bool
    compression: str
    strip_rows: int
    notes: tuple[str, ...]


def plan_tiff(
    path: Path,
    metadata: ImageMetadata,
    *,
    compression: str = "auto",
    bigtiff_bytes: int | None = None,
) -> TiffPlan:
    """Choose the format of a TIFF file that can hold an image and opens in Fiji.

    Parameters
    ----------
    path : Path
        File to write; a name that ends with ``.ome.tif`` asks for OME-TIFF.
    metadata : ImageMetadata
        The image.
    compression : str
        One of ``COMPRESSIONS``.
    bigtiff_bytes : int, optional
        Size of the pixels above which BigTIFF is written; bytes.

    Returns
    -------
    TiffPlan
        Format, compression and strips.

    Notes
    -----
    ImageJ reads an uncompressed stack as one run after the first plane, so the planes of an
    ImageJ file are single strips; and it undoes differencing for LZW on 8- and 16-bit integers
    only, so no other combination is written.
    """
    if compression not in COMPRESSIONS:
        raise ValueError(f"compression {compression!r} is not one of {COMPRESSIONS}")
    notes: list[str] = []
    bigtiff = metadata.nbytes > (_BIGTIFF_BYTES if bigtiff_bytes is None else bigtiff_bytes)
    kind = _choose_kind(path, metadata, bigtiff, notes)
    chosen = _choose_compression(metadata, compression, kind, notes)
    if bigtiff and kind != "imagej":
        notes.append("the output is a BigTIFF, because it is larger than 4 GB")
    height, width = metadata.shape_yx
    row_bytes = width * metadata.samples * metadata.dtype.itemsize
    strip_rows = min(height, max(1, _STRIP_BYTES // row_bytes))
    if chosen == "none" and (kind == "imagej" or metadata.n_planes > 1):
        strip_rows = height
    return TiffPlan(kind, bigtiff, chosen, strip_rows, tuple(notes))


def _choose_kind(path: Path, metadata: ImageMetadata, bigtiff: bool, notes: list[str]) -> str:
    wanted = "ome" if ".ome." in path.name.lower() else metadata.format
    if wanted == "imagej":
        reason = _why_not_imagej(metadata, bigtiff)
        if reason is None:
            return "imagej"
        wanted = "ome"
        if _why_not_ome(metadata) is None:
            notes.append(f"the output is OME-TIFF, because ImageJ TIFF does not hold {reason}")
    if wanted == "ome":
        reason = _why_not_ome(metadata)
        if reason is None:
            return "ome"
        notes.append(f"the output is plain TIFF, because OME-TIFF does not hold {reason}")
    known = set(metadata.plane_axes) <= set("TZC")
    return "shaped" if metadata.plane_axes and known else "generic"


def _why_not_imagej(metadata: ImageMetadata, bigtiff: bool) -> str | None:
    if bigtiff:
        return "more than 4 GB"
    if metadata.dtype.name not in _IMAGEJ_TYPES:
        return f"pixels of type {metadata.dtype.name}"
    if metadata.samples > 1 and metadata.dtype.name != "uint8":
        return f"RGB of type {metadata.dtype.name}"
    places = ["TZC".find(letter) for letter in metadata.plane_axes]
    if -1 in places or places != sorted(set(places)):
        return f"axes {metadata.axes}"
    return None


def _why_not_ome(metadata: ImageMetadata) -> str | None:
    if metadata.dtype.name not in _OME_TYPES:
        return f"pixels of type {metadata.dtype.name}"
    letters = metadata.plane_axes
    if not set(letters) <= set("TZC") or len(set(letters)) != len(letters):
        return f"axes {metadata.axes}"
    return None


def _choose_compression(metadata: ImageMetadata, wanted: str, kind: str, notes: list[str]) -> str:
    if wanted == "none" or (wanted == "auto" and metadata.compression is None):
        return "none"
    chosen = wanted
    if wanted == "auto":
        stored = str(metadata.compression)
        chosen = stored if stored in _LOSSLESS else "deflate"
        if metadata.dtype.name not in _IMAGEJ_TYPES:
            notes.append(
                f"the output is not compressed, because Fiji reads {metadata.dtype.name} only so"
            )
            return "none"
    if chosen == "zstd" and kind == "imagej":
        chosen = "deflate"
    if wanted == "auto" and chosen != metadata.compression:
        notes.append(f"the compression {metadata.compression} becomes {chosen}, without loss")
    return chosen


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
    shape = (
        metadata.shape if "S" not in metadata.axes or metadata.samples > 1 else metadata.shape[:-1]
    )
    strips = encode_strips(cut_strips(bands, metadata, plan.strip_rows), plan.compression)
    with partial_file(path) as partial:
        writer = open_writer(partial, plan.kind, bigtiff=plan.bigtiff)
        try:
            writer.write(
                strips,
                shape=shape,
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


def _layout_words(metadata: ImageMetadata, compression: str) -> dict[str, Any]:
    words: dict[str, Any] = {"photometric": metadata.photometric}
    if metadata.samples > 1:
        words |= {"photometric": "rgb", "planarconfig": "contig"}
    elif metadata.photometric == "rgb":
        words["photometric"] = "minisblack"
    if compression != "none":
        words["compression"] = compression
        words["predictor"] = 2 if _differs(metadata.dtype, compression) else None
    return words


def _differs(dtype: np.dtype[Any], compression: str) -> bool:
    """Whether neighbouring pixels are subtracted before compression."""
    return compression == "lzw" and dtype.kind in "iu" and dtype.itemsize <= 2


def cut_strips(
    bands: Iterable[np.ndarray], metadata: ImageMetadata, strip_rows: int
) -> Iterator[np.ndarray]:
    """Cut bands of any height into the strips of a file.

    Parameters
    ----------
    bands : iterable of numpy.ndarray, shape (rows, X, S)
        Rows of each plane in turn; a band lies within one plane.
    metadata : ImageMetadata
        Shape and pixel type expected.
    strip_rows : int
        Rows of a strip; the last of a plane may have fewer.

    Yields
    ------
    numpy.ndarray, shape (rows, X, S)
        Strips, contiguous, in native byte order.

    Raises
    ------
    ValueError
        If the bands do not make up the image.
    """
    height, width = metadata.shape_yx
    row_shape = (width, metadata.samples)
    source = iter(bands)
    rest: list[np.ndarray] = []
    for plane in range(metadata.n_planes):
        done = 0
        held = 0
        while done < height:
            need = min(strip_rows, height - done)
            while held < need:
                band = next(source, None)
                if band is None:
                    raise ValueError(f"the bands end in plane {plane} at row {done + held}")
                if band.shape[1:] != row_shape or band.dtype != metadata.dtype:
                    raise ValueError(
                        f"a band of shape {band.shape} and type {band.dtype} does not fit rows of "
                        f"shape {row_shape} and type {metadata.dtype}"
                    )
                rest.append(band)
                held += len(band)
            if done + held > height:
                raise ValueError(f"a band goes beyond the last row of plane {plane}")
            joined = rest[0] if len(rest) == 1 else np.concatenate(rest)
            yield np.ascontiguousarray(joined[:need])
            rest = [joined[need:]] if held > need else []
            held -= need
            done += need
    if next(source, None) is not None:
        raise ValueError("there are more bands than the image has rows")


def encode_strips(strips: Iterator[np.ndarray], compression: str) -> Iterator[bytes]:
    """Turn strips into the bytes of the file.

    Parameters
    ----------
    strips : iterator of numpy.ndarray, shape (rows, X, S)
        Pixels in native byte order.
    compression : str
        "none", "lzw", "deflate" or "zstd".

    Yields
    ------
    bytes
        Encoded strips.
    """
    import imagecodecs

    encoders = {
        "lzw": imagecodecs.lzw_encode,
        "deflate": imagecodecs.zlib_encode,
        "zstd": imagecodecs.zstd_encode,
    }
    for strip in strips:
        if compression == "none":
            yield strip.tobytes()
            continue
        if _differs(strip.dtype, compression):
            strip = imagecodecs.delta_encode(strip, axis=-2)
        yield encoders[compression](np.ascontiguousarray(strip).tobytes())


def _check_end(strips: Iterator[bytes]) -> None:
    """Let the source of the strips notice that nothing may follow."""
    for _ in strips:
        raise ValueError("there are more strips than the file has room for")
