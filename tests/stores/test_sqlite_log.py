"""Processes that share the log: turns, one sync for several commits, and a disk or a holder that fails."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import apsw
import pytest

from stat7.errors import StoreFull, Unavailable
from stat7.fsync import fsync_data
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.sqlite import SQLiteStore, log
from stat7.stores.sqlite.connection import fetch
from stat7.stores.sqlite.log import SHARED
from stat7.testing.samples import notice, sample

pytest.importorskip("fcntl", reason="this system has no locks of this kind: each syncs for itself")


class Disk:
    """Stands before the real fsync: counts, holds up on demand, fails on demand."""

    def __init__(self, real: object) -> None:
        self.syncs = 0
        self.error: OSError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Semaphore(0)
        self._real = real

    def __call__(self, descriptor: int) -> None:
        self.syncs += 1
        self.begun.release()
        assert self.gate.wait(timeout=60)
        if self.error is not None:
            raise self.error
        assert callable(self._real)
        self._real(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(fsync_data)
    monkeypatch.setattr(log, "fsync_data", disk)
    return disk


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[SQLiteStore]]:
    """Three writers of one file, each with connection and locks of its own, as processes have them."""
    with ExitStack() as stack:
        yield [stack.enter_context(SQLiteStore(tmp_path / "store.db", busy_timeout=10)) for _ in range(3)]


def _put(store: SQLiteStore, name: str) -> None:
    record = sample(name)
    assert store.put([record], [HeadMove(record.id, None, record.address)]) == ([Outcome.NEW], [True])


def _start(store: SQLiteStore, name: str) -> threading.Thread:
    thread = threading.Thread(target=_put, args=(store, name))
    thread.start()
    return thread


def _wait_until_stored(store: SQLiteStore, name: str) -> None:
    end = time.monotonic() + 30
    while not store.has([sample(name).address]):
        assert time.monotonic() < end
        time.sleep(0.001)


def test_one_sync_serves_all_commits_before_it_and_none_after(stores: list[SQLiteStore], disk: Disk) -> None:
    disk.gate.clear()
    first = _start(stores[0], "first")
    assert disk.begun.acquire(timeout=30)
    # These two commit while the first one's sync is under way: it can't answer for them, but one more can for both.
    later = [_start(stores[1], "second"), _start(stores[2], "third")]
    for name in ("second", "third"):
        _wait_until_stored(stores[0], name)
    assert disk.syncs == 1
    disk.gate.set()
    for thread in (first, *later):
        thread.join(timeout=60)
    assert disk.syncs == 2


def test_a_put_that_finds_everything_stored_is_no_sooner_durable(stores: list[SQLiteStore], disk: Disk) -> None:
    disk.gate.clear()
    first = _start(stores[0], "same")
    assert disk.begun.acquire(timeout=30)
    record = sample("same")
    again = threading.Thread(target=stores[1].put, args=([record],))
    again.start()
    again.join(timeout=0.2)
    assert again.is_alive()
    disk.gate.set()
    for thread in (first, again):
        thread.join(timeout=60)
    assert disk.syncs == 2


def test_erasures_are_durable_before_they_are_seen(stores: list[SQLiteStore], disk: Disk) -> None:
    _put(stores[0], "entity")
    disk.error = OSError(errno.EIO, "must not be asked")
    stores[0].withdraw([notice(sample("entity").address)])
    assert stores[1].has([sample("entity").address]) == set()


def test_nothing_is_synced_where_that_was_not_asked_for(tmp_path: Path, disk: Disk) -> None:
    with SQLiteStore(tmp_path / "store.db", sync="normal") as store:
        _put(store, "entity")
    assert disk.syncs == 0
    assert not (tmp_path / f"store.db{SHARED}").exists()


@pytest.mark.parametrize(("code", "kind"), [(errno.EIO, Unavailable), (errno.ENOSPC, StoreFull)])
def test_a_failing_disk_is_told_to_all_who_wait_and_later_made_good(
    stores: list[SQLiteStore], disk: Disk, code: int, kind: type[Exception]
) -> None:
    disk.error = OSError(code, "the reason")
    with pytest.raises(kind, match=r"the reason.*may not survive a power cut"):
        _put(stores[0], "unsure")
    disk.error = None
    copied: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        real = fetch

        def noted(connection: apsw.Connection, statement: str) -> list[Any]:
            copied.append(statement)
            return real(connection, statement)

        patch.setattr(log, "fetch", noted)
        # Another process, which hears of the failure by the counts.
        _put(stores[1], "sure")
        _put(stores[0], "surer")
    assert copied == ["PRAGMA wal_checkpoint(FULL)"]


def test_after_a_failure_nothing_is_acknowledged_while_the_log_cannot_be_copied_back(
    stores: list[SQLiteStore], disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.error = OSError(errno.EIO, "the reason")
    with pytest.raises(Unavailable):
        _put(stores[0], "unsure")
    disk.error = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "fetch", lambda connection, statement: [(1, 10, 5)])
        with pytest.raises(Unavailable, match="readers keep the log"):
            _put(stores[0], "still unsure")
    _put(stores[0], "sure")


@pytest.mark.parametrize("suffix", ["-wal", SHARED])
def test_a_holder_that_never_lets_go_costs_only_time(
    stores: list[SQLiteStore], monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(log, "_TURN_PATIENCE", 0.01)
    monkeypatch.setattr(log, "_SYNC_PATIENCE", 0.01)
    _put(stores[0], "before")
    with open(stores[0].path + suffix, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _put(stores[0], "meanwhile")
        _put(stores[1], "meanwhile too")


def test_counts_that_cannot_be_kept_leave_each_to_sync_for_itself(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / f"store.db{SHARED}").mkdir()
    with SQLiteStore(tmp_path / "store.db") as store:
        _put(store, "one")
        _put(store, "two")
    assert disk.syncs == 2


def test_a_system_without_such_locks_does_without(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "fcntl", None)
    with SQLiteStore(tmp_path / "store.db") as store:
        _put(store, "one")
        _put(store, "two")
        assert not (tmp_path / f"store.db{SHARED}").exists()
    assert disk.syncs == 2


def test_the_last_to_close_leaves_nothing_beside_the_database(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with SQLiteStore(path) as store:
        with SQLiteStore(path) as other:
            _put(store, "one")
            _put(other, "two")
        assert (tmp_path / f"store.db{SHARED}").exists()
    assert os.listdir(tmp_path) == ["store.db"]


def test_a_log_that_somebody_removed_is_one_clear_error(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "store.db") as store:
        os.remove(f"{store.path}-wal")
        with pytest.raises(Unavailable, match="No such file"):
            _put(store, "entity")
