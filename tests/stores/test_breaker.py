"""The breaker: when it opens, whom it lets through, when it closes."""

from __future__ import annotations

from stat7.stores.breaker import Breaker


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock) -> Breaker:
    """One that opens after two failures for ten seconds, and did."""
    breaker = Breaker(2, 10.0, clock)
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(2, 10.0, Clock())
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.allows()
    breaker.failed()
    breaker.failed()
    assert not breaker.allows()


def test_one_caller_is_let_through_after_a_while() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 9.9
    assert not breaker.allows()
    clock.now += 0.2
    assert [breaker.allows() for _ in range(4)] == [True, False, False, False]
    clock.now += 10.1
    assert [breaker.allows() for _ in range(2)] == [True, False]


def test_it_stays_open_if_that_one_failed_and_closes_if_it_went_well() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 10.1
    assert breaker.allows()
    breaker.failed()
    clock.now += 9.9
    assert not breaker.allows()
    clock.now += 0.2
    assert breaker.allows()
    breaker.succeeded()
    assert [breaker.allows() for _ in range(4)] == [True] * 4
