"""Which kind of TIFF can hold an image and opens in Fiji."""

from dataclasses import dataclass
from pathlib import Path

from focusfix.io.metadata import ImageMetadata

# Classic TIFF addresses 4 GiB; the page directories need some of it; bytes.
_BIGTIFF_BYTES = 2**32 - 2**25
_STRIP_BYTES = 2**18
_TILE_PX = 256

# Above this width, memory for the strips of a row of tiles begins to count; pixels.
_WIDE_PX = 8192

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
        "imagej", "ome" or "plain".
    bigtiff : bool
        Whether offsets take 64 bits.
    compression : str
        "none", "lzw", "deflate" or "zstd".
    strip_rows : int
        Rows of a strip; pixels.
    chunk_rows : int
        Rows handed to the file at a time, which is less than an uncompressed strip; pixels.
    tile_px : int, optional
        Side of the tiles that planes are cut into in place of strips; pixels.
    notes : tuple of str
        What the user should know, such as a change of format.
    """

    kind: str
    bigtiff: bool
    compression: str
    strip_rows: int
    chunk_rows: int
    tile_px: int | None
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
    only, so no other combination is written. It opens no tiles either. Other files become tiled
    where the input is, and where planes are so wide that strips would need much memory.
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
    chunk_rows = min(height, max(1, _STRIP_BYTES // row_bytes))
    one_strip = chosen == "none" and (kind == "imagej" or metadata.n_planes > 1)
    strip_rows = height if one_strip else chunk_rows
    tile_px = _TILE_PX if kind != "imagej" and _wants_tiles(metadata, bigtiff) else None
    return TiffPlan(kind, bigtiff, chosen, strip_rows, chunk_rows, tile_px, tuple(notes))


def _wants_tiles(metadata: ImageMetadata, bigtiff: bool) -> bool:
    width = metadata.shape_yx[1]
    if metadata.tiled:
        return width > _TILE_PX
    return width > _WIDE_PX and (bigtiff or metadata.format == "ome-zarr")


def _choose_kind(path: Path, metadata: ImageMetadata, bigtiff: bool, notes: list[str]) -> str:
    asked = ".ome." in path.name.lower() or metadata.format == "ome-zarr"
    wanted = "ome" if asked else metadata.format
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
    return "plain"


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
    if wanted == "auto":
        reason = _why_not_compressed(metadata)
        if reason is not None:
            notes.append(f"the output is not compressed, because Fiji misreads compressed {reason}")
            return "none"
    stored = metadata.compression if wanted == "auto" else wanted
    chosen = stored if stored in _LOSSLESS else "deflate"
    if chosen == "zstd" and kind == "imagej":
        chosen = "deflate"
    if chosen != stored:
        notes.append(f"the compression {stored} becomes {chosen}, without loss")
    return chosen


def _why_not_compressed(metadata: ImageMetadata) -> str | None:
    if metadata.dtype.name in ("float16", "float64"):
        return f"pixels of type {metadata.dtype.name}"
    if metadata.samples > 1 and metadata.n_planes > 1 and metadata.dtype.itemsize > 1:
        return f"stacks of RGB of type {metadata.dtype.name}"
    return None
