"""Row bands of any height, cut into strips of equal height."""

from collections.abc import Iterable, Iterator

import numpy as np

from focusfix.io.metadata import ImageMetadata


def cut_strips(
    bands: Iterable[np.ndarray], metadata: ImageMetadata, strip_rows: int
) -> Iterator[np.ndarray]:
    """Cut bands of any height into strips, with one strip in memory.

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
    for plane in range(metadata.n_planes):
        rest = np.empty((0, *row_shape), metadata.dtype)
        for start in range(0, height, strip_rows):
            need = min(strip_rows, height - start)
            strip, held = rest[:need], len(rest[:need])
            rest = rest[need:]
            if held < need:
                strip = _room_for(strip, need)
            while held < need:
                band = next(source, None)
                if band is None:
                    raise ValueError(f"the bands end in plane {plane} at row {start + held}")
                _check_band(band, row_shape, metadata)
                taken = min(len(band), need - held)
                strip[held : held + taken] = band[:taken]
                held, rest = held + taken, band[taken:]
            yield np.ascontiguousarray(strip)
        if len(rest):
            raise ValueError(f"a band goes beyond the last row of plane {plane}")
    if next(source, None) is not None:
        raise ValueError("there are more bands than the image has rows")


def _room_for(first: np.ndarray, rows: int) -> np.ndarray:
    """Make a strip of so many rows that begins with the ones given."""
    strip = np.empty((rows, *first.shape[1:]), first.dtype)
    strip[: len(first)] = first
    return strip


def _check_band(band: np.ndarray, row_shape: tuple[int, int], metadata: ImageMetadata) -> None:
    if band.shape[1:] != row_shape or band.dtype != metadata.dtype:
        raise ValueError(
            f"a band of shape {band.shape} and type {band.dtype} does not fit rows of "
            f"shape {row_shape} and type {metadata.dtype}"
        )
