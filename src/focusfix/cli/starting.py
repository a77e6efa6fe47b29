"""What a run sets up before it imports anything large.

Garbage is not looked for meanwhile: what is imported is none, and torch brings a million objects.
Python would go through them several times on the way, and once more at the end.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


def leave_processors_to_torch() -> None:
    """Have numpy's products of matrices use one thread, unless the user has decided.

    The threads of OpenBLAS go on looking for work for a while after each product, and hold up
    those of torch, which wait for each other after every step. Comes before numpy is imported.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


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
