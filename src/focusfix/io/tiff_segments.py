"""Rectangles of pixels out of a TIFF page: only the strips or tiles needed, decoded once."""

from math import prod
from pathlib import Path
from threading import RLock

import numpy as np

from focusfix.errors import InputError
from focusfix.io.decoded import DecodedParts
from focusfix.io.tiff_layout import StoredSeries


class SegmentStore:
    """Pixels of the pages of one TIFF file, with a bounded cache of decoded segments.

    Parameters
    ----------
    path : Path
        TIFF file.
    stored : StoredSeries
        Where its segments lie.
    cache_bytes : int
        Decoded segments kept at most where that costs no decoding again; bytes.

    Notes
    -----
    Safe to use from several threads: reading, decoding and the cache share one lock.
    """

    def __init__(self, path: Path, stored: StoredSeries, cache_bytes: int) -> None:
        self.path = path
        self.stored = stored
        self.n_decoded = 0
        self._file = path.open("rb", buffering=0)
        self._lock = RLock()
        separate, depth, length, width, samples = stored.page_shape
        self._segment = stored.segment_shape
        counts = (depth, length, width)
        self._grid = tuple(-(-n // s) for n, s in zip(counts, self._segment, strict=True))
        self._separate = separate
        self.decoded = DecodedParts[np.ndarray | None](
            self._segment[1],
            prod(self._segment) * samples * stored.dtype.itemsize,
            are_wide=self._grid[2] == 1,
            most_bytes=cache_bytes,
            plane_parts=self._grid[1] * self._grid[2] * separate,
        )

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
            self.decoded.clear()

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
        dtype = self.stored.dtype
        pixel_bytes = n_samples * dtype.itemsize
        plane = (page * n_separate + separate) * n_depth + depth
        assert self.stored.data_offset is not None
        first = (plane * length + rows.start) * width + columns.start
        start = self.stored.data_offset + first * pixel_bytes
        is_whole = len(samples) == n_samples
        run = block if is_whole else np.empty((*block.shape[:2], n_samples), block.dtype)
        target = run.reshape(-1).view(np.uint8).data
        piece = len(target) if len(columns) == width else len(columns) * pixel_bytes
        for number, at in enumerate(range(0, len(target), piece)):
            self._fill(target[at : at + piece], start + number * width * pixel_bytes)
        if not dtype.isnative:
            run.byteswap(inplace=True)
        if not is_whole:
            block[...] = run[..., samples.start : samples.stop]

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
        across = range(columns.start // wide, -(-columns.stop // wide))
        is_narrow = len(columns) < self.stored.page_shape[3]
        self.decoded.fit(rows, len(across) * self._separate, is_narrow=is_narrow)
        layer = separate * self._grid[0] + depth // self._segment[0]
        for i in range(rows.start // tall, -(-rows.stop // tall)):
            top, bottom = max(rows.start, i * tall), min(rows.stop, (i + 1) * tall)
            for j in across:
                left, right = max(columns.start, j * wide), min(columns.stop, (j + 1) * wide)
                segment = self._segment_at(page, layer, i, j)
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

    def _segment_at(self, page: int, layer: int, i: int, j: int) -> np.ndarray | None:
        """Decode a strip or tile, or take it from the cache; None if the file leaves it out."""
        key = (page, layer), i, j
        if key in self.decoded:
            return self.decoded.take(key)
        index = (layer * self._grid[1] + i) * self._grid[2] + j
        entry = self.stored.pages[page]
        data = self._read(entry.offsets[index], entry.counts[index])
        self.decoded.make_room(1)
        try:
            segment = self.stored.decode(data or None, index, entry.jpegtables)
        except (RuntimeError, ValueError, NotImplementedError, TypeError) as error:
            raise InputError(
                f"{self.path} is damaged or of an unsupported kind: the pixels of plane "
                f"{page + 1} cannot be decoded ({error}).",
                "Copy it again from where it was recorded, or save it uncompressed with Fiji.",
            ) from error
        self.n_decoded += 1
        self.decoded.put(key, segment)
        return segment

    def _read(self, start: int, count: int) -> bytes:
        data = bytearray(count)
        self._fill(memoryview(data), start)
        return bytes(data)

    def _fill(self, target: memoryview, start: int) -> None:
        """Read bytes from a place in the file to where they are wanted."""
        done = 0
        try:
            self._file.seek(start)
            while done < len(target):  # the system reads 2 GB at a time at most
                count = self._file.readinto(target[done:])
                if not count:
                    break
                done += count
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be read: {error.strerror or error}.",
                "Check the disk or network drive and try again.",
            ) from error
        if done != len(target):
            raise InputError(
                f"{self.path} became shorter while it was read.",
                "Wait until it is written completely, then try again.",
            )
