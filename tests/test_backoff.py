"""Trying again: how often, how long, and what is never tried again."""

from __future__ import annotations

import time

import pytest

from stat7.backoff import Backoff
from stat7.errors import Conflict, Stat7Error, Unavailable


class Failing:
    """Fails some times with some error, then answers how often it was called."""

    def __init__(self, times: int, error: BaseException) -> None:
        self.times = times
        self.error = error
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return self.calls


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were to be made; none takes any time."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


def test_what_answers_at_once_is_called_once(pauses: list[float]) -> None:
    assert Backoff().call(Failing(0, Unavailable(""))) == 1
    assert pauses == []


def test_attempts_are_bounded(pauses: list[float]) -> None:
    failing = Failing(3, Unavailable("away"))
    assert Backoff(attempts=4).call(failing) == 4
    with pytest.raises(Unavailable, match="away"):
        Backoff(attempts=3).call(Failing(3, Unavailable("away")))
    assert len(pauses) == 3 + 2


def test_one_attempt_means_none_again(pauses: list[float]) -> None:
    with pytest.raises(Unavailable):
        Backoff(attempts=1).call(Failing(1, Unavailable("")))
    assert pauses == []


def test_pauses_grow_to_the_most_and_are_random(pauses: list[float]) -> None:
    backoff = Backoff(attempts=9, first=0.1, most=1.0, total=1e9)
    for _ in range(200):
        backoff.call(Failing(8, Unavailable("")))
    by_number = [pauses[number::8] for number in range(8)]
    for number, each in enumerate(by_number):
        limit = min(1.0, 0.1 * 2**number)
        assert all(0 <= pause <= limit for pause in each)
        assert max(each) > 0.8 * limit
        assert min(each) < 0.2 * limit


def test_no_attempt_begins_after_the_total_time() -> None:
    started = time.monotonic()
    failing = Failing(1000, Unavailable("away"))
    with pytest.raises(Unavailable):
        Backoff(attempts=1000, first=0.02, most=0.02, total=0.2).call(failing)
    assert time.monotonic() - started < 5
    assert 2 < failing.calls < 1000


@pytest.mark.parametrize("error", [Conflict("id", "0" * 64), KeyboardInterrupt(), ValueError()])
def test_only_what_is_unavailable_is_tried_again(error: BaseException, pauses: list[float]) -> None:
    failing = Failing(1, error)
    with pytest.raises(type(error)):
        Backoff().call(failing)
    assert failing.calls == 1


def test_ctrl_c_ends_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Backoff().call(Failing(1, Unavailable("")))


def test_it_gives_up_when_told_to(pauses: list[float]) -> None:
    failing = Failing(9, Unavailable("closed"))
    with pytest.raises(Stat7Error, match="closed"):
        Backoff().call(failing, lambda: failing.calls == 2)
    assert failing.calls == 2
