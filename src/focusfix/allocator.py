"""Have torch and the C library fit for feature maps that come and go by the hundred megabytes."""

import ctypes
import os
from functools import cache

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
"""Parameters of `mallopt`, as in malloc.h of the GNU C library."""

_KEPT_BYTES = 512 << 20


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
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = (
        (_ARENA_MAX, 1),
        (_MMAP_MAX, 0),
        (_TRIM_THRESHOLD, _KEPT_BYTES),
    )
    return all(mallopt(parameter, value) for parameter, value in settings)


def use_large_pages() -> None:
    """Ask torch for pages of 2 MiB instead of 4 KiB on Linux, unless the user has decided.

    torch looks at this when it allocates its first tensor.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
