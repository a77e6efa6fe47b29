"""Read windows of planes, from memory where it has room for them."""

import threading
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from focusfix.data.focus_series import PlaneSource
from focusfix.io.image import ImageReader, open_image

_OPEN_FILES = 32


class PlaneStore:
    """Planes of a data set: the first ones that are read stay in memory, the others on disk.

    Parameters
    ----------
    budget_bytes : int
        Most that the kept planes may take.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._room = budget_bytes
        self._kept: dict[PlaneSource, npt.NDArray[np.generic]] = {}
        self._readers: OrderedDict[tuple[object, str | None], ImageReader] = OrderedDict()
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
        with self._lock:
            if source in self._kept:
                return self._kept[source][rows, columns]
            reader = self._reader(source)
            metadata = reader.metadata
            height, width = metadata.shape_yx
            size = height * width * metadata.samples * metadata.dtype.itemsize
            if size > self._room:
                return reader.read_window(source.plane, rows, columns)
            self._room -= size
            plane = reader.read_window(source.plane, slice(None), slice(None))
            self._kept[source] = plane
            return plane[rows, columns]

    def close(self) -> None:
        """Release all files; the planes in memory stay."""
        with self._lock:
            while self._readers:
                self._readers.popitem()[1].close()

    def _reader(self, source: PlaneSource) -> ImageReader:
        key = (source.path, source.axes)
        if key not in self._readers:
            if len(self._readers) >= _OPEN_FILES:
                self._readers.popitem(last=False)[1].close()
            self._readers[key] = open_image(source.path, axes=source.axes)
        self._readers.move_to_end(key)
        return self._readers[key]
