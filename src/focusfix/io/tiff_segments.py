"""Rectangles of pixels out of a TIFF page: only the strips or tiles needed, decoded once."""

from collections import OrderedDict
from math import prod
from pathlib import Path
from threading import RLock

import numpy as np

from focusfix.errors import InputError
from focusfix.io.tiff_layout import StoredSeries

# Decoded segments kept in any case; bytes.
_LEAST_CACHE_BYTES = 16 * 2**20

# Below this share of the row, rows are read one by one rather than whole.
_WIDE_SHARE = 0.5


class SegmentStore:
    """Pixels of the pages of one TIFF file, with a bounded cache of decoded segments.

    Parameters
    ----------
    path : Path
        TIFF file.
    stored : StoredSeries
        Where its segments lie.
    cache_bytes : int
        Decoded segments kept at most; bytes. Kept are those across the plane, over the height of
        the windows that are read, since the next windows share them; at least one row of them.

    Notes
    -----
    Safe to use from several threads: reading, decoding and the cache share one lock.
    """

    def __init__(self, path: Path, stored: StoredSeries, cache_bytes: int) -> None:
        self.path = path
        self.stored = stored
        self.n_decoded = 0
        self._file = path.open("rb")
        self._lock = RLock()
        self._cache: OrderedDict[tuple[int, int], np.ndarray | None] = OrderedDict()
        separate, depth, length, width, samples = stored.page_shape
        self._segment = stored.segment_shape
        counts = (depth, length, width)
        self._grid = tuple(-(-n // s) for n, s in zip(counts, self._segment, strict=True))
        segment_bytes = prod(self._segment) * samples * stored.dtype.itemsize
        self._row_segments = self._grid[2] * separate
        self._most = max(cache_bytes // segment_bytes, self._row_segments)
        self._capacity = min(self._most, max(_LEAST_CACHE_BYTES // segment_bytes, 1))

    def read_block(
        self, page: int, separate: int, depth: int, rows: range, columns: range, samples: range
    ) -> np.ndarray:
        """Read a rectangle of one page.

        Parameters
        ----------
        page : int
            Position in the sequence of pages.
        separate, depth : int
            Separate sample plane and depth within the page.
        rows, columns, samples : range
            Consecutive rows, columns and interleaved samples; pixels.

        Returns
        -------
        numpy.ndarray, shape (rows, columns, samples)
            Pixels in native byte order.

        Raises
        ------
        InputError
            If the file cannot be read or a segment cannot be decoded.
        """
        shape = (len(rows), len(columns), len(samples))
        block = np.empty(shape, self.stored.dtype.newbyteorder("="))
        with self._lock:
            if self.stored.data_offset is not None:
                self._copy_run(block, page, separate, depth, rows, columns, samples)
            else:
                self._copy_segments(block, page, separate, depth, rows, columns, samples)
        return block

    def close(self) -> None:
        """Close the file and forget the decoded segments."""
        with self._lock:
            self._file.close()
            self._cache.clear()

    def _copy_run(
        self,
        block: np.ndarray,
        page: int,
        separate: int,
        depth: int,
        rows: range,
        columns: range,
        samples: range,
    ) -> None:
        n_separate, n_depth, length, width, n_samples = self.stored.page_shape
        pixel_bytes = n_samples * self.stored.dtype.itemsize
        plane = (page * n_separate + separate) * n_depth + depth
        first_row = plane * length + rows.start
        assert self.stored.data_offset is not None
        start = self.stored.data_offset + first_row * width * pixel_bytes
        picked = slice(samples.start, samples.stop)
        if len(columns) >= _WIDE_SHARE * width:
            data = self._read(start, len(rows) * width * pixel_bytes)
            run = np.frombuffer(data, self.stored.dtype).reshape(len(rows), width, n_samples)
            block[...] = run[:, columns.start : columns.stop, picked]
            return
        for row in range(len(rows)):
            at = start + (row * width + columns.start) * pixel_bytes
            data = self._read(at, len(columns) * pixel_bytes)
            part = np.frombuffer(data, self.stored.dtype).reshape(len(columns), n_samples)
            block[row] = part[:, picked]

    def _copy_segments(
        self,
        block: np.ndarray,
        page: int,
        separate: int,
        depth: int,
        rows: range,
        columns: range,
        samples: range,
    ) -> None:
        tall, wide = self._segment[1:]
        picked = slice(samples.start, samples.stop)
        n_rows = -(-rows.stop // tall) - rows.start // tall
        self._capacity = min(self._most, max(self._capacity, n_rows * self._row_segments))
        layer = (separate * self._grid[0] + depth // self._segment[0]) * self._grid[1]
        for i in range(rows.start // tall, -(-rows.stop // tall)):
            top, bottom = max(rows.start, i * tall), min(rows.stop, (i + 1) * tall)
            for j in range(columns.start // wide, -(-columns.stop // wide)):
                left, right = max(columns.start, j * wide), min(columns.stop, (j + 1) * wide)
                segment = self._segment_at(page, (layer + i) * self._grid[2] + j)
                target = block[
                    top - rows.start : bottom - rows.start,
                    left - columns.start : right - columns.start,
                ]
                if segment is None:
                    target[...] = 0
                    continue
                target[...] = segment[
                    depth % self._segment[0],
                    top - i * tall : bottom - i * tall,
                    left - j * wide : right - j * wide,
                    picked,
                ]

    def _segment_at(self, page: int, index: int) -> np.ndarray | None:
        """Decode a strip or tile, or take it from the cache; None if the file leaves it out."""
        key = (page, index)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        entry = self.stored.pages[page]
        data = self._read(entry.offsets[index], entry.counts[index])
        while len(self._cache) >= self._capacity:
            self._cache.popitem(last=False)
        try:
            segment = self.stored.decode(data or None, index, entry.jpegtables)
        except (RuntimeError, ValueError, NotImplementedError, TypeError) as error:
            raise InputError(
                f"{self.path} is damaged or of an unsupported kind: the pixels of plane "
                f"{page + 1} cannot be decoded ({error}).",
                "Copy it again from where it was recorded, or save it uncompressed with Fiji.",
            ) from error
        self.n_decoded += 1
        self._cache[key] = segment
        return segment

    def _read(self, start: int, count: int) -> bytes:
        try:
            self._file.seek(start)
            data = self._file.read(count)
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be read: {error.strerror or error}.",
                "Check the disk or network drive and try again.",
            ) from error
        if len(data) != count:
            raise InputError(
                f"{self.path} became shorter while it was read.",
                "Wait until it is written completely, then try again.",
            )
        return data
