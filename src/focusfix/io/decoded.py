"""Decoded strips, tiles or chunks of a file, kept as long as neighbouring windows need them."""

from collections import OrderedDict
from typing import Any, Generic, TypeVar

# Of the parts used last, kept in any case; bytes.
_LEAST_BYTES = 16 * 2**20

# Planes of up to so many times these are kept whole: one of 4,096 x 4,096 pixels of 16 bits is
# still there when its tiles are read, after its intensities were surveyed.
_WHOLE_TIMES = 2.5

# Of the parts that the next row of windows shares, kept at most; bytes.
_SHELF_BYTES = 32 * 2**20

PartKey = tuple[Any, int, int]
"""What a part belongs to (a page or plane), and its row and column in the grid of parts."""

_Part = TypeVar("_Part")


class DecodedParts(Generic[_Part]):
    """Parts of planes that are read window by window, row by row.

    The parts used last are kept: as many as the window at hand is made of, or 16 MiB of them. The
    next window shares some of them where they are narrower than the plane, and all of them where
    they are as wide. Those are kept however many they are: every window of the row would decode
    them again.

    The next row of windows shares the lowest parts of this one. Wide ones are there still; of
    narrow ones up to 32 MiB are put on a shelf, so that memory does not grow with the width.

    Parameters
    ----------
    tall : int
        Rows of a part; pixels.
    part_bytes : int
        Size of a part; bytes.
    are_wide : bool
        Whether each part is as wide as the plane.
    most_bytes : int
        Kept at most where that costs no decoding again; bytes.
    least : int
        Parts kept in any case.
    plane_parts : int
        Parts of a plane; 0 if planes are not kept whole, however small.
    """

    def __init__(
        self,
        tall: int,
        part_bytes: int,
        *,
        are_wide: bool,
        most_bytes: int,
        least: int = 1,
        plane_parts: int = 0,
    ) -> None:
        self._tall = tall
        self._are_wide = are_wide
        self._most = most_bytes // part_bytes
        self._least = max(min(most_bytes, _LEAST_BYTES) // part_bytes, least)
        if plane_parts * part_bytes <= min(most_bytes, _WHOLE_TIMES * _LEAST_BYTES):
            self._least = max(self._least, plane_parts)
        self._capacity = self._least
        self._parts: OrderedDict[PartKey, _Part] = OrderedDict()
        self._shelf: dict[PartKey, _Part] = {}
        self._shelf_room = 0 if are_wide else min(most_bytes, _SHELF_BYTES) // part_bytes
        self._rows = range(0)
        self._overlap = 0

    def __len__(self) -> int:
        return len(self._parts) + len(self._shelf)

    def __contains__(self, key: PartKey) -> bool:
        return key in self._parts or key in self._shelf

    def fit(self, rows: range, n_across: int, *, is_narrow: bool) -> None:
        """Make the room fit a window that is about to be read.

        Parameters
        ----------
        rows : range
            Rows of the window; pixels.
        n_across : int
            Parts that it touches side by side.
        is_narrow : bool
            Whether it is narrower than the plane.
        """
        wanted = (-(-rows.stop // self._tall) - rows.start // self._tall) * n_across
        if not (self._are_wide and is_narrow):
            wanted = min(wanted, max(self._most, n_across))
        self._capacity = max(wanted, self._least)
        if rows.start != self._rows.start:
            self._turn_to(rows)
        self._rows = rows

    def take(self, key: PartKey) -> _Part:
        """Give a part that is there, which becomes the one used last."""
        if key in self._shelf:
            self.make_room(1)
            self.put(key, self._shelf.pop(key))
        self._parts.move_to_end(key)
        return self._parts[key]

    def make_room(self, count: int) -> None:
        """Forget the parts not used for longest, so that so many new ones fit.

        If windows became smaller, the rest of the old one goes bit by bit: they may share it.
        """
        surplus = len(self._parts) + count - self._capacity
        for _ in range(min(surplus, 2 * count, len(self._parts))):
            self._shelve(*self._parts.popitem(last=False))

    def put(self, key: PartKey, part: _Part) -> None:
        """Keep a part, for which room was made."""
        self._parts[key] = part
        self._parts.move_to_end(key)

    def clear(self) -> None:
        """Forget all parts."""
        self._parts.clear()
        self._shelf.clear()

    def _turn_to(self, rows: range) -> None:
        """Begin another row of windows: what lies above it is not needed any more."""
        if rows.start < self._rows.start:  # another plane
            self._shelf.clear()
            return
        self._overlap = max(self._rows.stop - rows.start, 0)
        first = rows.start // self._tall
        self._shelf = {key: part for key, part in self._shelf.items() if key[1] >= first}
        shared = [key for key in self._parts if key[1] >= first]
        for key in shared[: self._shelf_room - len(self._shelf)]:
            self._shelf[key] = self._parts.pop(key)

    def _shelve(self, key: PartKey, part: _Part) -> None:
        """Put a part aside that reaches into the next row of windows, if there is room."""
        is_shared = (key[1] + 1) * self._tall > self._rows.stop - self._overlap
        if is_shared and len(self._shelf) < self._shelf_room:
            self._shelf[key] = part
