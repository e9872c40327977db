"""What `doctor` is told of a server, and giving space back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stat7.stores.base import Check
from stat7.stores.postgresql import PostgreSQLStore, Settings, health
from stat7.testing.samples import notice, sample, samples
from stat7.testing.servers import PostgreSQL
from tests.stores.postgresql import Opening, below


def _checks(store: PostgreSQLStore) -> dict[str, Check]:
    return {check.name: check for check in store.diagnose()}


def test_a_fresh_store_is_healthy(open_postgresql: Opening) -> None:
    store = open_postgresql()
    checks = _checks(store)
    assert list(checks) == [
        "postgresql", "schema", "encoding", "durability", "indexes", "vacuum", "latency", "server clock", "connections",
    ]  # fmt: skip
    assert {name for name, check in checks.items() if check.status == "fail"} == set()
    assert checks["durability"].status == checks["schema"].status == checks["indexes"].status == "ok"
    assert all(len(check.text.splitlines()) == 1 for check in checks.values())
    assert store.capabilities.durable


@pytest.mark.parametrize(
    ("setting", "status"),
    [({"fsync": "off", "full_page_writes": "off"}, "fail"), ({"synchronous_commit": "off"}, "warn")],
)
def test_a_server_that_may_lose_writes_says_so(
    start_server: Callable[[PostgreSQL], PostgreSQL], setting: dict[str, str], status: str
) -> None:
    server = start_server(PostgreSQL(setting))
    with PostgreSQLStore(Settings(server.url())) as store:
        assert not store.capabilities.durable
        checks = _checks(store)
    assert checks["durability"].status == status
    assert "power cut" in checks["durability"].text
    assert ("full pages" in checks) == ("full_page_writes" in setting)


def test_what_is_wrong_is_told(open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_postgresql(pool=500)
    with below(store) as raw:
        raw.execute("DROP INDEX cov; UPDATE about SET version = 7")
    monkeypatch.setattr(health, "_OLDEST", 990_000)
    monkeypatch.setattr("stat7.stores.latency.SLOW_MS", 0.0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    checks = _checks(store)
    assert {name for name, check in checks.items() if check.status != "ok"} == {
        "postgresql", "schema", "indexes", "latency", "server clock", "connections",
    }  # fmt: skip
    assert "cov" in checks["indexes"].text


def test_a_large_table_that_was_never_vacuumed_is_warned_of(open_postgresql: Opening) -> None:
    store = open_postgresql()
    with below(store) as raw:
        raw.execute("ALTER TABLE entities SET (autovacuum_enabled = off)")
        raw.execute("ALTER TABLE entities ALTER COLUMN document SET STORAGE PLAIN")
        raw.execute(
            "INSERT INTO entities(address, document) SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'),"
            " convert_to(repeat('x', 7000), 'UTF8') FROM generate_series(1, 1100) AS n"
        )
        assert _checks(store)["vacuum"].status == "warn"
        raw.execute("VACUUM entities")
    assert _checks(store)["vacuum"].status == "ok"


def test_compact_gives_space_back_and_erases(
    start_server: Callable[[PostgreSQL], PostgreSQL],
) -> None:
    server = start_server(PostgreSQL())
    with PostgreSQLStore(Settings(server.url())) as store:
        secret = sample("secret", state={"word": "xyzzy-plugh" * 20})
        store.put([secret, *samples(2000)])
        with below(store) as raw:
            raw.execute("CHECKPOINT")
        assert _holding(server, b"xyzzy-plugh")
        before = store.disk_bytes()
        store.withdraw([notice(secret.address)])
        store.discard([record.address for record in samples(2000)[:1500]])
        freed = store.compact()
        with below(store) as raw:
            raw.execute("CHECKPOINT")
        assert freed > 0
        assert store.disk_bytes() < before
        assert store.count() == 500
        assert not _holding(server, b"xyzzy-plugh")


def _holding(server: PostgreSQL, text: bytes) -> list[Path]:
    """Files of tables and indexes that hold the text."""
    return [
        path for path in (server.folder / "data" / "base").rglob("*") if path.is_file() and text in path.read_bytes()
    ]
