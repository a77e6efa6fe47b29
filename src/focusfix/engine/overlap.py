"""Overlap of reading, computing and writing: run a generator ahead, or its consumer behind.

What calls torch stays in the thread of the caller. OpenMP, which torch computes with, keeps a team
of threads for each thread that ever called it; when there are more of them than processors, teams
go to sleep between any two steps, and networks take longer.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from threading import Condition, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
        self.error: BaseException | None = None

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
            self._ended, self.error = True, error
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
        raise self.error or StopIteration


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
        yield from _take(belt)
    finally:
        belt.cancel()
        thread.join()


def run_behind(
    consume: Callable[[Iterator[Item]], Result],
    source: Iterator[Item],
    *,
    capacity: int = 2,
    name: str,
) -> Result:
    """Draw items from ``source``, and have them consumed in another thread meanwhile.

    Parameters
    ----------
    consume : callable
        Takes an iterator of the items; called in the new thread.
    source : iterator
        Drawn from in the thread of the caller; closed if it is a generator.
    capacity : int
        Items that may exist at a time, the consumer's current one included.
    name : str
        Name of the thread.

    Returns
    -------
    Result
        What ``consume`` returned.

    Raises
    ------
    BaseException
        Whatever ``consume`` raises. What ``source`` raises, or an interruption, reaches
        ``consume`` through its iterator, so that it can clean up, and comes back through it.
    """
    belt: _Belt[Item] = _Belt(capacity)
    consumer = _Consumer(consume, belt)
    thread = Thread(target=consumer.run, name=name, daemon=True)
    thread.start()
    try:
        _produce(source, belt)
    finally:
        thread.join()
    return consumer.outcome()


class _Consumer(Generic[Item, Result]):
    """A function in another thread, and how it ended."""

    def __init__(self, consume: Callable[[Iterator[Item]], Result], belt: _Belt[Item]) -> None:
        self._consume, self._belt = consume, belt
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._consume(_take(self._belt)))
        except BaseException as raised:  # noqa: BLE001  (handed to the caller, who raises it)
            self._error = raised
        finally:
            self._belt.cancel()

    def outcome(self) -> Result:
        error = self._error or self._belt.error
        if error is not None:
            raise error
        return self._results[0]


def _take(belt: _Belt[Item]) -> Generator[Item, None, None]:
    while True:
        try:
            item = belt.get()
        except StopIteration:
            return
        yield item
        del item


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
