"""What stops a write halfway, or races with it, leaves nothing wrong behind."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cassandra
import pytest
from cassandra import protocol

from stat7.address import Address
from stat7.errors import Unavailable
from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.cassandra import CassandraStore, put
from stat7.stores.cassandra.claims import Claims
from stat7.stores.cassandra.session import Connection
from stat7.testing.samples import FILES, attached, forge, notice, sample, samples
from stat7.testing.servers import Cassandra
from stat7.testing.store_suite import check_all, find_all, scan_all
from tests.stores.cassandra import below, empty_store, puts_cut_off

FUTURE = int((time.time() + 5) * 1e6)
ONE, TWO, THREE = (f"{number:064x}" for number in (1, 2, 3))


@pytest.fixture
def store(cassandra: Cassandra) -> Iterator[CassandraStore]:
    with empty_store(cassandra) as opened:
        yield opened


def _linked(id: str = "thing") -> Record:
    return sample(id, adjacency=["n"], files=[attached(FILES[0])], realm="void")


def _rows(store: CassandraStore) -> dict[str, int]:
    return {name: len(below(store).run(f"SELECT * FROM $.{name}")) for name in ("entities", "cells", "links")}


# --- claims


def test_claims_let_one_at_a_time_hold_an_address() -> None:
    claims, order = Claims(), []

    def hold(names: Sequence[str]) -> None:
        with claims.of(names):
            order.append("in")
            time.sleep(0.01)
            order.append("out")

    threads = [threading.Thread(target=hold, args=(names,)) for names in (["a", "b"], ["b", "c"], ["c", "b", "a"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == ["in", "out"] * 3
    with claims.of(["a"]), claims.of(["b"]):
        pass


# --- puts that are cut off


def test_index_rows_without_a_document_are_passed_over_and_completed_by_putting_again(store: CassandraStore) -> None:
    record = _linked()
    with puts_cut_off(), pytest.raises(Unavailable):
        store.put([record])
    assert _rows(store) == {"entities": 0, "cells": 1, "links": 2}
    for query in (Query(), Query(realm="void"), Query(adjacent_to="n"), Query(file=FILES[0])):
        assert find_all(store, query) == []
    assert store.named_files(FILES) == set()
    assert store.put([record])[0] == [Outcome.NEW]
    assert find_all(store, Query(adjacent_to="n")) == [(record.address, record.id)]


def _after_writing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let `act` happen once, between a put's writes and its second look."""
    write, done = put._write, itertools.count()

    def written(*args: Any) -> None:
        write(*args)
        if not next(done):
            act()

    monkeypatch.setattr(put, "_write", written)


