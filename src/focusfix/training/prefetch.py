"""Make batches ahead of the step that needs them, on threads of their own."""

import os
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_MOST_LOADERS = 8

MadeT = TypeVar("MadeT")


def count_loaders() -> int:
    """Choose how many threads make batches: one for every two processors, 1 to 8."""
    return max(1, min(_MOST_LOADERS, (os.cpu_count() or 1) // 2))


def prefetch(
    source: Callable[[int], MadeT], first: int, last: int, *, ahead: int = 3, workers: int = 1
) -> Generator[MadeT]:
    """Make batches on threads of their own, a few steps ahead.

    Parameters
    ----------
    source : callable
        Step number to batch, or batches.
    first, last : int
        Batches ``first`` to ``last - 1`` are made.
    ahead : int
        Most batches that wait or are being made.
    workers : int
        Threads; the batches and their order do not depend on it.

    Yields
    ------
    Batch, or what ``source`` makes
        In order.
    """
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="focusfix-batches") as pool:
        pending: list[Future[MadeT]] = []
        try:
            for step in range(first, last):
                while len(pending) < ahead and step + len(pending) < last:
                    pending.append(pool.submit(source, step + len(pending)))
                yield pending.pop(0).result()
        finally:
            for future in pending:
                future.cancel()
