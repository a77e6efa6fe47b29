"""Have torch and the C library fit for feature maps that come and go by the hundred megabytes."""

import ctypes
import os
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8
"""Parameters of `mallopt`, as in malloc.h of the GNU C library."""

_KEPT_BYTES = 512 << 20
_RETURNED_FROM_BYTES = 32 << 20
_MOST_RETURNED = 1 << 16


@cache
def keep_freed_memory() -> bool:
    """Reuse memory between tiles, in one pool for all threads; once for the process.

    Left to itself, the library gives feature maps back to the system after every layer, which has
    to clear them when they are asked for again, and gives each thread a pool of its own, which grow
    apart. Up to 512 MiB are kept.

    Returns
    -------
    bool
        Whether the C library knows how; others than that of GNU do not.
    """
    return _set((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _KEPT_BYTES))


@cache
def return_large_blocks() -> bool:
    """Give blocks of 32 MiB and more back to the system when they are freed; once for the process.

    Kept ones leave holes that the next block does not fit into, which can double what a process
    takes. Where memory is short, the time for clearing new ones is better spent.

    Returns
    -------
    bool
        As for :func:`keep_freed_memory`.
    """
    return _set((_MMAP_THRESHOLD, _RETURNED_FROM_BYTES), (_MMAP_MAX, _MOST_RETURNED))


def _set(*settings: tuple[int, int]) -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(parameter, value) for parameter, value in settings)


def use_large_pages() -> None:
    """Ask torch for pages of 2 MiB instead of 4 KiB on Linux, unless the user has decided.

    torch looks at this when it allocates its first tensor.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
