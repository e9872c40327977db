"""Every error of psycopg becomes one of stat7, a line that says where and what to do; and so do real failures."""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg
from psycopg import sql

from stat7.errors import ConfigError, Corrupt, Stat7Error, StoreFull, Unavailable
from stat7.query import Query
from stat7.registry import open_store
from stat7.stores.base import HeadMove
from stat7.stores.postgresql.errors import CLASSES, KINDS, STATES, refused, translated
from stat7.testing.samples import notice, sample, samples
from stat7.testing.servers import PostgreSQL
from tests.stores.postgresql import Opening, below

CLASSES_OF_PSYCOPG = sorted(
    {
        kind
        for _, kind in inspect.getmembers(pg, inspect.isclass)
        if issubclass(kind, psycopg.Error) and not kind.__name__.startswith("_")
    },
    key=lambda kind: kind.__name__,
)


def test_every_state_that_the_driver_knows_has_its_translation() -> None:
    states = {kind.sqlstate for kind in CLASSES_OF_PSYCOPG if kind.sqlstate}
    assert len(states) > 200
    assert {state for state in states if state not in STATES and state[:2] not in CLASSES} == set()
    assert set(STATES) <= states | {"57P05", "25P04"}


def test_every_class_without_a_state_has_its_translation() -> None:
    bare = {kind for kind in CLASSES_OF_PSYCOPG if not kind.sqlstate}
    assert len(bare) >= 8
    assert bare <= set(KINDS)


def test_translations_are_one_line_that_names_the_server() -> None:
    for kind in CLASSES_OF_PSYCOPG:
        for error in (kind("some\nmessage"), kind()):
            text = str(translated(error, "db.example:5432/library"))
            assert "db.example:5432/library" in text, kind
            assert len(text.splitlines()) == 1, kind


@pytest.mark.parametrize(
    ("kind", "expected", "advice"),
    [
        (pg.DiskFull, StoreFull, "free some space"),
        (pg.TooManyConnections, Unavailable, "max_connections"),
        (pg.ReadOnlySqlTransaction, ConfigError, "primary"),
        (pg.AdminShutdown, Unavailable, "try again"),
        (pg.CrashShutdown, Unavailable, "try again"),
        (pg.CannotConnectNow, Unavailable, "try again"),
        (pg.QueryCanceled, Unavailable, "timeout="),
        (pg.LockNotAvailable, Unavailable, "timeout="),
        (pg.DeadlockDetected, Unavailable, "try again"),
        (pg.InvalidPassword, ConfigError, "password"),
        (pg.InvalidCatalogName, ConfigError, "create it"),
        (pg.UndefinedTable, ConfigError, "schema="),
        (pg.InsufficientPrivilege, ConfigError, "grant"),
        (pg.OutOfMemory, Unavailable, "memory"),
        (pg.DataCorrupted, Corrupt, "PostgreSQL says"),
        (pg.IndexCorrupted, Corrupt, "PostgreSQL says"),
        (pg.ConnectionFailure, Unavailable, "try again"),
        (psycopg.OperationalError, Unavailable, "try again"),
        (psycopg.InterfaceError, Unavailable, "try again"),
        (pg.SyntaxError, ConfigError, "bug"),
    ],
)
def test_each_says_what_to_do(kind: type[psycopg.Error], expected: type[Stat7Error], advice: str) -> None:
    error = translated(kind("server says"), "db.example/library")
    assert type(error) is expected
    assert advice in str(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('FATAL:  password authentication failed for user "ada"', ConfigError),
        ("connection to server failed: fe_sendauth: no password supplied", ConfigError),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', ConfigError),
        ('FATAL:  database "x" does not exist', ConfigError),
        ("FATAL:  sorry, too many clients already", Unavailable),
        ("FATAL:  the database system is starting up", Unavailable),
        ("FATAL:  etwas ganz anderes", Unavailable),
    ],
)
def test_refused_connections_are_told_by_their_text(text: str, expected: type[Stat7Error]) -> None:
    error = refused(psycopg.OperationalError(f"{text} hunter2"), "db.example/library", "hunter2")
    assert type(error) is expected
    assert "hunter2" not in str(error)
    assert text[:20].split("FATAL:")[-1].strip()[:10] in str(error)


# --- real failures


