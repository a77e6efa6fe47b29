"""Windows of the planes of a TIFF image."""

from itertools import product
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from focusfix.errors import InputError
from focusfix.io.metadata import PIXEL_TYPES, ImageMetadata
from focusfix.io.tiff import read_layout
from focusfix.io.tiff_axes import map_axes
from focusfix.io.tiff_integrity import check_complete
from focusfix.io.tiff_layout import StoredSeries
from focusfix.io.tiff_metadata import read_metadata
from focusfix.io.tiff_segments import SegmentStore

_CACHE_BYTES = 256 * 2**20

# Rows of an image that is not compressed are read in pieces of this size; bytes.
_RUN_BYTES = 2**18


class TiffReader:
    """Read windows of a TIFF image without decoding more segments than they touch.

    Parameters
    ----------
    path : Path
        TIFF file.
    axes : str, optional
        Axes instead of those that the file states.
    cache_bytes : int
        Decoded segments kept at most where that costs no decoding again; bytes.

    Raises
    ------
    InputError
        If the file cannot be used; see ``open_image``.
    """

    def __init__(
        self, path: Path, *, axes: str | None = None, cache_bytes: int = _CACHE_BYTES
    ) -> None:
        stored, tags = read_layout(path)
        if stored.dtype.name not in PIXEL_TYPES:
            raise InputError(
                f"{path} has pixels of type {stored.dtype.name}, which focusfix does not handle.",
                f"Convert it to one of {', '.join(PIXEL_TYPES)}.",
            )
        check_complete(path, stored)
        axis_map = map_axes(path, stored, axes)
        self.path = path
        self.metadata: ImageMetadata = read_metadata(stored, tags, axis_map)
        self._order = axis_map.order
        self._roles = _storage_roles(path, stored)
        self._stored = stored
        self.store = SegmentStore(path, stored, cache_bytes)
        self.chunk_yx = self._chunk_yx()
        self.notes: tuple[str, ...] = (
            *axis_map.notes,
            *_reading_notes(stored),
            *_content_notes(self.metadata, tags.n_series),
            *tags.messages,
        )

    def read_window(self, plane: int, rows: slice, columns: slice) -> np.ndarray:
        """Read part of a plane.

        Parameters
        ----------
        plane : int
            Position of the plane, see ``PlaneIndex``.
        rows, columns : slice
            Window with 0 <= start < stop <= size and step 1; pixels.

        Returns
        -------
        numpy.ndarray, shape (Y, X, S)
            Pixels in the pixel type of the image; S is 1 for grey.

        Raises
        ------
        InputError
            If the pixels cannot be read or decoded.
        IndexError
            If the plane or window lies outside the image.
        """
        ranges = self._stored_ranges(plane, rows, columns)
        window = np.empty([len(span) for span in ranges], self.metadata.dtype)
        lead = [at for at, role in enumerate(self._roles) if role in ("page", "separate", "depth")]
        roles = {role: at for at, role in enumerate(self._roles) if role}
        one = range(1)
        length, width, samples = (
            ranges[roles[role]] if role in roles else one for role in ("length", "width", "samples")
        )
        for index in product(*(enumerate(ranges[at]) for at in lead)):
            spot: list[int | slice] = [slice(None)] * len(ranges)
            chosen = {"separate": 0, "depth": 0}
            page = 0
            for at, (inside, value) in zip(lead, index, strict=True):
                spot[at] = inside
                if self._roles[at] == "page":
                    page = page * self._stored.shape[at] + value
                else:
                    chosen[self._roles[at]] = value
            block = self.store.read_block(
                page, chosen["separate"], chosen["depth"], length, width, samples
            )
            target = window[tuple(spot)]
            target[...] = block.reshape(target.shape)
        return self._as_yxs(window)

    def close(self) -> None:
        """Release the file."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _stored_ranges(self, plane: int, rows: slice, columns: slice) -> list[range]:
        """Say which part of each stored dimension a window needs."""
        metadata = self.metadata
        if not 0 <= plane < metadata.n_planes:
            raise IndexError(f"plane {plane} of {metadata.n_planes}")
        wanted = list(metadata.planes[plane].coordinates.values())
        height, width = metadata.shape_yx
        shown = [range(at, at + 1) for at in wanted]
        shown += [_checked(rows, height), _checked(columns, width)]
        if metadata.axes.endswith("S"):
            shown.append(range(metadata.samples))
        ranges = [range(1)] * len(self._stored.shape)
        for dimension, span in zip(self._order, shown, strict=True):
            ranges[dimension] = span
        return ranges

    def _chunk_yx(self) -> tuple[int, int]:
        """Say how much of Y and X is decoded at once; of pixels in one run, how much pays."""
        segment = dict(zip(("depth", "length", "width"), self._stored.segment_shape, strict=True))
        segment["samples"] = self._stored.page_shape[4]
        if self._stored.data_offset is not None:
            row_bytes = self.metadata.nbytes // (self.metadata.n_planes * self.metadata.shape_yx[0])
            segment["length"] = max(_RUN_BYTES // row_bytes, 1)
        n_lead = len(self.metadata.plane_axes)
        roles = [self._roles[at] for at in self._order[n_lead : n_lead + 2]]
        tall, wide = (
            min(segment.get(role, 1), size)
            for role, size in zip(roles, self.metadata.shape_yx, strict=True)
        )
        return tall, wide

    def _as_yxs(self, window: np.ndarray) -> np.ndarray:
        moved = window.transpose(self._order)
        samples = self.metadata.samples
        n_lead = len(self.metadata.plane_axes)
        height, width = moved.shape[n_lead : n_lead + 2]
        return np.ascontiguousarray(moved).reshape(height, width, samples)


def _checked(span: slice, size: int) -> range:
    start = 0 if span.start is None else span.start
    stop = size if span.stop is None else span.stop
    if span.step not in (None, 1) or not 0 <= start < stop <= size:
        raise IndexError(f"window {start}:{stop} of {size} pixels")
    return range(start, stop)


def _storage_roles(path: Path, stored: StoredSeries) -> tuple[str, ...]:
    """Say for each stored dimension which part of a page it is; "" for one of size 1.

    The dimensions in C-order are the pages, then separate samples, depth, length, width and
    interleaved samples within a page; those of size 1 may be left out.
    """
    names = ("separate", "depth", "length", "width", "samples")
    inner = [(name, size) for name, size in zip(names, stored.page_shape, strict=True) if size > 1]
    roles = [""] * len(stored.shape)
    for at in reversed(range(len(stored.shape))):
        size = stored.shape[at]
        if size == 1:
            continue
        if not inner:
            roles[at] = "page"
            continue
        name, expected = inner.pop()
        if size != expected:
            break
        roles[at] = name
    pages = prod(size for size, role in zip(stored.shape, roles, strict=True) if role == "page")
    unplaced = any(size > 1 and not role for size, role in zip(stored.shape, roles, strict=True))
    if inner or unplaced or (stored.data_offset is None and pages != len(stored.pages)):
        raise InputError(
            f"{path} has axes {stored.axes} of shape {stored.shape}, which do not follow from its "
            f"{len(stored.pages)} pages of {stored.page_shape}.",
            "Open it in Fiji and save it as TIFF.",
        )
    return tuple(roles)


def _reading_notes(stored: StoredSeries) -> tuple[str, ...]:
    if stored.data_offset is not None or stored.compression is None:
        return ()
    _, _, length, width, _ = stored.page_shape
    if stored.segment_shape[1] >= length > 1 and stored.segment_shape[2] >= width:
        return ("one compressed strip per plane: each plane is decoded whole, once",)
    return ()


def _content_notes(metadata: ImageMetadata, n_series: int) -> tuple[str, ...]:
    notes = []
    if n_series > 1:
        notes.append(f"the file holds {n_series} images; the first one is read")
    if metadata.photometric == "palette":
        notes.append("the image has a colour table: its grey values are taken as intensities")
    if metadata.photometric == "miniswhite":
        notes.append("the file shows 0 as white: its values are taken as they are stored")
    return tuple(notes)
