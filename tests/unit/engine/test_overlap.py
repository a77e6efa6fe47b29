"""Running a generator ahead in a thread: order, errors, early ends, bounded numbers."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from focusfix.engine.overlap import run_ahead, run_behind
from focusfix.errors import InputError

NAME = "focusfix-test"


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == NAME]


def test_items_arrive_in_order_and_the_thread_ends() -> None:
    assert list(run_ahead(iter(range(50)), name=NAME)) == list(range(50))
    assert _threads() == []


def test_errors_keep_their_place_and_type() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise InputError("Something is wrong.", "Do something.")

    items = run_ahead(failing(), name=NAME)
    assert next(items) == 1
    with pytest.raises(InputError, match="Something is wrong"):
        next(items)
    assert _threads() == []


def test_closing_early_stops_the_thread_and_closes_the_source() -> None:
    closed_in: list[str] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed_in.append(threading.current_thread().name)

    items = run_ahead(endless(), name=NAME)
    next(items)
    items.close()
    assert closed_in == [NAME]
    assert _threads() == []


def test_an_error_while_closing_does_not_hang() -> None:
    def stubborn() -> Iterator[int]:
        try:
            yield 0
            yield 1
        finally:
            raise ValueError("cannot close")

    items = run_ahead(stubborn(), name=NAME)
    next(items)
    items.close()
    assert _threads() == []


@pytest.mark.parametrize("capacity", [1, 2, 5])
def test_no_more_items_exist_than_the_capacity(capacity: int) -> None:
    alive, most = 0, 0
    lock = threading.Lock()

    def counted() -> Iterator[int]:
        nonlocal alive, most
        for item in range(30):
            with lock:
                alive += 1
                most = max(most, alive)
            yield item

    for _ in run_ahead(counted(), capacity=capacity, name=NAME):
        threading.Event().wait(0.001)
        with lock:
            alive -= 1
    assert most <= capacity


def test_chains_of_threads_end_together() -> None:
    inner = run_ahead(iter(range(1000)), name=NAME)
    outer = run_ahead(inner, name=NAME)
    assert next(outer) == 0
    outer.close()
    assert _threads() == []


def test_behind_items_are_made_here_and_consumed_there() -> None:
    made_in: set[str] = set()
    consumed_in: set[str] = set()

    def source() -> Iterator[int]:
        for item in range(20):
            made_in.add(threading.current_thread().name)
            yield item

    def consume(items: Iterator[int]) -> list[int]:
        consumed_in.add(threading.current_thread().name)
        return list(items)

    assert run_behind(consume, source(), name=NAME) == list(range(20))
    assert made_in == {threading.current_thread().name}
    assert consumed_in == {NAME}
    assert _threads() == []


@pytest.mark.parametrize("error", [InputError("Cut off.", "Copy it."), KeyboardInterrupt()])
def test_behind_errors_of_the_source_go_through_the_consumer(error: BaseException) -> None:
    cleaned_up: list[bool] = []

    def failing() -> Iterator[int]:
        yield 1
        raise error

    def consume(items: Iterator[int]) -> None:
        try:
            for _ in items:
                pass
        finally:
            cleaned_up.append(True)

    with pytest.raises(type(error)):
        run_behind(consume, failing(), name=NAME)
    assert cleaned_up == [True]
    assert _threads() == []


def test_behind_an_error_of_the_source_is_told_even_if_the_consumer_ignores_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise InputError("Cut off.", "Copy it.")

    def consume(items: Iterator[int]) -> int:
        with suppress(InputError):
            list(items)
        return 0

    with pytest.raises(InputError, match="Cut off"):
        run_behind(consume, failing(), name=NAME)


def test_behind_a_consumer_that_fails_stops_the_source() -> None:
    closed: list[int] = []

    def endless() -> Iterator[int]:
        made = 0
        try:
            while True:
                made += 1
                yield made
        finally:
            closed.append(made)

    def consume(items: Iterator[int]) -> None:
        next(items)
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        run_behind(consume, endless(), name=NAME)
    assert closed
    assert closed[0] <= 4
    assert _threads() == []