def _refusal(url: str, kind: type[Stat7Error]) -> str:
    with pytest.raises(kind) as caught:
        open_store(url)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def test_a_wrong_password_says_so_without_telling_it(postgres_url: str) -> None:
    before, _, after = postgres_url.partition("@")
    password = before.rpartition(":")[2]
    text = _refusal(postgres_url.replace(password, "hunter2secret"), ConfigError)
    assert "check user and password" in text
    assert "hunter2secret" not in text
    assert after.split("/")[0] in text


def test_a_missing_password_says_so(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", os.devnull)
    before, _, after = postgres_url.partition("@")
    assert "check user and password" in _refusal(f"{before.rpartition(':')[0]}@{after}", ConfigError)


def test_a_missing_database_a_wrong_host_and_a_wrong_port(postgres_url: str) -> None:
    assert "create it" in _refusal(f"{postgres_url}_not_there", ConfigError)
    assert "check host and port" in _refusal("postgresql://ada:secret@host.invalid/library", Unavailable)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        text = _refusal(f"postgresql://ada:secretword@127.0.0.1:{port}/library", Unavailable)
    assert "check host and port" in text
    assert "secretword" not in text


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:p@ss@127.0.0.1:1/x", "postgresql://ada:pass/word@127.0.0.1:1/x",
        "postgresql://ada:pass#word@127.0.0.1:1/x", "postgresql://ada:pa:word@127.0.0.1:port/x",
    ],
)  # fmt: skip
def test_no_message_holds_a_part_of_a_badly_escaped_password(url: str) -> None:
    with pytest.raises(Stat7Error) as caught:
        open_store(url)
    for part in ("p@ss", "ss@", "pass", "word", "pa:"):
        assert part not in str(caught.value).replace("password", "")


def test_a_dropped_table_is_told_by_every_call(open_postgresql: Opening) -> None:
    store = open_postgresql()
    store.put(samples(2))
    with below(store) as raw:
        raw.execute("DROP TABLE entities")
    address = sample().address
    calls: list[Callable[[], object]] = [
        lambda: store.get([address]), lambda: store.get([address, address]), lambda: store.put(samples(1)),
        lambda: store.put(samples(30)), lambda: store.find(Query(), None, 5), lambda: store.scan(None, 5),
        store.count, lambda: store.withdraw([notice(address)]), lambda: store.check(None, 5),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ConfigError, match="schema="):
            call()
    assert store.heads(["thing"]) == {}


def test_a_user_without_rights_is_told_what_to_grant(open_postgresql: Opening, postgres_url: str) -> None:
    store = open_postgresql()
    with below(store) as raw:
        name, secret = f"reader{os.getpid()}", "w0rd"
        raw.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(secret)))
        try:
            after = postgres_url.partition("@")[2]
            assert "grant" in _refusal(f"postgresql://{name}:{secret}@{after}?schema=other", ConfigError)
            assert "forbids" in _refusal(f"postgresql://{name}:{secret}@{after}", ConfigError)
        finally:
            raw.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_a_server_that_takes_no_writes_is_told_and_read(open_postgresql: Opening, postgres_url: str) -> None:
    open_postgresql().put(samples(3))
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        database = sql.Identifier(raw.info.dbname)
        raw.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database))
        try:
            store = open_postgresql()
            assert store.count() == 3
            changes: list[Callable[[], object]] = [
                lambda: store.put(samples(4)), lambda: store.put(samples(40)),
                lambda: store.swap_heads([HeadMove("a", None, "0" * 64)]), lambda: store.set_mark("a", "b"),
            ]  # fmt: skip
            for change in changes:
                with pytest.raises(ConfigError, match="primary"):
                    change()
        finally:
            raw.execute("SET default_transaction_read_only = off")
            raw.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(database))


def test_too_many_connections_are_told_as_that(start_server: Callable[[PostgreSQL], PostgreSQL]) -> None:
    server = start_server(PostgreSQL({"max_connections": "6", "superuser_reserved_connections": "0"}))
    held: list[psycopg.Connection[Any]] = []
    try:
        for _ in range(7):
            try:
                held.append(psycopg.connect(server.url()))
            except psycopg.OperationalError:
                break
        assert "max_connections" in _refusal(server.url(), Unavailable)
    finally:
        for connection in held:
            connection.close()
    with open_store(server.url()) as store:  # type: ignore[attr-defined]
        assert store.count() == 0
