"""Decoded strips, tiles or chunks of a file, kept as long as neighbouring windows need them."""

from collections import OrderedDict
from typing import Generic, TypeVar

# Kept in any case; bytes.
_LEAST_BYTES = 16 * 2**20

_Key = TypeVar("_Key")
_Part = TypeVar("_Part")


class DecodedParts(Generic[_Key, _Part]):
    """The parts used last: as many as the window at hand is made of, or 16 MiB of them.

    Windows come row by row. The next one in the row shares parts with this one where they are
    narrower than the plane, and all of them where they are as wide: these are kept however many
    they are, since every window of the row would decode them again. The next row of windows
    shares the lowest of such wide parts, so they are decoded once.

    Parameters
    ----------
    part_bytes : int
        Size of a part; bytes.
    are_wide : bool
        Whether each part is as wide as the plane.
    most_bytes : int
        Kept at most where that costs no decoding again; bytes.
    least : int
        Parts kept in any case.
    """

    def __init__(self, part_bytes: int, *, are_wide: bool, most_bytes: int, least: int = 1) -> None:
        self._are_wide = are_wide
        self._most = most_bytes // part_bytes
        self._least = max(min(most_bytes, _LEAST_BYTES) // part_bytes, least)
        self._capacity = self._least
        self._parts: OrderedDict[_Key, _Part] = OrderedDict()

    def __len__(self) -> int:
        return len(self._parts)

    def __contains__(self, key: _Key) -> bool:
        return key in self._parts

    def fit(self, n_down: int, n_across: int, *, is_narrow: bool) -> None:
        """Make the room fit a window that is about to be read.

        Parameters
        ----------
        n_down, n_across : int
            Parts that it touches, along a column and along a row.
        is_narrow : bool
            Whether the window is narrower than the plane.
        """
        wanted = n_down * n_across
        if not (self._are_wide and is_narrow):
            wanted = min(wanted, max(self._most, n_across))
        self._capacity = max(wanted, self._least)

    def take(self, key: _Key) -> _Part:
        """Give a part that is there, which becomes the one used last."""
        self._parts.move_to_end(key)
        return self._parts[key]

    def make_room(self, count: int) -> None:
        """Forget the parts not used for longest, so that so many new ones fit.

        If windows became smaller, the rest of the old one goes bit by bit: they may share it.
        """
        surplus = len(self._parts) + count - self._capacity
        for _ in range(min(surplus, 2 * count, len(self._parts))):
            self._parts.popitem(last=False)

    def put(self, key: _Key, part: _Part) -> None:
        """Keep a part, for which room was made."""
        self._parts[key] = part
        self._parts.move_to_end(key)

    def clear(self) -> None:
        """Forget all parts."""
        self._parts.clear()
