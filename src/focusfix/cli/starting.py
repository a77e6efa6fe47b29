"""Start without looking for garbage: what is imported is none, and torch brings a million objects.

Python would go through them several times on the way, and once more at the end.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage inside, and never at what is there by the end of it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def collect_again() -> None:
    """Forget what an earlier run in this process has kept out."""
    gc.unfreeze()
