"""Marks spare finds the look at what is stored, and none of them outlives its document."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import cassandra
import pytest

from stat7.errors import Unavailable
from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import Match
from stat7.stores.cassandra import CassandraStore, erase, find, marks, put, reader
from stat7.stores.cassandra.find import Pace
from stat7.stores.cassandra.marks import Mark
from stat7.stores.cassandra.session import Connection
from stat7.testing.samples import FILES, attached, notice, sample
from stat7.testing.servers import Cassandra
from stat7.testing.store_suite import check_all, find_all
from tests.stores.cassandra import below, empty_store, marks_in, puts_cut_off, race_of_finds, wait_for_marks

QUERIES = (Query(realm="void"), Query(adjacent_to="n"), Query(file=FILES[0]))
ASKING_MORE = (
    Query(realm="void", entity_type="sample"),
    Query(realm="void", created="2020-01-01.."),
    Query(adjacent_to="n", file=FILES[0]),
)
HALF_AN_HOUR = 1_800_000_000


@pytest.fixture
def store(cassandra: Cassandra) -> Iterator[CassandraStore]:
    with empty_store(cassandra) as opened:
        yield opened


@pytest.fixture
def record(store: CassandraStore) -> Record:
    """A stored entity with three index rows; a new one, as what takes marks away outlasts the emptying of tables."""
    created = "2026-01-31T12:00:00.000Z"
    record = _linked(f"thing {uuid4()}", created_at=created)
    store.put([record])
    return record


def _linked(id: str, **facts: Any) -> Record:
    return sample(id, adjacency=["n"], files=[attached(FILES[0])], realm="void", **facts)


def _found(store: CassandraStore) -> list[list[Match]]:
    return [find_all(store, query) for query in QUERIES]


def _mark(store: CassandraStore) -> None:
    """Let finds mark the three rows."""
    _found(store)
    wait_for_marks(store, 3)


def _held_back(monkeypatch: pytest.MonkeyPatch, store: CassandraStore) -> list[Mark]:
    """The marks that finds would make, which are not made."""
    kept: list[Mark] = []
    with monkeypatch.context() as patched:
        patched.setattr(find, "mark", lambda _, made: kept.extend(made))
        assert [len(found) for found in _found(store)] == [1, 1, 1]
    assert len(kept) == 3
    return kept


def _make(store: CassandraStore, made: Sequence[Mark]) -> None:
    """Make these marks, and wait for them."""
    connection = below(store)
    sent: list[Any] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Connection, "send", lambda _, statements: sent.extend(statements))
        marks.mark(connection, made)
    connection.run_all(sent)


def _nowhere(store: CassandraStore) -> bool:
    return _found(store) == [[], [], []]


# --- what they spare


def test_what_a_find_has_seen_the_next_one_does_not_look_at(
    store: CassandraStore, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _found(store)
    assert first == [[(record.address, record.id)]] * 3
    wait_for_marks(store, 3)
    looked: list[Any] = []

    def facts_at(connection: Connection, addresses: Sequence[bytes]) -> Any:
        looked.extend(addresses)
        return reader.facts_at(connection, addresses)

    monkeypatch.setattr(find, "facts_at", facts_at)
    assert _found(store) == first
    assert looked == []
    for query in ASKING_MORE:
        looked.clear()
        assert len(find_all(store, query)) == 1, query
        assert looked == [bytes.fromhex(record.address)]


def test_marks_make_no_difference_to_check_and_compact(store: CassandraStore, record: Record) -> None:
    _mark(store)
    assert check_all(store) == []
    store.compact()
    assert marks_in(store) == 3
    assert len(_found(store)[0]) == 1


def test_a_page_reads_little_more_than_it_needs(store: CassandraStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put([sample(f"{number}", lineage=number, adjacency=["hub"]) for number in range(300)])
    read: list[int] = []
    run_all = Connection.run_all

    def counted(connection: Connection, statements: Any) -> Any:
        answers = run_all(connection, statements)
        read.append(sum(map(len, answers)))
        return answers

    monkeypatch.setattr(Connection, "run_all", counted)
    monkeypatch.setattr(find, "facts_at", lambda *_: {})
    for query in (Query(realm="data"), Query(adjacent_to="hub")):
        read.clear()
        store.find(query, None, 20)
        assert sum(read) == 20, query


def test_requests_grow_where_few_rows_fit() -> None:
    pace = Pace(100, is_selective=False)
    assert (pace.size, pace.window) == (100, 1)
    pace.note(30, 30, is_end=True)
    pace.plan(70)
    assert (pace.size, pace.window) == (70, 3)
    pace = Pace(100, is_selective=True)
    assert (pace.size, pace.window) == (500, 1)
    pace.note(400, 19, is_end=True)
    pace.plan(81)
    assert pace.size == 1000
    assert 4 <= pace.window <= 6
    pace = Pace(10, is_selective=False)
    for expected in (8, 32, 32):
        pace.note(0, 0, is_end=True)
        pace.plan(10)
        assert pace.window == expected
    pace = Pace(3000, is_selective=True)
    pace.note(3000, 0, is_end=False)
    pace.plan(3000)
    assert (pace.size, pace.window) == (3000, 1)


# --- what never gets one


def test_rows_of_a_put_that_was_cut_off_are_never_marked(store: CassandraStore) -> None:
    orphan = _linked(f"orphan {uuid4()}")
    store.put([sample(f"other {uuid4()}", realm="void")])
    with puts_cut_off(), pytest.raises(Unavailable):
        store.put([orphan])
    for _ in range(2):
        assert [len(found) for found in _found(store)] == [1, 0, 0]
        wait_for_marks(store, 1)
    store.put([orphan])
    assert [len(found) for found in _found(store)] == [2, 1, 1]


def test_a_row_that_says_something_else_than_its_document_is_not_marked(store: CassandraStore, record: Record) -> None:
    raw = below(store)
    key = "realm = 'void' AND horizon = ? AND bucket = ? AND lineage = ? AND address = ?"
    places = raw.run("SELECT horizon, bucket, lineage, address FROM $.cells")
    raw.run(f"UPDATE $.cells SET resonance = 77 WHERE {key}", *places[0])
    assert [len(found) for found in _found(store)] == [1, 1, 1]
    wait_for_marks(store, 2)
    assert raw.run("SELECT id FROM $.cells") == [(None,)]


def test_part_of_a_row_is_no_match(store: CassandraStore, record: Record) -> None:
    raw = below(store)
    places = raw.run("SELECT horizon, bucket, lineage FROM $.cells")
    key = "realm = 'void' AND horizon = ? AND bucket = ? AND lineage = ? AND address = ?"
    raw.run(f"UPDATE $.cells SET id = 'x' WHERE {key}", *places[0], b"\x07" * 32)
    assert [len(found) for found in _found(store)] == [1, 1, 1]


def test_a_find_does_not_need_to_be_able_to_mark(
    store: CassandraStore, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = below(store)

    def refused(*_: Any, **__: Any) -> Any:
        raise cassandra.Unauthorized("no")

    monkeypatch.setattr(Connection, "send", refused)
    assert len(find_all(store, QUERIES[0])) == 1
    monkeypatch.undo()
    places = connection._sending
    taken = 0
    while places.acquire(blocking=False):
        taken += 1
    assert taken == store.settings.in_flight
    assert [len(found) for found in _found(store)] == [1, 1, 1]
    time.sleep(0.1)
    assert marks_in(store) == 0
    places.release(taken)
    _mark(store)


# --- what takes them away


@pytest.mark.parametrize("way", ["withdraw", "discard"])
def test_what_is_taken_out_is_not_found_and_no_late_mark_changes_that(
    store: CassandraStore, record: Record, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    late = _held_back(monkeypatch, store)
    _mark(store)
    if way == "withdraw":
        store.withdraw([notice(record.address)])
    else:
        store.discard([record.address])
    assert _nowhere(store)
    _make(store, late)
    assert _nowhere(store)
    assert marks_in(store) == 0
    # Neither do the index rows of a put that is cut off now.
    raw = below(store)
    put._write(raw, store._realms, [record])
    raw.run("DELETE FROM $.entities WHERE address = ?", bytes.fromhex(record.address))
    _make(store, late)
    assert _nowhere(store)


@pytest.mark.parametrize("way", ["withdraw", "discard"])
@pytest.mark.parametrize("damage", ["lineage = 77", "links = null"])
def test_what_is_taken_out_is_not_found_where_it_was_before_its_row_was_damaged(
    store: CassandraStore, record: Record, way: str, damage: str
) -> None:
    _mark(store)
    below(store).run(f"UPDATE $.entities SET {damage} WHERE address = ?", bytes.fromhex(record.address))
    if way == "withdraw":
        store.withdraw([notice(record.address)])
    else:
        store.discard([record.address])
    assert _nowhere(store)
    assert check_all(store) == []


def test_a_withdrawal_that_is_cut_off_leaves_no_mark(
    store: CassandraStore, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = _held_back(monkeypatch, store)
    _mark(store)

    def cut(*_: Any) -> None:
        raise cassandra.WriteTimeout("cut", write_type=0)

    for step, count in (("_keep", 1), ("erase", 0)):
        with monkeypatch.context() as patched:
            patched.setattr(erase, step, cut)
            with pytest.raises(Unavailable):
                store.withdraw([notice(record.address)])
        for _ in range(2):
            assert [len(found) for found in _found(store)] == [count] * 3, step
            _make(store, late)
        assert marks_in(store) == 0
    store.compact()
    assert below(store).run("SELECT * FROM $.cells") == below(store).run("SELECT * FROM $.links") == []


def test_a_discard_that_is_cut_off_leaves_no_mark(
    store: CassandraStore, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    _mark(store)

    def cut(*_: Any) -> None:
        raise cassandra.WriteTimeout("cut", write_type=0)

    with monkeypatch.context() as patched:
        patched.setattr(erase, "erase_index", cut)
        with pytest.raises(Unavailable):
            store.discard([record.address])
    assert _nowhere(store)
    store.put([record])
    assert [len(found) for found in _found(store)] == [1, 1, 1]


def test_index_rows_from_the_future_lose_their_marks_all_the_same(
    store: CassandraStore, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody whose clock is ahead has put the same, and was cut off: the deletion of such rows does nothing."""
    raw, soon = below(store), int(time.time() * 1e6) + HALF_AN_HOUR
    for table in ("cells", "links"):
        names = [row[0] for row in raw.run(_COLUMNS, raw.settings.keyspace, table) if row[0] != "id"]
        for row in raw.run(f"SELECT {', '.join(names)} FROM $.{table}"):
            text = f"INSERT INTO $.{table}({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            raw.run(f"{text} USING TIMESTAMP {soon}", *row)
    late = _held_back(monkeypatch, store)
    assert {each.written for each in late} == {soon}
    _mark(store)
    store.withdraw([notice(record.address)])
    _make(store, late)
    assert len(raw.run("SELECT * FROM $.cells")) == 1
    assert _nowhere(store)


