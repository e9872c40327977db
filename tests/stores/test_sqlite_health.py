"""What `doctor` is told: durability, journal, indexes, file system, disk and log; and the size of it all."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest

from stat7 import disk
from stat7.stores.base import Check
from stat7.stores.sqlite import SQLiteStore, health
from stat7.testing.samples import samples


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    return SQLiteStore(tmp_path / "store.db")


def _check(store: SQLiteStore, name: str) -> Check:
    (found,) = (check for check in store.diagnose() if check.name == name)
    return found


def test_a_fresh_store_is_healthy(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "LITTLE", 0)
    monkeypatch.setattr(disk, "TOO_LITTLE", 0)
    checks = store.diagnose()
    assert [check.name for check in checks] == [
        "sqlite", "schema", "journal", "durability", "indexes", "file system", "disk", "log",
    ]  # fmt: skip
    assert {check.status for check in checks} == {"ok"}
    assert all(len(check.text.splitlines()) == 1 for check in checks)
    assert apsw.sqlite_lib_version() in checks[0].text


def test_normal_durability_is_warned_of(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "store.db", sync="normal") as store:
        check = _check(store, "durability")
    assert check.status == "warn"
    assert "power cut" in check.text


def test_another_journal_is_a_failure(store: SQLiteStore) -> None:
    store._writer.connection().execute("PRAGMA journal_mode = DELETE").fetchall()
    check = _check(store, "journal")
    assert check.status == "fail"
    assert "delete" in check.text


def test_another_schema_is_a_failure(store: SQLiteStore) -> None:
    with closing(apsw.Connection(store.path)) as raw:
        raw.execute("PRAGMA user_version = 99").fetchall()
    assert _check(store, "schema").status == "fail"


@pytest.mark.parametrize(("mib", "status"), [(50, "fail"), (500, "warn"), (5000, "ok")])
def test_disk_left(store: SQLiteStore, mib: int, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=mib * 2**20))
    check = _check(store, "disk")
    assert check.status == status
    assert f"{mib:,} MiB" in check.text


def test_a_log_that_has_grown_is_warned_of(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(samples(100))
    assert _check(store, "log").status == "ok"
    monkeypatch.setattr(health, "CROWDED_PAGES", 1)
    assert _check(store, "log").status == "warn"


def test_a_network_file_system_is_warned_of(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "file_system", lambda path: "nfs4")
    check = _check(store, "file system")
    assert check.status == "warn"
    assert "local disk" in check.text


def test_the_size_counts_the_log(store: SQLiteStore) -> None:
    before = store.disk_bytes()
    store.put(samples(1000))
    after = store.disk_bytes()
    assert before is not None
    assert after is not None
    assert after > before + 200_000
    store.close()
    assert store.disk_bytes() == Path(store.path).stat().st_size
