"""Errands are handed out as others are done, and their results are taken in order."""

from types import SimpleNamespace

import pytest

from focusfix.cli import desk
from focusfix.cli.console import Console


class Promise:
    """The first of all is done last, and each time somebody looks at it the others get done."""

    def __init__(self, promises: "list[Promise]", last: int) -> None:
        self.promises = promises
        self.last = last
        self.callbacks = []
        self.is_done = False
        promises.append(self)

    def add_done_callback(self, callback) -> None:
        self.callbacks.append(callback)

    def done(self) -> bool:
        if self is self.promises[0]:
            for other in self.promises[1:]:
                other.finish()
            if len(self.promises) == self.last:
                self.finish()
        return self.is_done

    def finish(self) -> None:
        if not self.is_done:
            self.is_done = True
            for callback in self.callbacks:
                callback(self)


@pytest.fixture
def promises() -> list[Promise]:
    return []


@pytest.fixture
def counter(promises, monkeypatch):
    """A desk with two errands at a time."""
    monkeypatch.setattr(desk, "_AHEAD", 2)
    console = Console()
    console.quiet = True
    return SimpleNamespace(
        hand_out=lambda *_: Promise(promises, last=6), console=console, read=lambda _, job: job
    )


def test_a_slow_errand_holds_up_no_others(counter, promises) -> None:
    queue = desk.Queue(counter, [(number, None, "") for number in range(6)], "six")
    assert len(promises) == 2
    assert [queue.take() for _ in range(6)] == list(range(6))
    assert len(promises) == 6
