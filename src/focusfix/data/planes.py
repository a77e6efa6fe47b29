"""Read windows of planes, from memory where it has room for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from focusfix.data.focus_series import PlaneSource
from focusfix.io.image import ImageReader, open_image

_IDLE_FILES = 8


class PlaneStore:
    """Planes of a data set: the first ones that are read stay in memory, the others on disk.

    Several threads may read at once, each with a reader of its own.

    Parameters
    ----------
    budget_bytes : int
        Most that the kept planes may take.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._room = budget_bytes
        self._kept: dict[PlaneSource, npt.NDArray[np.generic]] = {}
        self._idle: list[tuple[tuple[object, str | None], ImageReader]] = []
        self._lock = threading.Lock()

    def read(
        self, source: PlaneSource, rows: slice = slice(None), columns: slice = slice(None)
    ) -> npt.NDArray[np.generic]:
        """Read a window of a plane.

        Parameters
        ----------
        source : PlaneSource
            The plane.
        rows, columns : slice
            The window; pixels.

        Returns
        -------
        ndarray, shape (Y, X, S)
            Intensities as in the file; not to be written to.

        Raises
        ------
        InputError
            If the file cannot be read.
        """
        kept = self._kept.get(source)
        if kept is not None:
            return kept[rows, columns]
        with self._borrowed(source) as reader:
            metadata = reader.metadata
            height, width = metadata.shape_yx
            size = height * width * metadata.samples * metadata.dtype.itemsize
            if not self._reserve(size):
                return reader.read_window(source.plane, rows, columns)
            plane = reader.read_window(source.plane, slice(None), slice(None))
        self._keep(source, plane, size)
        return plane[rows, columns]

    def close(self) -> None:
        """Release all files; the planes in memory stay."""
        with self._lock:
            while self._idle:
                self._idle.pop()[1].close()

    def _reserve(self, size: int) -> bool:
        with self._lock:
            if size > self._room:
                return False
            self._room -= size
            return True

    def _keep(self, source: PlaneSource, plane: npt.NDArray[np.generic], size: int) -> None:
        with self._lock:
            if source in self._kept:  # another thread was faster
                self._room += size
            self._kept[source] = plane

    @contextmanager
    def _borrowed(self, source: PlaneSource) -> Iterator[ImageReader]:
        """Lend a reader to one thread; the ones that were used last stay open."""
        key = (source.path, source.axes)
        reader = self._take_idle(key) or open_image(source.path, axes=source.axes)
        try:
            yield reader
        finally:
            with self._lock:
                self._idle.append((key, reader))
                surplus = [each for _, each in self._idle[:-_IDLE_FILES]]
                del self._idle[:-_IDLE_FILES]
            for each in surplus:
                each.close()

    def _take_idle(self, key: tuple[object, str | None]) -> ImageReader | None:
        with self._lock:
            for place, (held, reader) in enumerate(self._idle):
                if held == key:
                    del self._idle[place]
                    return reader
        return None
