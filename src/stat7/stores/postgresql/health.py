"""What `doctor` asks: which server, how durable, indexed, quick and full it is. And giving space back."""

from __future__ import annotations

import time
from typing import Final

from psycopg import Connection, sql

from stat7.stores.base import Check
from stat7.stores.latency import check_latency
from stat7.stores.postgresql.reader import fetch
from stat7.stores.postgresql.schema import SCHEMA_VERSION, build_indexes, missing_indexes

_OLDEST: Final = 130_000
_CLOCK_SECONDS: Final = 5.0
_TABLES: Final = ("entities", "heads", "notices", "marks")
_SIZE: Final = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8 FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'"""
_DURABILITY: Final = """
    SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')"""
_CONNECTIONS: Final = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
    (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend')"""


def size(connection: Connection, schema: str) -> int:
    """Bytes of the tables with their indexes and long documents."""
    return int(fetch(connection, _SIZE, schema)[0][0])


def is_durable(connection: Connection) -> bool:
    """Whether the server keeps what it acknowledges through a power cut."""
    fsync, commit, _ = fetch(connection, _DURABILITY)[0]
    return bool(fsync == "on" and commit != "off")


def compact(connection: Connection, schema: str) -> None:
    """Build missing indexes, rewrite the tables without free space or erased bytes, and bring statistics up to date."""
    connection.execute("SET statement_timeout = 0")
    try:
        with connection.transaction():
            build_indexes(connection, schema)
        for table in _TABLES:
            connection.execute(sql.SQL("VACUUM (FULL) {}").format(sql.Identifier(schema, table)))
            # Rewriting forgets which pages every reader sees, without which no index is enough by itself.
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(schema, table)))
    finally:
        if not connection.closed:
            connection.execute("RESET statement_timeout")


def diagnose(connection: Connection, schema: str, pool: int) -> list[Check]:
    """One Check for each thing that can be wrong with the server, the schema and the way there."""
    return [
        _server(connection),
        _schema(connection),
        _encoding(connection),
        *_durability(connection),
        _indexes(connection, schema),
        _statistics(connection, schema),
        check_latency(lambda: connection.execute("SELECT 1"), "closer to the server"),
        _clock(connection),
        _connections(connection, pool),
    ]


def _server(connection: Connection) -> Check:
    version = connection.info.server_version
    text = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if version < _OLDEST:
        return Check("postgresql", "warn", f"{text}: stat7 is tested from 13 on; upgrade the server")
    return Check("postgresql", "ok", text)


def _schema(connection: Connection) -> Check:
    version = fetch(connection, "SELECT version FROM about")[0][0]
    if version == SCHEMA_VERSION:
        return Check("schema", "ok", f"version {version}, the latest")
    text = f"version {version} is not {SCHEMA_VERSION}, which this stat7 writes; reopen the store"
    return Check("schema", "fail", text)


def _encoding(connection: Connection) -> Check:
    encoding = connection.info.parameter_status("server_encoding")
    status = "ok" if encoding == "UTF8" else "fail"
    return Check("encoding", status, f"{encoding}" if status == "ok" else f"{encoding}: ids need UTF8")


def _durability(connection: Connection) -> list[Check]:
    fsync, commit, pages = fetch(connection, _DURABILITY)[0]
    checks = []
    if fsync != "on":
        text = "fsync is off: a power cut may destroy the whole database; set fsync = on"
        checks.append(Check("durability", "fail", text))
    elif commit == "off":
        text = "synchronous_commit is off: a power cut loses the writes of the last moments; set it to on"
        checks.append(Check("durability", "warn", text))
    else:
        text = f"fsync on, synchronous_commit {commit}: what is acknowledged survives a power cut"
        checks.append(Check("durability", "ok", text))
    if pages != "on":
        text = "full_page_writes is off: a power cut may tear pages, unless the file system forbids it; set it to on"
        checks.append(Check("full pages", "warn", text))
    return checks


def _indexes(connection: Connection, schema: str) -> Check:
    missing = missing_indexes(connection, schema)
    if not missing:
        return Check("indexes", "ok", "all present and valid")
    text = f"missing or not valid: {', '.join(missing)}; `stat7 gc --compact` builds them anew"
    return Check("indexes", "fail", text)


def _statistics(connection: Connection, schema: str) -> Check:
    """Whether VACUUM keeps up: without it a walk fetches each row that the index alone could judge."""
    pages, visible = fetch(
        connection,
        """SELECT c.relpages, c.relallvisible FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n
        ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = 'entities'""",
        schema,
    )[0]
    actual = fetch(connection, "SELECT pg_relation_size('entities') / current_setting('block_size')::int")[0][0]
    if actual > 1000 and visible < max(pages, actual) // 2:
        return Check("vacuum", "warn", "finds are slow until the table is vacuumed; check that autovacuum is on")
    return Check("vacuum", "ok", f"keeps up: indexes are enough for {visible:,} of {actual:,} pages")


def _clock(connection: Connection) -> Check:
    before = time.time()
    theirs = float(fetch(connection, "SELECT extract(epoch FROM clock_timestamp())::float8")[0][0])
    apart = theirs - (before + time.time()) / 2
    text = f"{apart:+.2f} s from ours"
    if abs(apart) > _CLOCK_SECONDS:
        return Check("server clock", "warn", f"the server's is {text}: set both by NTP, for gc and notices go by them")
    return Check("server clock", "ok", text)


def _connections(connection: Connection, pool: int) -> Check:
    most, used = fetch(connection, _CONNECTIONS)[0]
    free = most - used
    text = f"{free} of {most} free, pool={pool}"
    if free < pool:
        advice = "other clients may be refused; lower pool= or raise max_connections"
        return Check("connections", "warn", f"{text}: {advice}")
    return Check("connections", "ok", text)
