"""The slowed store: slower by its share, whatever it answers, and otherwise the same."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any, cast

import pytest

import stat7
from stat7.errors import NotFound
from stat7.repository import Repository
from stat7.stores.base import Store
from stat7.stress.sabotage import speed as sabotage_speed
from stat7.stress.sabotage.speed import Slowed
from stat7.stress.workload import Workload

CALL_NS = 1_000_000
LOOK_NS = 1_000


class Clock:
    """A clock that moves by a look at it, and by what the store takes."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += LOOK_NS
        return self.now


class Timed:
    """A store each of whose calls takes CALL_NS."""

    def __init__(self, inner: Store, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in ("get", "put"):
            return found

        def call(*arguments: Sequence[Any]) -> Any:
            self._clock.now += CALL_NS
            return found(*arguments)

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(sabotage_speed, "perf_counter_ns", made)
    return made


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_each_call_takes_its_share_longer_and_answers_the_same(clock: Clock, share: float) -> None:
    plain = stat7.open("memory:")
    timed = Repository(cast(Store, Timed(plain.store, clock)), plain.files)
    slowed = Slowed(share)(timed)
    document = Workload(7).document(0)

    def taken(work: Any) -> int:
        begun = clock.now
        work()
        return clock.now - begun

    address = plain.put(document)
    assert slowed.put(document) == address
    assert slowed.get_document(address) == plain.get_document(address)
    assert slowed.get_documents([address]) == plain.get_documents([address])
    with pytest.raises(NotFound):
        slowed.get_document("0" * 64)
    expected = pytest.approx(CALL_NS * (1 + share), rel=0.02)
    assert taken(lambda: slowed.get_document(address)) == expected
    assert taken(lambda: slowed.get_documents([address])) == expected
    assert taken(lambda: slowed.put(Workload(7).document(1))) == expected


def test_it_can_be_handed_to_workers() -> None:
    assert pickle.loads(pickle.dumps(Slowed(0.3))) == Slowed(0.3)  # noqa: S301 - written here
