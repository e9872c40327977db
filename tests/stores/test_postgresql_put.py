"""Puts of one, few and many records; races with others and with withdrawals; clients that die in the middle."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from stat7.record import Notice, Record
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.postgresql import PostgreSQLStore, put
from stat7.stores.postgresql.put import FEW
from stat7.stores.postgresql.session import Session
from stat7.testing.samples import attached, chain, forge, notice, random_records, sample, samples
from stat7.testing.servers import FaultProxy, PostgreSQL
from stat7.testing.store_suite import check_all, race, scan_all
from tests.stores.postgresql import Opening, below, url_through

NEW, EXISTED, WITHDRAWN = Outcome.NEW, Outcome.EXISTED, Outcome.WITHDRAWN
SIZES = (1, 2, FEW, FEW + 1, 200)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_of_batch_keeps_every_fact(open_postgresql: Opening, size: int) -> None:
    store = open_postgresql()
    records = random_records(size, size)
    moves = [HeadMove(record.id, None, record.address) for record in records]
    assert store.put(records, moves) == ([NEW] * size, [True] * size)
    assert store.get([record.address for record in records]) == {r.address: r.document for r in records}
    assert store.heads([record.id for record in records]) == {r.id: r.address for r in records}
    assert check_all(store) == []
    assert store.put(records, moves) == ([EXISTED] * size, [False] * size)


@pytest.mark.parametrize("size", SIZES)
def test_moves_of_every_kind_beside_every_size(open_postgresql: Opening, size: int) -> None:
    store = open_postgresql()
    records = samples(size)
    first, second, third = chain("thing", 3)
    store.put([first], [HeadMove("thing", None, first.address), HeadMove("gone", None, first.address)][:1])
    store.swap_heads([HeadMove("gone", None, first.address)])
    assert store.put([*records, second], [HeadMove("thing", first.address, second.address)])[1] == [True]
    moves = [
        HeadMove("thing", first.address, third.address), HeadMove("gone", first.address, None),
        HeadMove("none", None, None), HeadMove("new", None, second.address),
    ]  # fmt: skip
    assert store.put([*records, third], moves)[1] == [False, True, True, True]
    assert store.put([third], [HeadMove("thing", second.address, third.address)]) == ([EXISTED], [True])
    assert store.heads(["thing", "gone", "none", "new"]) == {"thing": third.address, "new": second.address}


@pytest.mark.parametrize("size", SIZES)
def test_no_head_is_moved_to_what_was_withdrawn(open_postgresql: Opening, size: int) -> None:
    store = open_postgresql()
    records = samples(size)
    gone = records[-1]
    store.withdraw([notice(gone.address)])
    moves = [HeadMove(record.id, None, record.address) for record in records]
    assert store.put(records, moves) == ([NEW] * (size - 1) + [WITHDRAWN], [True] * (size - 1) + [False])
    store.put([], [HeadMove(gone.id, None, "1" * 64)])
    assert store.put(records, [HeadMove(gone.id, "1" * 64, gone.address)])[1] == [False]


def test_a_single_put_takes_one_round_trip_and_a_batch_a_few(
    open_postgresql: Opening,
    postgres_server: PostgreSQL,
    postgres_url: str,
    fault_proxy: Callable[[PostgreSQL], FaultProxy],
) -> None:
    proxy = fault_proxy(postgres_server)
    store = open_postgresql(url_through(postgres_url, proxy.port))

    def trips(records: Sequence[Record]) -> int:
        before = proxy.round_trips
        store.put(records, [HeadMove(record.id, None, record.address) for record in records])
        return proxy.round_trips - before

    for warm in ("a", "b", "c", "d", "e", "f", "g"):
        for size in (1, 5, 300):
            trips(samples(size, f"{warm}{size}"))
    assert trips(samples(1, "one")) == 1
    assert trips(samples(5, "few")) == 1
    assert trips(samples(300, "many")) <= 7
    before = proxy.round_trips
    store.get([record.address for record in samples(200)])
    assert proxy.round_trips - before == 1


@pytest.mark.parametrize("size", [1, 4])
def test_what_somebody_stores_at_the_same_moment_has_existed(
    open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The statement began before the other's commit: it can neither store the record nor see it."""
    store = open_postgresql()
    records = samples(size)
    first = min(records)
    with below(store) as raw:
        raw.execute("BEGIN")
        raw.execute(
            "INSERT INTO entities(address, document, realm) VALUES(%s, %s, 'data')",
            (bytes.fromhex(first.address), first.document),
        )
        threading.Timer(0.5, raw.execute, ("COMMIT",)).start()
        outcomes, moved = store.put(records, [HeadMove(first.id, None, first.address)])
        time.sleep(0.2)
    expected = {record.address: NEW for record in records} | {first.address: EXISTED}
    assert outcomes == [expected[record.address] for record in records]
    assert moved == [True]


def test_puts_and_withdrawals_of_the_same_records_leave_them_withdrawn(open_postgresql: Opening) -> None:
    store = open_postgresql()
    records = [sample(f"{n}", adjacency=["n"], files=[attached("a" * 64)]) for n in range(60)]
    outcomes: list[list[Outcome]] = []

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(25):
            some = chance.sample(records, chance.choice((1, 1, 3, 20)))
            if number % 3 == 0:
                store.withdraw([notice(record.address) for record in some])
            elif number % 3 == 1:
                outcomes.append(store.put(some, [HeadMove(r.id, None, r.address) for r in some])[0])
            else:
                store.replace(some) if chance.random() < 0.5 else store.discard([r.address for r in some])

    race(6, work)
    held = dict(scan_all(store))
    for address in {record.address for record in records} & held.keys():
        kept = held[address]
        again = store.put([next(record for record in records if record.address == address)])[0]
        assert again == [WITHDRAWN if isinstance(kept, Notice) else EXISTED]
    assert check_all(store) == []


