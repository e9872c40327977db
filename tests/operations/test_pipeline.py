"""Results come in order, few items are held, and an error ends everything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event, Lock

import pytest

from stat7.operations.pipeline import pipelined


def test_results_come_in_the_order_of_the_items() -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(pipelined(work, range(20), 4)) == [(number, number * number) for number in range(20)]
    assert list(pipelined(work, [], 4)) == []


def test_several_are_worked_on_at_once_and_no_more_than_asked() -> None:
    lock, running, most = Lock(), 0, 0
    both = Event()

    def work(number: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if running == 2:
            both.set()
        both.wait(10)
        with lock:
            running -= 1

    list(pipelined(work, range(10), 2))
    assert most == 2


def test_items_are_read_only_as_far_ahead_as_is_worked_on() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    for taken, _ in enumerate(pipelined(str, items(), 3), 1):
        assert len(read) <= taken + 6


@pytest.mark.parametrize("where", ["work", "items", "taker"])
def test_an_error_stops_what_has_begun_and_what_has_not(where: str) -> None:
    stop, worked = Event(), []

    def items() -> Iterator[int]:
        for number in range(50):
            if where == "items" and number == 5:
                raise KeyError(number)
            yield number

    def work(number: int) -> int:
        worked.append(number)
        if where == "work" and number == 2:
            raise KeyError(number)
        if number > 3:
            assert stop.wait(10)
        return number

    def take() -> None:
        for _, number in pipelined(work, items(), 2, stop):
            if where == "taker" and number == 2:
                raise KeyError(number)

    with pytest.raises(KeyError):
        take()
    # The generator that was left in the middle ends when it is collected.
    assert stop.wait(10)
    assert len(worked) <= 8


def test_what_ends_well_leaves_the_event_alone() -> None:
    stop = Event()
    list(pipelined(str, range(5), 2, stop))
    assert not stop.is_set()
