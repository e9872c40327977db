"""How a schema is made, by many at once, brought up to date, or refused; and ids compared bytewise."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql

from stat7.errors import ConfigError, Unavailable
from stat7.query import Query
from stat7.stores.base import HeadMove
from stat7.stores.postgresql import PostgreSQLStore, Settings, schema
from stat7.testing.samples import HOSTILE_IDS, notice, sample, samples
from stat7.testing.servers import PostgreSQL
from stat7.testing.store_suite import check_all, race, scan_all_heads
from tests.stores.postgresql import Opening, below


def test_many_may_make_the_same_schema_at_once(postgres_url: str) -> None:
    def work(number: int) -> int:
        with PostgreSQLStore(Settings(postgres_url, pool=1)) as store:
            store.put([sample(f"{number}")])
            return store.count()

    assert max(race(8, work)) == 8


def test_a_schema_of_another_program_is_refused_and_left_alone(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute("CREATE SCHEMA stat7")
        raw.execute("CREATE TABLE stat7.invoices(n int)")
        with pytest.raises(ConfigError, match="another program"):
            PostgreSQLStore(Settings(postgres_url))
        assert raw.execute("SELECT relname FROM pg_class WHERE relnamespace = 'stat7'::regnamespace").fetchall() == [
            ("invoices",)
        ]


def test_an_empty_schema_made_by_the_administrator_is_used(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute("CREATE SCHEMA tenant_7")
    with PostgreSQLStore(Settings(postgres_url, schema="tenant_7")) as store:
        store.put(samples(2))
        assert store.count() == 2


def test_a_newer_schema_is_refused_and_one_without_version_too(open_postgresql: Opening) -> None:
    store = open_postgresql()
    store.put(samples(2))
    with below(store) as raw:
        raw.execute("UPDATE about SET version = 99")
        with pytest.raises(ConfigError, match="newer stat7"):
            open_postgresql()
        raw.execute("DELETE FROM about")
        with pytest.raises(ConfigError, match="backup"):
            open_postgresql()
        assert raw.execute("SELECT count(*) FROM entities").fetchone() == (2,)


def test_an_older_schema_is_brought_up_to_date_once(open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    open_postgresql().put(samples(2))
    steps: list[int] = []

    def step(number: int) -> Callable[[psycopg.Connection[Any]], None]:
        def migrate(connection: psycopg.Connection[Any]) -> None:
            steps.append(number)
            connection.execute(sql.SQL("CREATE TABLE {}()").format(sql.Identifier(f"step{number}")))

        return migrate

    now = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", now + 2)
    monkeypatch.setitem(schema.MIGRATIONS, now, step(now))
    monkeypatch.setitem(schema.MIGRATIONS, now + 1, step(now + 1))
    race(3, lambda number: open_postgresql().count())
    assert steps == [now, now + 1]
    with below(open_postgresql()) as raw:
        assert raw.execute("SELECT version FROM about").fetchall() == [(now + 2,)]


def _as_the_first_version(store: PostgreSQLStore) -> None:
    with below(store) as raw:
        raw.execute("ALTER TABLE notices DROP COLUMN digest; UPDATE about SET version = 1")


def test_notices_of_the_first_schema_get_their_digests(
    open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_NOTICES_AT_ONCE", 2)
    first = open_postgresql()
    kept = [notice(f"{number}" * 64, id=f"thing/{number}") for number in range(5)]
    first.withdraw(kept)
    _as_the_first_version(first)
    store = open_postgresql()
    assert check_all(store) == []
    store.withdraw([notice("b" * 64)])
    assert store.get([each.address for each in kept]) == {each.address: each for each in kept}
    assert check_all(store) == []
    with below(store) as raw:
        assert raw.execute("SELECT version FROM about").fetchall() == [(schema.SCHEMA_VERSION,)]
        raw.execute("UPDATE notices SET reason = 'another'")
    assert len([finding for finding in check_all(store) if finding.kind == "notice"]) == 6


def test_an_upgrade_waits_for_those_who_use_the_tables_only_so_long(
    open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 1)
    store = open_postgresql()
    _as_the_first_version(store)
    with below(store) as raw, raw.transaction():
        raw.execute("SELECT count(*) FROM notices")
        begun = time.monotonic()
        with pytest.raises(Unavailable, match=r"others make, upgrade or use the schema stat7 .*try again"):
            open_postgresql()
        assert time.monotonic() - begun < 10
    assert open_postgresql().count() == 0


def test_who_makes_the_tables_is_waited_for_only_so_long(
    postgres_url: str, open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 1)
    with psycopg.connect(postgres_url) as raw:
        raw.execute("SELECT pg_advisory_lock(%s, hashtext('stat7'))", (0x73746174,))
        begun = time.monotonic()
        with pytest.raises(Unavailable, match=r"others make, upgrade or use the schema stat7 .*try again"):
            open_postgresql()
        assert time.monotonic() - begun < 10
    assert open_postgresql().count() == 0


def test_without_make_a_schema_that_is_not_there_or_empty_is_refused_and_not_made(postgres_url: str) -> None:
    settings = Settings(postgres_url, schema="typo")
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"the schema typo at .* holds no stat7 store; .*`stat7 init`"):
                PostgreSQLStore(settings, make=False)
            tables = raw.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'typo'").fetchone()
            assert tables == (0,)
            there = raw.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'typo'").fetchone()
            if there == (0,):
                raw.execute("CREATE SCHEMA typo")
        assert there == (1,)
    PostgreSQLStore(settings).close()
    with PostgreSQLStore(settings, make=False) as store:
        assert store.count() == 0


def test_without_make_an_older_schema_is_brought_up_to_date(open_postgresql: Opening) -> None:
    store = open_postgresql()
    _as_the_first_version(store)
    with PostgreSQLStore(store.settings, make=False) as again:
        again.withdraw([notice("b" * 64)])
        assert check_all(again) == []


def test_a_migration_that_fails_changes_nothing(open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_postgresql()

    def fail(connection: psycopg.Connection[Any]) -> None:
        connection.execute("DROP TABLE marks")
        connection.execute("SELECT no_such_column FROM entities")

    now = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", now + 1)
    monkeypatch.setitem(schema.MIGRATIONS, now, fail)
    with pytest.raises(ConfigError):
        open_postgresql()
    monkeypatch.undo()
    store.set_mark("still", "there")
    assert open_postgresql().marks() == {"still": "there"}


def test_another_encoding_is_refused(postgres_server: PostgreSQL) -> None:
    postgres_server.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(ConfigError, match=r"LATIN1.*UTF8"):
            PostgreSQLStore(Settings(postgres_server.url("latin")))
    finally:
        postgres_server.execute("DROP DATABASE latin WITH (FORCE)")


def test_every_index_is_known_by_name(open_postgresql: Opening) -> None:
    store = open_postgresql()
    with below(store) as raw:
        assert schema.missing_indexes(raw, "stat7") == []
        rows = raw.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'stat7'").fetchall()
    assert {name for (name,) in rows} == set(schema.INDEX_STATEMENTS)


def test_ids_are_compared_by_bytes_and_hold_the_longest(open_postgresql: Opening) -> None:
    store = open_postgresql()
    ids = [*HOSTILE_IDS, "a" * 255 + "b", "ÿ" * 128]
    store.swap_heads([HeadMove(id, None, "0" * 64) for id in ids])
    assert [id for id, _ in scan_all_heads(store, 7)] == sorted(ids, key=lambda id: id.encode())
    assert store.heads(["nul\0", "\ud800", "A"]) == {"A": "0" * 64}
    assert store.find(Query(adjacent_to="x" * 256), None, 3).items == []
