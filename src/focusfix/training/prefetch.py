"""Make batches ahead of the step that needs them, on threads of their own."""

import os
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_MOST_LOADERS = 8
_TURN_S = 0.0005

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
    prefix = "focusfix-batches"
    with _short_turns(), ThreadPoolExecutor(workers, thread_name_prefix=prefix) as pool:
        pending: list[Future[MadeT]] = []
        try:
            for step in range(first, last):
                while len(pending) < ahead and step + len(pending) < last:
                    pending.append(pool.submit(source, step + len(pending)))
                yield pending.pop(0).result()
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let threads change more often.

    The training thread gives the interpreter away with each of its many calls of torch, and would
    get it back only after the 5 ms that Python grants a thread that opens files.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _TURN_S))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