def test_a_withdrawal_between_look_and_write_wins_and_leaves_no_byte(
    store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, other = _linked(), sample("other")
    with CassandraStore(store.settings) as elsewhere:
        raw = below(elsewhere)

        def withdraw() -> None:
            # As if it had looked for the document before the put wrote it: the notice stands, nothing was erased.
            elsewhere.withdraw([notice("e" * 64)])
            columns = "case_name, reason, withdrawn_at, notice_digest"
            kept = raw.run(f"SELECT {columns} FROM $.entities WHERE address = ?", bytes.fromhex("e" * 64))[0]
            update = "UPDATE $.entities SET case_name = ?, reason = ?, withdrawn_at = ?, notice_digest = ?"
            raw.run(f"{update} WHERE address = ?", *kept, bytes.fromhex(record.address))

        _after_writing(monkeypatch, withdraw)
        move = HeadMove(record.id, None, record.address)
        assert store.put([record, other], [move]) == ([Outcome.WITHDRAWN, Outcome.NEW], [False])
    assert _rows(store)["links"] == 0
    assert find_all(store, Query()) == [(other.address, other.id)]
    assert store.count() == 1


def test_a_put_that_a_deletion_from_the_future_hides_is_written_until_it_shows(
    store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _linked()

    def hide() -> None:
        soon = int((time.time() + 0.3) * 1e6)
        text = f"DELETE FROM $.entities USING TIMESTAMP {soon} WHERE address = ?"
        below(store).run(text, bytes.fromhex(record.address))

    _after_writing(monkeypatch, hide)
    assert store.put([record])[0] == [Outcome.NEW]
    assert store.get([record.address]) == {record.address: record.document}
    assert check_all(store) == []


def test_clocks_that_differ_too_much_are_told_and_nothing_is_acknowledged(store: CassandraStore) -> None:
    record, stored = _linked(), _linked("stored")
    far = int((time.time() + 3600) * 1e6)
    below(store).run(f"DELETE FROM $.entities USING TIMESTAMP {far} WHERE address = ?", bytes.fromhex(record.address))
    with pytest.raises(Unavailable, match="NTP"):
        store.put([record])
    store.put([stored])
    update = f"UPDATE $.entities USING TIMESTAMP {far} SET id = 'stored' WHERE address = ?"
    below(store).run(update, bytes.fromhex(stored.address))
    with pytest.raises(Unavailable, match="NTP"):
        store.discard([stored.address])


# --- heads of which nobody knows whether they moved


def _unknown(monkeypatch: pytest.MonkeyPatch, error: Exception, *, carried_out: bool, times: int = 1) -> None:
    """The first lightweight transactions end by `error`, carried out or not."""
    try_all, left = Connection.try_all, itertools.count()

    def tried(connection: Connection, text: str, values: Any) -> Any:
        if next(left) >= times:
            return try_all(connection, text, values)
        if carried_out:
            try_all(connection, text, values)
        return [error for _ in values]

    monkeypatch.setattr(Connection, "try_all", tried)


def _bare() -> Exception:
    error: Exception = protocol.ErrorMessage(code=0x1700, message="unknown", info=None)
    return error


@pytest.mark.parametrize("error", [cassandra.WriteTimeout("x", write_type=5), _bare(), cassandra.OperationTimedOut()])
def test_a_move_that_was_not_carried_out_is_tried_again(
    store: CassandraStore, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    store.swap_heads([HeadMove("b", None, ONE), HeadMove("c", None, ONE)])
    _unknown(monkeypatch, error, carried_out=False, times=3)
    moves = [HeadMove("a", None, TWO), HeadMove("b", ONE, TWO), HeadMove("c", ONE, None)]
    assert store.swap_heads(moves) == [True, True, True]
    assert store.heads(["a", "b", "c"]) == {"a": TWO, "b": TWO}


def test_a_move_that_was_carried_out_comes_as_not_made(store: CassandraStore, monkeypatch: pytest.MonkeyPatch) -> None:
    _unknown(monkeypatch, _bare(), carried_out=True)
    assert store.swap_heads([HeadMove("a", None, TWO)]) == [False]
    assert store.heads(["a"]) == {"a": TWO}


def test_moves_that_stay_unknown_end_in_time(cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch) -> None:
    with empty_store(cassandra, timeout=1.5) as store:
        _unknown(monkeypatch, _bare(), carried_out=False, times=10**9)
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="try again"):
            store.swap_heads([HeadMove("a", None, TWO)])
        assert time.monotonic() - begun < 8
        with pytest.raises(Unavailable):
            store.withdraw([notice(THREE)])


def test_an_error_that_says_what_was_not_done_is_raised(store: CassandraStore, monkeypatch: pytest.MonkeyPatch) -> None:
    error = cassandra.Unavailable("x", required_replicas=2, alive_replicas=1)
    _unknown(monkeypatch, error, carried_out=False, times=2)
    with pytest.raises(Unavailable, match="too few nodes"):
        store.swap_heads([HeadMove("a", None, TWO)])
    with pytest.raises(Unavailable, match="too few nodes"):
        store.withdraw([notice(THREE)])


def test_a_notice_of_unknown_outcome_is_kept_once(store: CassandraStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for carried_out in (True, False):
        record = _linked(f"{carried_out}")
        store.put([record])
        with monkeypatch.context() as patched:
            _unknown(patched, _bare(), carried_out=carried_out)
            store.withdraw([notice(record.address)])
        assert store.get([record.address]) == {record.address: notice(record.address, id=record.id)}
    assert _rows(store)["links"] == 0


# --- leftovers


def test_compact_erases_what_a_late_write_left_of_a_withdrawn_document(store: CassandraStore) -> None:
    record = _linked()
    store.withdraw([notice(record.address), notice(ONE)])
    put._write(below(store), store._realms, [record])
    assert store.get([record.address]) == {record.address: notice(record.address)}
    assert store.has([record.address]) == set()
    assert find_all(store, Query(realm="void")) == []
    assert store.count() == 1
    assert store.compact() == len(record.document)
    assert _rows(store) == {"entities": 2, "cells": 0, "links": 0}
    assert store.compact() == store.count() == 0
    assert check_all(store) == []


def test_heads_that_share_a_token_are_walked_one_by_one(store: CassandraStore) -> None:
    """Anybody can make ids of one token, as these are in 64 bits of MurmurHash3."""
    from stat7.stores.cassandra import walk

    records = [forge(each, bytes([number]) * 32) for number, each in enumerate(samples(6))]
    store.put(records)
    page: Address | None = None
    seen = []
    original = walk.token_of
    try:
        # Every key seems to lie at the ring's beginning, so only their bytes tell them apart.
        walk.token_of = lambda key: walk.FIRST_TOKEN
        ordered = sorted(each.address for each in records)
        rows, is_last = walk.Walk("scan", "entities", "address", ()).page(below(store), bytes.fromhex(ordered[2]), 2)
        assert len(rows) == 2
        assert not is_last
    finally:
        walk.token_of = original
    while True:
        result = store.scan(page, 1)
        seen += [address for address, _ in result.items]
        page = result.cursor
        if page is None:
            break
    assert sorted(seen) == ordered
    assert len(scan_all(store, 2)) == 6
