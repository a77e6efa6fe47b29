"""Chunks that were cut off, found before they are decoded."""

import struct
from pathlib import Path
from typing import Any

from zarr.storage import LocalStore, WrapperStore

_METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
# Version, version of the codec, flags, size of an item; length without compression, of a block, and
# with compression.
_HEADER = struct.Struct("<4B3I")


class BloscStore(WrapperStore[LocalStore]):
    """A Zarr folder whose chunks are compressed by Blosc, which does not know where they end.

    Blosc trusts the length that a chunk states. Of one that is shorter, it would decode what lies
    behind it in memory.

    Parameters
    ----------
    path : Path
        Folder of an array.
    """

    @classmethod
    def at(cls, path: Path) -> "BloscStore":
        """Open a folder for reading."""
        return cls(LocalStore(path, read_only=True))

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Read a file of the folder; see ``zarr.abc.store.Store``.

        Raises
        ------
        ValueError
            If it is a chunk that states a greater length than it has.
        """
        value = await super().get(key, prototype, byte_range)
        whole_chunk = byte_range is None and key.rsplit("/", 1)[-1] not in _METADATA
        if value is not None and whole_chunk:
            check_blosc(value[: _HEADER.size].to_bytes(), len(value))
        return value


def check_blosc(header: bytes, length: int) -> None:
    """Compare the length that a chunk states with the one that it has.

    Parameters
    ----------
    header : bytes
        Its first 16 bytes.
    length : int
        Of the whole chunk; bytes.

    Raises
    ------
    ValueError
        If the chunk is shorter than it states.
    """
    stated = _HEADER.unpack(header)[6] if len(header) == _HEADER.size else _HEADER.size
    if length < stated:
        raise ValueError(f"it has {length} bytes of {stated}")