def test_batches_in_any_order_with_heads_dont_wait_for_each_other(open_postgresql: Opening) -> None:
    store = open_postgresql()
    versions = [chain(f"id {number}", 2) for number in range(60)]
    olds, news = [pair[0] for pair in versions], [pair[1] for pair in versions]

    def work(number: int) -> int:
        chance = random.Random(number)
        made = 0
        for _ in range(6):
            some = chance.sample(range(60), 40)
            moves = [HeadMove(olds[n].id, None, olds[n].address) for n in some[:20]]
            moves += [HeadMove(olds[n].id, olds[n].address, news[n].address) for n in some[20:]]
            made += sum(store.put([*(olds[n] for n in some), *(news[n] for n in some)], moves)[1])
        return made

    made = sum(race(6, work))
    heads = store.heads([record.id for record in olds])
    assert made == sum(1 + (heads[new.id] == new.address) for new in news if new.id in heads)
    assert check_all(store) == []


def test_two_stores_of_one_schema_see_each_other(open_postgresql: Opening) -> None:
    first, second = open_postgresql(), open_postgresql()
    record = sample()
    first.put([record], [HeadMove(record.id, None, record.address)])
    assert second.heads([record.id]) == {record.id: record.address}
    second.withdraw([notice(record.address)])
    assert first.put([record])[0] == [WITHDRAWN]
    with open_postgresql(schema="another") as other:
        assert other.count() == 0


WRITER = """
import sys
from stat7.registry import open_store
from stat7.stores.base import HeadMove
from stat7.testing.samples import samples
with open_store(sys.argv[1]) as store:
    for turn in range(100_000):
        for size in (1, 5, 40):
            records = samples(size, f"{sys.argv[2]} {turn} {size}")
            store.put(records, [HeadMove(record.id, None, record.address) for record in records])
        print(turn, flush=True)
"""


def _writer(url: str, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, url, name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUTF8": "1"})


def test_clients_killed_in_the_middle_leave_whole_batches(open_postgresql: Opening, postgres_url: str) -> None:
    store = open_postgresql()
    for round_ in range(2):
        writers = [_writer(postgres_url, f"{round_} {number}") for number in range(2)]
        last = []
        for writer in writers:
            assert writer.stdout is not None
            last.append(max(int(writer.stdout.readline()) for _ in range(4 + 3 * round_)))
        for number, writer in enumerate(writers):
            writer.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
            writer.communicate(timeout=30)
            for turn in range(last[number] + 1):
                for size in (1, 5, 40):
                    records = samples(size, f"{round_} {number} {turn} {size}")
                    assert store.put(records)[0] == [EXISTED] * size
                    assert len(store.heads([record.id for record in records])) == size
    sizes = {40: 0, 5: 0, 1: 0}
    for id, _ in _heads(store):
        sizes[int(id.split()[3].partition("-")[0])] += 1
    assert sizes[40] % 40 == sizes[5] % 5 == 0
    assert store.count() == sum(sizes.values())
    assert check_all(store) == []


def _heads(store: PostgreSQLStore) -> list[tuple[str, str]]:
    page: Any = store.scan_heads(None, 100_000)
    assert page.cursor is None
    return list(page.items)


def test_a_batch_that_fails_leaves_nothing(open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_postgresql()

    def fail(*args: object, **kwargs: object) -> list[bool]:
        raise RuntimeError("interrupted")

    monkeypatch.setattr(put, "move_heads", fail)
    with pytest.raises(RuntimeError):
        store.put(samples(100), [HeadMove("a", None, samples(1)[0].address)])
    monkeypatch.undo()
    assert store.count() == 0
    assert store.put(samples(100), [HeadMove("a", None, samples(1)[0].address)])[1] == [True]


def test_forged_addresses_under_one_prefix_go_by_every_way(open_postgresql: Opening) -> None:
    store = open_postgresql()
    records = [forge(sample(f"{n}", adjacency=["n"]), b"\x5a" * 31 + bytes([n])) for n in range(60)]
    store.put(records[:1])
    store.put(records[:10])
    assert store.put(records)[0] == [EXISTED] * 10 + [NEW] * 50
    assert [address for address, _ in scan_all(store, 7)] == [record.address for record in records]


def test_a_refused_statement_is_told_by_the_single_put_too(open_postgresql: Opening) -> None:
    store = open_postgresql()
    session: Session = store._sessions.take()
    session.connection.pgconn.exec_(b"SET statement_timeout = 1")
    store._sessions.give(session)
    with below(store) as raw, raw.transaction():
        raw.execute("LOCK TABLE entities IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Exception, match="in time"):
            store.put(samples(1))
        with pytest.raises(Exception, match="in time"):
            store.get([sample().address])


@pytest.mark.parametrize("count", [1, 5, 40])
def test_documents_are_kept_as_they_are_and_not_compressed(open_postgresql: Opening, count: int) -> None:
    store = open_postgresql()
    store.put([sample(f"{number}", state={"story": "the keeper of the gate, " * 400}) for number in range(count)])
    with below(store) as raw:
        kept = raw.execute("SELECT count(*) FROM entities WHERE pg_column_size(document) < octet_length(document)")
        assert kept.fetchone() == (0,)
