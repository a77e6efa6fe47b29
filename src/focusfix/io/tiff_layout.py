"""How an image lies in a TIFF file and what the tags say, free of any library's classes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Decoder = Callable[[bytes | None, int, bytes | None], np.ndarray | None]


@dataclass(frozen=True)
class StoredPage:
    """Where the segments of one TIFF page lie.

    Parameters
    ----------
    offsets, counts : tuple of int
        Position and length of each strip or tile in the file; bytes.
    jpegtables : bytes, optional
        Tables shared by the JPEG segments of the page.
    """

    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    jpegtables: bytes | None


@dataclass(frozen=True)
class StoredSeries:
    """How one image lies in a TIFF file, before any interpretation.

    Parameters
    ----------
    kind : str
        Convention that numbers the pages: "imagej", "ome", "shaped", "uniform", ...
    axes, shape : str, tuple of int
        Dimensions as the file states them, the slowest first.
    dtype : numpy.dtype
        Pixel type in the byte order of the file.
    page_shape : tuple of int
        Separate samples, depth, length, width and interleaved samples of each page.
    segment_shape : tuple of int
        Depth, length and width of a strip or tile.
    pages : tuple of StoredPage
        Pages in the order of the leading axes; one page if ``data_offset`` is given.
    data_offset : int, optional
        Where the pixels of all pages lie in one uncompressed run; bytes.
    decode : callable
        Turns the bytes of a segment into an array (depth, length, width, samples).
    compression : str, optional
        Name of the compression in lower case, None if there is none.
    photometric : str
        Meaning of the samples, as in ``ImageMetadata``.
    """

    kind: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    page_shape: tuple[int, int, int, int, int]
    segment_shape: tuple[int, int, int]
    pages: tuple[StoredPage, ...]
    data_offset: int | None
    decode: Decoder
    compression: str | None
    photometric: str

    @property
    def is_tiled(self) -> bool:
        """Whether segments are narrower than a page."""
        return self.segment_shape[2] < self.page_shape[3]


@dataclass(frozen=True)
class StoredTags:
    """What the tags of a TIFF file say beside the pixels.

    Parameters
    ----------
    resolution : tuple, optional
        X and Y resolution as (numerator, denominator), and the code of the unit.
    description : str, optional
        Text of the first page's ImageDescription.
    imagej : mapping
        ImageJ metadata; empty in other files.
    shaped : mapping
        What a plain TIFF by tifffile or focusfix says in JSON; empty in other files.
    ome_xml : str, optional
        OME-XML document of an OME-TIFF.
    bits_per_sample : int
        Bits of a sample as stored.
    colormap : numpy.ndarray, optional
        Palette of shape (3, entries), 16-bit.
    n_series : int
        Number of images in the file.
    messages : tuple of str
        What tifffile had to complain about.
    """

    resolution: tuple[tuple[int, int], tuple[int, int], int] | None
    description: str | None
    imagej: Mapping[str, Any]
    shaped: Mapping[str, Any]
    ome_xml: str | None
    bits_per_sample: int
    colormap: np.ndarray | None
    n_series: int
    messages: tuple[str, ...]
