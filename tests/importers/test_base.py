"""`run`: outcomes in the input's order, batches, what stops it, and that running again changes nothing."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.errors import ConfigError, Conflict, Gone, StoreFull, Unavailable
from stat7.importers import base
from stat7.importers.base import Item, Summary, run
from stat7.record import Record
from stat7.repository import Document, Status
from stat7.stores.base import HeadMove, Outcome
from stat7.testing.samples import sample, samples
from tests.importers.support import bad, imported, memory_repository
from tests.repositories import Intercepted, with_store


def items_of(records: Sequence[Record]) -> Iterator[Item]:
    return (Item(f"line {number}", record) for number, record in enumerate(records, 1))


def test_every_item_is_stored_and_a_second_run_finds_them_all_there() -> None:
    repo = memory_repository()
    assert imported(repo, items_of(samples(12))).counts() == {"read": 12, "new": 12}
    assert imported(repo, items_of(samples(12))).counts() == {"read": 12, "existed": 12}
    assert repo.store.count() == 12


def test_problems_come_in_the_order_of_the_input_with_place_and_reason() -> None:
    repo = memory_repository()
    repo.put(sample("taken", lineage=1))
    gone = sample("gone")
    repo.withdraw([gone.address], case="7", reason="asked")
    items = [
        bad("line 1"),
        Item("line 2", sample("taken", lineage=2)),
        Item("line 3", sample("fine")),
        Item("line 4", b'{"stat7":1}'),
        Item("line 5", gone),
        Item("line 6", None, Gone(repo.withdraw([gone.address], case="8", reason="again")[0])),
    ]
    done = imported(repo, items)
    assert done.counts() == {"read": 6, "new": 1, "conflict": 1, "withdrawn": 2, "bad": 2}
    assert [(problem.place, problem.status) for problem in done.problems] == [
        ("line 1", Status.REFUSED),
        ("line 2", Status.CONFLICT),
        ("line 4", Status.REFUSED),
        ("line 5", Status.WITHDRAWN),
        ("line 6", Status.WITHDRAWN),
    ]
    assert isinstance(done.problems[1].error, Conflict)
    assert "missing" in str(done.problems[2].error)
    assert "asked" in str(done.problems[3].error)


def test_all_forms_of_document_are_taken() -> None:
    record = sample("one")
    forms: list[Document] = [record, record.document, record.document.decode(), json.loads(record.document)]
    done = imported(memory_repository(), [Item(str(index), form) for index, form in enumerate(forms)])
    assert done.counts() == {"read": 4, "new": 1, "existed": 3}


def test_an_item_with_nothing_in_it_is_bad() -> None:
    assert imported(memory_repository(), [Item("line 1", None)]).counts() == {"read": 1, "bad": 1}


def test_an_error_of_a_kind_keeps_its_kind() -> None:
    items = [Item("a", None, Conflict("a", "0" * 64)), Item("b", None, ConfigError("no"))]
    statuses = [problem.status for problem in imported(memory_repository(), items).problems]
    assert statuses == [Status.CONFLICT, Status.REFUSED]


def test_batches_are_of_the_given_size_and_reported_once_each() -> None:
    reports: list[tuple[str, int, int | None]] = []
    imported(memory_repository(), items_of(samples(7)), batch=3, total=7, report=lambda *told: reports.append(told))
    assert reports == [("entities", 3, 7), ("entities", 6, 7), ("entities", 7, 7)]


def test_a_batch_ends_early_when_its_documents_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_BATCH_BYTES", 1000)
    reports: list[int] = []
    big = [sample(f"big-{number}", state={"text": "x" * 600}) for number in range(4)]
    imported(memory_repository(), items_of(big), report=lambda _, done, __: reports.append(done))
    assert reports == [2, 4]


def test_a_batch_ends_early_when_items_are_slow_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def slow() -> Iterator[Item]:
        nonlocal now
        for item in items_of(samples(4)):
            now += 0.6
            yield item

    monkeypatch.setattr("stat7.importers.base.time.monotonic", lambda: now)
    reports: list[int] = []
    imported(memory_repository(), slow(), report=lambda _, done, __: reports.append(done))
    assert reports == [3, 4]


def test_no_items_is_fine_and_reports_nothing() -> None:
    assert imported(memory_repository(), []).summary == Summary()


@given(st.lists(st.sampled_from("abcde!"), max_size=40), st.integers(1, 9))
def test_outcomes_do_not_depend_on_the_size_of_batches(plan: list[str], batch: int) -> None:
    def items() -> list[Item]:
        return [bad(str(at)) if name == "!" else Item(str(at), sample(name)) for at, name in enumerate(plan)]

    whole, parts = imported(memory_repository(), items()), imported(memory_repository(), items(), batch=batch)
    assert (whole.summary, whole.reasons()) == (parts.summary, parts.reasons())
    assert whole.summary.new == len(set(plan) - {"!"})


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=12), st.integers(1, 5))
def test_running_again_is_a_no_op_whatever_the_items(plan: list[tuple[str, int]], batch: int) -> None:
    repo = memory_repository()
    records = [sample(name, lineage=lineage) for name, lineage in plan]
    first = imported(repo, items_of(records), batch=batch)
    stored = repo.store.count()
    again = imported(repo, items_of(records), batch=batch)
    assert (again.summary.new, repo.store.count()) == (0, stored)
    assert again.summary.conflict == first.summary.conflict


class Failing(Intercepted):
    """A store that fails from its n-th put on."""

    def __init__(self, inner: object, healthy: int, error: Exception) -> None:
        super().__init__(inner)
        self.healthy = healthy
        self.error = error

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        self.healthy -= 1
        if self.healthy < 0:
            raise self.error
        return self.inner.put(records, moves)  # type: ignore[no-any-return]


@pytest.mark.parametrize("error", [Unavailable("it is down"), StoreFull("no room")])
def test_a_failing_store_stops_the_run_after_the_problems_of_its_batch(error: Exception) -> None:
    repo = memory_repository()
    failing = with_store(repo, Failing(repo.store, 1, error))
    problems: list[Any] = []
    read = 0

    def items() -> Iterator[Item]:
        nonlocal read
        for item in [*items_of(samples(3)), bad("line 4"), *items_of(samples(30, "other"))]:
            read += 1
            yield item

    with pytest.raises(type(error), match=str(error)):
        run(failing, items(), on_problem=problems.append, batch=3)
    assert [problem.status for problem in problems] == [Status.REFUSED, *[Status.UNAVAILABLE] * 2]
    assert read == 6
    assert imported(repo, items()).counts() == {"read": 34, "new": 30, "existed": 3, "bad": 1}


def test_what_came_before_a_failure_of_the_iterator_is_stored_first() -> None:
    repo = memory_repository()

    def items() -> Iterator[Item]:
        yield from items_of(samples(2))
        raise ConfigError("the source went away")

    with pytest.raises(ConfigError, match="went away"):
        run(repo, items(), on_problem=lambda problem: None)
    assert repo.store.count() == 2


def test_an_interrupt_passes_and_leaves_what_was_stored() -> None:
    repo = memory_repository()

    def items() -> Iterator[Item]:
        yield from items_of(samples(4))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(repo, items(), on_problem=lambda problem: None, batch=3)
    assert repo.store.count() == 3
    assert gc.isenabled()
    assert imported(repo, items_of(samples(4))).counts() == {"read": 4, "new": 1, "existed": 3}


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_paused_and_left_as_it_was_found(enabled: bool) -> None:
    seen: list[bool] = []

    def items() -> Iterator[Item]:
        seen.append(gc.isenabled())
        yield from items_of(samples(1))

    (gc.enable if enabled else gc.disable)()
    try:
        imported(memory_repository(), items())
        assert (seen, gc.isenabled()) == ([False], enabled)
    finally:
        gc.enable()


def test_cycles_made_meanwhile_are_collected_with_each_batch() -> None:
    class Node:
        def __init__(self) -> None:
            self.me = self

    made: list[weakref.ref[Node]] = []

    def items() -> Iterator[Item]:
        for item in items_of(samples(6)):
            made.append(weakref.ref(Node()))
            yield item

    imported(memory_repository(), items(), batch=2)
    assert sum(ref() is not None for ref in made) <= 2


def test_a_file_that_is_not_stored_is_refused_by_name() -> None:
    entry = {"name": "a.png", "media_type": "image/png", "size": 1, "sha256": "0" * 64}
    done = imported(memory_repository(), [Item("line 1", sample("a", files=[entry]))])
    assert done.counts() == {"read": 1, "bad": 1}
    assert "a.png" in str(done.problems[0].error)
