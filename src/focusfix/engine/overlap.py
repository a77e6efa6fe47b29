"""Overlap of reading, computing and writing: run a generator ahead of its consumer."""

from collections import deque
from collections.abc import Generator, Iterator
from threading import Condition, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Belt(Generic[Item]):
    """Bounded hand-over between one producing thread and one consumer.

    At most ``capacity`` items exist at a time, from before one is produced until the consumer
    asks for the next.
    """

    def __init__(self, capacity: int) -> None:
        self._condition = Condition()
        self._items: deque[Item] = deque()
        self._free = capacity
        self._handed_out = False
        self._ended = False
        self._cancelled = False
        self._error: BaseException | None = None

    def reserve(self) -> bool:
        """Wait until one more item may exist; False once nobody wants it."""
        with self._condition:
            self._condition.wait_for(lambda: self._free > 0 or self._cancelled)
            self._free -= 1
            return not self._cancelled

    def put(self, item: Item) -> None:
        with self._condition:
            self._items.append(item)
            self._condition.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        with self._condition:
            self._ended, self._error = True, error
            self._condition.notify_all()

    def cancel(self) -> None:
        with self._condition:
            self._cancelled = True
            self._items.clear()
            self._condition.notify_all()

    def get(self) -> Item:
        """Give the previous item up and wait for the next; StopIteration at the end."""
        with self._condition:
            self._free += self._handed_out
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._items or self._ended)
            self._handed_out = bool(self._items)
            if self._items:
                return self._items.popleft()
        raise self._error or StopIteration


def run_ahead(
    source: Iterator[Item], *, capacity: int = 2, name: str
) -> Generator[Item, None, None]:
    """Draw items from ``source`` in a thread of its own, ahead of the consumer.

    Parameters
    ----------
    source : iterator
        Drawn from in the new thread only; closed there if it is a generator.
    capacity : int
        Items that may exist at a time, the consumer's current one included.
    name : str
        Name of the thread.

    Yields
    ------
    Item
        The items of ``source``, in order.

    Raises
    ------
    BaseException
        Whatever ``source`` raises, at the point in the order where it was raised. Closing this
        generator early stops the thread after its current step.
    """
    belt: _Belt[Item] = _Belt(capacity)
    thread = Thread(target=_produce, args=(source, belt), name=name, daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = belt.get()
            except StopIteration:
                return
            yield item
            del item
    finally:
        belt.cancel()
        thread.join()


def _produce(source: Iterator[Item], belt: _Belt[Item]) -> None:
    error: BaseException | None = None
    try:
        _fill(source, belt)
    except BaseException as raised:  # noqa: BLE001  (handed to the consumer, who raises it)
        error = raised
    finally:
        belt.end(error)


def _fill(source: Iterator[Item], belt: _Belt[Item]) -> None:
    try:
        while belt.reserve():
            try:
                item = next(source)
            except StopIteration:
                return
            belt.put(item)
            del item
    finally:
        if isinstance(source, Generator):
            source.close()
