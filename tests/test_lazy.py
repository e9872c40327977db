"""What is opened when it is first needed."""

from __future__ import annotations

import threading

import pytest

from stat7.errors import Unavailable
from stat7.lazy import Lazy
from stat7.testing.store_suite import race


class Thing:
    """Counts how often it is made and closed."""

    made = 0
    closed = 0

    def __init__(self) -> None:
        type(self).made += 1

    def close(self) -> None:
        """Count."""
        type(self).closed += 1


@pytest.fixture
def thing() -> type[Thing]:
    """With counts of its own."""

    class Mine(Thing):
        """One."""

    return Mine


def test_it_is_opened_once_and_for_all(thing: type[Thing]) -> None:
    lazy = Lazy(thing)
    assert thing.made == 0
    barrier = threading.Barrier(8)

    def ask(_: int) -> Thing:
        barrier.wait()
        return lazy.opened()

    assert len(set(map(id, race(8, ask)))) == 1
    assert thing.made == 1


def test_it_is_closed_only_if_it_was_opened(thing: type[Thing]) -> None:
    lazy = Lazy(thing)
    lazy.close()
    assert thing.closed == 0
    lazy.opened()
    lazy.close()
    assert thing.closed == 1


def test_what_could_not_be_opened_is_tried_again(thing: type[Thing]) -> None:
    down = [True]

    def open_it() -> Thing:
        if down:
            raise Unavailable("away")
        return thing()

    lazy = Lazy(open_it)
    with pytest.raises(Unavailable):
        lazy.opened()
    down.clear()
    assert isinstance(lazy.opened(), Thing)