_COLUMNS = "SELECT column_name FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?"


def test_a_withdrawal_that_did_not_see_the_document_takes_the_marks_it_got_meanwhile(
    store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _linked(f"late {uuid4()}")
    keep: Callable[..., None] = erase._keep

    def and_put(connection: Connection, notices: Any) -> None:
        with CassandraStore(store.settings) as elsewhere:
            elsewhere.put([record])
            _mark(elsewhere)
        keep(connection, notices)

    monkeypatch.setattr(erase, "_keep", and_put)
    store.withdraw([notice(record.address)])
    assert _nowhere(store)
    assert below(store).run("SELECT * FROM $.links") == []


def test_a_damaged_mark_is_found_and_mended(store: CassandraStore, record: Record) -> None:
    _mark(store)
    raw = below(store)
    key = "realm = 'void' AND horizon = ? AND bucket = ? AND lineage = ? AND address = ?"
    places = raw.run("SELECT horizon, bucket, lineage, address FROM $.cells")
    raw.run(f"UPDATE $.cells SET id = 'another' WHERE {key}", *places[0])
    assert [finding.detail for finding in check_all(store)] == ["its row in cells is missing or wrong"]
    store.replace([record])
    assert check_all(store) == []
    _mark(store)
    assert _found(store) == [[(record.address, record.id)]] * 3


def test_finds_race_with_puts_and_withdrawals(store: CassandraStore) -> None:
    assert race_of_finds(store, 3.0) > 5
    assert [finding for finding in check_all(store) if finding.kind != "index"] == []
