"""Whether all that a TIFF file promises is there, found out before any work."""

import struct
from pathlib import Path

from focusfix.errors import InputError
from focusfix.io.tiff_layout import StoredSeries

_NEXT_STEP = "Copy it again from where it was recorded."


def check_complete(path: Path, stored: StoredSeries) -> None:
    """Compare where the pixels and pages of a TIFF lie with the length of the file.

    Parameters
    ----------
    path : Path
        TIFF file.
    stored : StoredSeries
        Where its pixels lie.

    Raises
    ------
    InputError
        If a segment or a page lies beyond the end of the file.
    """
    size = path.stat().st_size
    end = _end_of_pixels(path, stored)
    if end > size:
        raise InputError(
            f"{path} is truncated: its pixels end at byte {end}, the file at {size}.", _NEXT_STEP
        )
    _check_page_chain(path, size)


def _end_of_pixels(path: Path, stored: StoredSeries) -> int:
    if stored.data_offset is not None:
        total = stored.dtype.itemsize
        for length in stored.shape:
            total *= length
        return stored.data_offset + total
    end = 0
    for page in stored.pages:
        if len(page.offsets) != len(page.counts) or not page.offsets:
            raise InputError(
                f"{path} is damaged: a page does not say where its pixels are.", _NEXT_STEP
            )
        end = max(
            end,
            *(at + count for at, count in zip(page.offsets, page.counts, strict=True)),
        )
    return end


def _check_page_chain(path: Path, size: int) -> None:
    """Follow the page directories to the last; a cut file ends in one that is not there."""
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        count_format, offset_format = (
            (order + "Q", order + "Q") if big else (order + "H", order + "I")
        )
        entry_bytes = 20 if big else 12
        width = struct.calcsize(offset_format)
        offset = struct.unpack(offset_format, head[8:16] if big else head[4:8])[0]
        seen = set()
        while offset and offset not in seen:
            seen.add(offset)
            file.seek(offset)
            raw = file.read(struct.calcsize(count_format))
            end = offset + len(raw)
            if len(raw) == struct.calcsize(count_format):
                end += struct.unpack(count_format, raw)[0] * entry_bytes + width
            if end > size or len(raw) < struct.calcsize(count_format):
                raise InputError(
                    f"{path} is truncated: page {len(seen)} is cut off or missing.", _NEXT_STEP
                )
            file.seek(end - width)
            offset = struct.unpack(offset_format, file.read(width))[0]
