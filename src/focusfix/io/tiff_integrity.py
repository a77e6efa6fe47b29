"""Whether all that a TIFF file promises is there, found out before any work."""

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from focusfix.errors import InputError
from focusfix.io.tiff_layout import StoredSeries

_NEXT_STEP = "Copy it again from where it was recorded."

# Tags without which pixels or metadata would be lost: bits, description, offsets and lengths,
# resolution, palette, JPEG tables, ImageJ metadata.
_NEEDED_TAGS = {258, 270, 273, 279, 282, 283, 320, 324, 325, 347, 50838, 50839}
_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}

# Variants whose offsets do not follow the standard in files above 4 GB.
_OWN_OFFSETS = ("ndpi", "lsm")


class _Form(NamedTuple):
    """Binary layout of page directories: formats of the parts, and where the first offset is."""

    number: str
    entry: str
    offset: str
    first: int


_CLASSIC = _Form(number="H", entry="HHII", offset="I", first=4)
_BIG = _Form(number="Q", entry="HHQQ", offset="Q", first=8)


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
    if stored.kind not in _OWN_OFFSETS:
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
        form = _BIG if struct.unpack(order + "H", head[2:4])[0] == 43 else _CLASSIC
        offset = struct.unpack_from(order + form.offset, head, form.first)[0]
        seen: set[int] = set()
        while offset and offset not in seen:
            seen.add(offset)
            offset = _next_page(path, file, form, order, offset, size, len(seen))


def _next_page(
    path: Path, file: BinaryIO, form: _Form, order: str, offset: int, size: int, number: int
) -> int:
    """Check one page directory and return where the next one is; 0 after the last."""
    cut = InputError(f"{path} is truncated: page {number} is cut off or missing.", _NEXT_STEP)
    file.seek(offset)
    count = file.read(struct.calcsize(form.number))
    if len(count) < struct.calcsize(form.number):
        raise cut
    entry_bytes = struct.calcsize(order + form.entry)
    n_bytes = struct.unpack(order + form.number, count)[0] * entry_bytes
    width = struct.calcsize(form.offset)
    if file.tell() + n_bytes + width > size:
        raise cut
    entries = file.read(n_bytes)
    for tag, kind, items, value in struct.iter_unpack(order + form.entry, entries):
        value_bytes = items * _TYPE_BYTES.get(kind, 1)
        if tag in _NEEDED_TAGS and value_bytes > width and value + value_bytes > size:
            raise cut
    following: int = struct.unpack(order + form.offset, file.read(width))[0]
    return following
