"""RetryingStore: the suites over a store that fails now and then, and what an answer that was lost may not do."""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from stat7.backoff import Backoff
from stat7.errors import Unavailable
from stat7.files.memory import MemoryFiles
from stat7.query import Query
from stat7.repository import Repository
from stat7.stores.base import HeadMove, Outcome, Store
from stat7.stores.memory import MemoryStore
from stat7.stores.retrying import RetryingStore
from stat7.stores.wrapping import StoreWrapper
from stat7.testing.samples import chain, notice, sample, samples
from tests.stores.wrapped import WrappedMemory

QUICK = Backoff(attempts=40, first=0.0001, most=0.0001, total=60.0)


class Lossy(StoreWrapper):
    """Loses requests before they are carried out, or the answers of those that were, as `loses` decides of each call.

    It returns "request", "answer" or "".
    """

    def __init__(self, inner: Store, loses: Callable[[str], str]) -> None:
        super().__init__(inner)
        self.calls: list[str] = []
        for name, method in inspect.getmembers(StoreWrapper, inspect.isfunction):
            if not name.startswith("_") and name not in {"close", "diagnose"}:
                setattr(self, name, self._lossy(name, method, loses))

    def _lossy(self, name: str, method: Callable[..., Any], loses: Callable[[str], str]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.calls.append(name)
            lost = loses(name)
            if lost == "request":
                raise Unavailable("the request was lost")
            answer = method(self, *args)
            if lost == "answer":
                raise Unavailable("the answer was lost")
            return answer

        return call


def first_lost(what: str, *methods: str) -> Callable[[str], str]:
    """Loses what the first call of each of these methods is about."""
    waiting = set(methods)

    def loses(name: str) -> str:
        if name not in waiting:
            return ""
        waiting.remove(name)
        return what

    return loses


class TestRetryingStore(WrappedMemory):
    """The conformance suites, with every fourth request lost (of those that are tried again)."""

    def wrap(self, inner: Store) -> StoreWrapper:
        """Over a store that loses requests."""
        chance = random.Random(5)
        once = {"discard", "compact"}
        loses = lambda name: "request" if name not in once and chance.random() < 0.25 else ""  # noqa: E731
        return RetryingStore(Lossy(inner, loses), QUICK)


def lost_answer(*methods: str) -> tuple[RetryingStore, Lossy]:
    """A store, the answers of whose first calls of these methods are lost."""
    lossy = Lossy(MemoryStore(), first_lost("answer", *methods))
    return RetryingStore(lossy, QUICK), lossy


def test_a_put_whose_answer_was_lost_is_completed() -> None:
    store, lossy = lost_answer("put")
    record = sample()
    assert store.put([record], [HeadMove(record.id, None, record.address)]) == ([Outcome.EXISTED], [False])
    assert lossy.calls == ["put", "put"]
    assert store.heads([record.id]) == {record.id: record.address}
    assert Repository(store, MemoryFiles()).put_many([record])[0].error is None


def test_a_swap_whose_answer_was_lost_is_made_once() -> None:
    store, _ = lost_answer("swap_heads")
    assert store.swap_heads([HeadMove("thing", None, "a" * 64)]) == [False]
    assert store.heads(["thing"]) == {"thing": "a" * 64}


def test_a_swap_whose_request_was_lost_is_made() -> None:
    lossy = Lossy(MemoryStore(), first_lost("request", "swap_heads"))
    store = RetryingStore(lossy, QUICK)
    assert store.swap_heads([HeadMove("thing", None, "a" * 64)]) == [True]
    assert lossy.calls == ["swap_heads", "swap_heads"]


def test_histories_put_through_lost_answers_are_whole() -> None:
    chance = random.Random(7)
    lossy = Lossy(MemoryStore(), lambda name: chance.choice(["", "", "", "answer", "request"]))
    repo = Repository(RetryingStore(lossy, QUICK), MemoryFiles())
    versions = chain("hero", 12)
    for version in versions:
        assert repo.put(version) == version.address
    assert repo.head("hero") == versions[-1].address
    assert [each.address for each in repo.history("hero")] == [each.address for each in reversed(versions)]


def test_withdrawing_again_keeps_the_notice() -> None:
    store, _ = lost_answer("withdraw")
    record = sample()
    store.put([record])
    store.withdraw([notice(record.address)])
    assert store.get([record.address]) == {record.address: notice(record.address, id=record.id)}


def test_a_discard_is_never_repeated() -> None:
    store, lossy = lost_answer("discard")
    with pytest.raises(Unavailable):
        store.discard([sample().address])
    assert lossy.calls == ["discard"]


def test_compact_is_long_and_not_repeated() -> None:
    store, lossy = lost_answer("compact")
    with pytest.raises(Unavailable):
        store.compact()
    assert lossy.calls == ["compact"]


def test_a_store_that_stays_away_costs_bounded_time() -> None:
    store = RetryingStore(
        Lossy(MemoryStore(), lambda name: "request"), Backoff(attempts=3000, first=0.01, most=0.02, total=0.1)
    )
    for call in (lambda: store.get(["a"]), lambda: store.find(Query(), None, 1), lambda: store.put(samples(1))):
        started = time.monotonic()
        with pytest.raises(Unavailable):
            call()
        assert time.monotonic() - started < 5


def test_a_closed_store_is_not_tried_again() -> None:
    store = RetryingStore(MemoryStore(), Backoff(attempts=5, first=30.0, most=30.0, total=1000.0))
    store.close()
    started = time.monotonic()
    with pytest.raises(Unavailable, match="closed"):
        store.count()
    assert time.monotonic() - started < 10
