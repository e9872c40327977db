"""Gathering: many threads' puts in one transaction, each with its own answer; only the culprit of an error sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from stat7.errors import StoreFull, Unavailable
from stat7.query import Query
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.sqlite import SQLiteStore, connection, writer
from stat7.testing.samples import forge, notice, sample, samples
from stat7.testing.store_suite import check_all, find_all, race

THREADS = 16


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    with SQLiteStore(tmp_path / "store.db", busy_timeout=5) as store:
        yield store


@pytest.fixture
def commits(store: SQLiteStore) -> Iterator[list[int]]:
    """The number of puts in each transaction that is tried."""
    sizes: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_carry_out", "_carry_out_hopefully"):
            patch.setattr(writer, name, _noting(lambda puts: sizes.append(len(puts)), getattr(writer, name)))
        yield sizes


def _append(tried: list[str], name: str, puts: object) -> None:
    tried.append(name)


def _noting(note: Callable[[Any], None], carry_out: Any) -> Any:
    def carry_out_and_note(raw: apsw.Connection, puts: Any) -> Any:
        note(puts)
        return carry_out(raw, puts)

    return carry_out_and_note


@contextmanager
def _held_up(store: SQLiteStore) -> Iterator[None]:
    """Let nothing be written until the block ends; what is put meanwhile queues up."""
    begun, gate = threading.Event(), threading.Event()

    def hold_up(raw: apsw.Connection) -> None:
        begun.set()
        gate.wait(timeout=60)

    holder = threading.Thread(target=store._writer.outside, args=(hold_up,))
    holder.start()
    begun.wait(timeout=60)
    try:
        yield
    finally:
        gate.set()
        holder.join(timeout=60)


def _together(store: SQLiteStore, works: list[Any]) -> list[Any]:
    """Run each in a thread of its own, queued in this order before the first is begun; results or errors, in order."""
    results: list[Any] = [None] * len(works)

    def run(number: int) -> None:
        try:
            results[number] = works[number]()
        except (Exception, KeyboardInterrupt) as error:
            results[number] = error

    with _held_up(store):
        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            while len(store._writer._queue) < waiting:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join(timeout=60)
    return results


def test_what_waits_together_is_stored_in_one_transaction(store: SQLiteStore, commits: list[int]) -> None:
    records = samples(THREADS)
    works = [
        lambda record=record: store.put([record], [HeadMove(record.id, None, record.address)]) for record in records
    ]
    assert _together(store, works) == [([Outcome.NEW], [True])] * THREADS
    assert commits == [THREADS]
    assert store.heads([record.id for record in records]) == {record.id: record.address for record in records}


def test_each_gets_its_own_answers(store: SQLiteStore) -> None:
    old, gone, new, other = samples(4)
    store.put([old], [HeadMove("old", None, old.address)])
    store.withdraw([notice(gone.address)])
    answers = _together(
        store,
        [
            lambda: store.put(
                [old, new], [HeadMove("old", old.address, new.address), HeadMove("x", None, gone.address)]
            ),
            lambda: store.put([gone], []),
            lambda: store.swap_heads([HeadMove("x", None, gone.address), HeadMove("y", new.address, None)]),
            lambda: store.put([], []),
            lambda: store.put([other, other], [HeadMove("y", None, other.address)]),
        ],
    )
    assert answers == [
        ([Outcome.EXISTED, Outcome.NEW], [True, False]),
        ([Outcome.WITHDRAWN], []),
        [True, False],
        ([], []),
        ([Outcome.NEW, Outcome.EXISTED], [True]),
    ]


def test_of_threads_that_put_the_same_only_the_first_is_new(store: SQLiteStore) -> None:
    record = sample()
    move = HeadMove("thing", None, record.address)
    answers = _together(store, [lambda: store.put([record], [move])] * 5)
    assert sorted(outcomes[0].value for outcomes, _ in answers) == ["existed"] * 4 + ["new"]
    assert sorted(made[0] for _, made in answers) == [False] * 4 + [True]


def test_only_the_culprit_sees_an_error(store: SQLiteStore, commits: list[int]) -> None:
    good, bad = samples(8), sample("bad")._replace(lineage=2**70)
    answers = _together(store, [lambda record=record: store.put([record]) for record in (*good[:4], bad, *good[4:])])
    assert [type(answer) for answer in answers] == [tuple] * 4 + [OverflowError] + [tuple] * 4
    assert commits[0] == 9
    assert store.has([record.address for record in (*good, bad)]) == {record.address for record in good}
    assert store.get([bad.address]) == {}
    assert store.put([sample("after")])[0] == [Outcome.NEW]
    assert check_all(store) == []


def test_large_puts_are_not_gathered(store: SQLiteStore, commits: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_MOST_GATHERED", 25)
    batches = [samples(10, f"batch {number}") for number in range(5)] + [samples(60, "large")]
    answers = _together(store, [lambda batch=batch: store.put(batch) for batch in batches])
    assert [len(outcomes) for outcomes, _ in answers] == [10] * 5 + [60]
    assert sum(commits) == 6
    assert max(commits) == 2
    assert store.count() == 110


def test_sixteen_threads_lose_nothing(store: SQLiteStore, commits: list[int]) -> None:
    records = samples(THREADS * 30)

    def work(number: int) -> None:
        for record in records[number::THREADS]:
            assert store.put([record], [HeadMove(record.id, None, record.address)]) == ([Outcome.NEW], [True])
            assert store.get([record.address]) == {record.address: record.document}

    race(THREADS, work)
    assert store.count() == len(records)
    assert sum(commits) == len(records)
    assert len(commits) < len(records)
    assert len(store.heads([record.id for record in records])) == len(records)
    assert check_all(store) == []


def test_an_interrupt_in_one_thread_leaves_the_others_served(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out = writer._carry_out_hopefully
    struck: list[bool] = []

    def strike(raw: apsw.Connection, puts: Any) -> Any:
        done = carry_out(raw, puts)
        if not struck:
            struck.append(True)
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(writer, "_carry_out_hopefully", strike)
    records = samples(6)
    answers = _together(store, [lambda record=record: store.put([record]) for record in records])
    assert isinstance(answers[0], KeyboardInterrupt)
    assert answers.count(([Outcome.NEW], [])) == 5
    assert store.count() == 5
    assert not store._writer._queue


def test_what_was_interrupted_while_it_waited_is_never_done(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(job: writer._Job) -> None:
        raise KeyboardInterrupt

    with _held_up(store), monkeypatch.context() as patch:
        patch.setattr(writer._Job, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.put(samples(1))
        assert not store._writer._queue
    assert store.put([sample("next")])[0] == [Outcome.NEW]
    assert store.count() == 1


def test_a_leader_that_was_interrupted_hands_the_lead_on(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    wait, first = writer._Job.wait, samples(1)[0]

    def interrupted(job: writer._Job) -> None:
        wait(job)
        if isinstance(job, writer._Put) and first in job.records:
            raise KeyboardInterrupt

    monkeypatch.setattr(writer._Job, "wait", interrupted)
    answers = _together(store, [lambda: store.put([first]), lambda: store.put([sample("next")])])
    assert isinstance(answers[0], KeyboardInterrupt)
    assert answers[1] == ([Outcome.NEW], [])
    assert not store._writer._led
    assert store.count() == 1


def test_hope_that_everything_is_new_is_given_up_and_comes_back(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    for name in ("_carry_out", "_carry_out_hopefully"):
        monkeypatch.setattr(writer, name, _noting(partial(_append, tried, name), getattr(writer, name)))
    records = samples(6)
    for batch in (records[:2], records[1:3], records[3:4], records[4:]):
        store.put(batch)
    hopeful, careful = "_carry_out_hopefully", "_carry_out"
    assert tried == [hopeful, hopeful, careful, careful, hopeful]
    assert store.count() == 6


def test_a_head_that_exists_is_not_moved_by_hope(store: SQLiteStore) -> None:
    first, second, third = samples(3)
    store.put([first], [HeadMove("thing", None, first.address)])
    moves = [HeadMove("thing", None, second.address), HeadMove("other", None, third.address)]
    assert store.put([second, third], moves) == ([Outcome.NEW] * 2, [False, True])
    assert store.heads(["thing", "other"]) == {"thing": first.address, "other": third.address}


def test_forged_collisions_within_a_batch_of_new_ones(store: SQLiteStore) -> None:
    batch = [forge(sample(f"{number}"), b"\x42" * 31 + bytes([number % 3])) for number in range(6)]
    outcomes, _ = store.put([*samples(5), *batch])
    assert outcomes == [Outcome.NEW] * 8 + [Outcome.EXISTED] * 3
    assert len(find_all(store, Query())) == 8
    assert check_all(store) == []


# --- others who write


def test_another_writer_is_waited_for(store: SQLiteStore) -> None:
    with closing(apsw.Connection(store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=lambda: store.put(samples(1)))
        waiting.start()
        waiting.join(timeout=0.3)
        assert waiting.is_alive()
        assert store.count() == 0
        other.execute("ROLLBACK")
        waiting.join(timeout=30)
    assert store.count() == 1


def test_a_writer_that_never_ends_makes_the_store_unavailable(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "store.db", busy_timeout=0.2) as store, closing(apsw.Connection(store.path)) as other:
        store.put(samples(1))
        other.execute("BEGIN IMMEDIATE")
        answers = _together(store, [lambda number=number: store.put([sample(f"{number}")]) for number in range(3)])
        assert [type(answer) for answer in answers] == [Unavailable] * 3
        assert all("another process holds" in str(answer) for answer in answers)
        for call in (
            lambda: store.withdraw([notice("a" * 64)]),
            lambda: store.discard(["a" * 64]),
            lambda: store.set_mark("x", "y"),
            lambda: store.swap_heads([HeadMove("x", None, "a" * 64)]),
            store.compact,
        ):
            with pytest.raises(Unavailable):
                call()
        assert store.count() == 1
        other.execute("ROLLBACK")
        assert store.put([sample("0")])[0] == [Outcome.NEW]


def test_patience_ends_and_begins_anew_for_each_lock() -> None:
    patience = connection.Patience(0.05)
    attempts = 0
    while patience(attempts):
        attempts += 1
    assert attempts > 2
    assert patience(0)
    assert not connection.Patience(0)(0)


# --- a full disk


def test_a_full_disk_stores_nothing_of_the_call_and_the_store_stays_usable(store: SQLiteStore) -> None:
    store.put(samples(20))
    raw = store._writer.connection()
    pages: Any = raw.execute("PRAGMA page_count").fetchall()[0][0]
    raw.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    large = [sample(f"large {number}", state={"text": "x" * 10_000}) for number in range(50)]
    with pytest.raises(StoreFull, match="free some disk space"):
        store.put(large, [HeadMove(record.id, None, record.address) for record in large])
    assert store.count() == 20
    assert store.heads([record.id for record in large]) == {}
    assert len(store.get([record.address for record in samples(20)])) == 20
    answers = _together(store, [lambda: store.put(large), lambda: store.set_mark("a", "b")][:1])
    assert [type(answer) for answer in answers] == [StoreFull]
    raw.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert store.put(large)[0] == [Outcome.NEW] * 50
    assert check_all(store) == []


def test_a_small_put_still_fits_when_a_large_one_gathered_with_it_does_not(store: SQLiteStore) -> None:
    store.put(samples(20))
    raw = store._writer.connection()
    pages: Any = raw.execute("PRAGMA page_count").fetchall()[0][0]
    raw.execute(f"PRAGMA max_page_count = {int(pages) + 2}").fetchall()
    large = sample("large", state={"text": "x" * 200_000})
    answers = _together(store, [lambda: store.put([large]), lambda: store.put([sample("small")])])
    assert isinstance(answers[0], StoreFull)
    assert answers[1] == ([Outcome.NEW], [])


# --- the log


def _impatient(monkeypatch: pytest.MonkeyPatch, pages: int, crowded: int, folder: Path) -> SQLiteStore:
    """A store whose log is copied back after a few pages."""
    monkeypatch.setattr(connection, "CHECKPOINT_PAGES", pages)
    monkeypatch.setattr(connection, "CROWDED_PAGES", crowded)
    return SQLiteStore(folder / "log.db")


def test_the_log_is_copied_back_and_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _impatient(monkeypatch, 50, 200, tmp_path) as store:
        for number in range(60):
            store.put(samples(20, f"{number}"))
        assert Path(f"{store.path}-wal").stat().st_size < 300 * 8192


def test_the_log_stays_bounded_while_somebody_always_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that overlap keep the log from ever beginning anew, unless the writer waits for a gap."""
    stop = threading.Event()
    with _impatient(monkeypatch, 50, 200, tmp_path) as store:

        def read() -> None:
            with closing(apsw.Connection(store.path)) as raw:
                while not stop.is_set():
                    raw.execute("BEGIN")
                    raw.execute("SELECT count(*) FROM documents").fetchall()
                    stop.wait(0.01)
                    raw.execute("COMMIT")

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        try:
            for number in range(80):
                store.put(samples(20, f"{number}"))
        finally:
            stop.set()
            for reader in readers:
                reader.join()
        assert Path(f"{store.path}-wal").stat().st_size < 500 * 8192
        assert store.count() == 1600


def test_a_log_that_cant_be_copied_back_fails_no_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_CROWDED_PATIENCE", 0.01)
    with _impatient(monkeypatch, 5, 10, tmp_path) as store, closing(apsw.Connection(store.path)) as raw:
        raw.execute("BEGIN")
        raw.execute("SELECT count(*) FROM documents").fetchall()
        for number in range(10):
            assert store.put(samples(5, f"{number}"))[0] == [Outcome.NEW] * 5
        raw.execute("COMMIT")
        assert store.count() == 50
