"""The tables, their version, and how a file becomes (or is refused as) a database of stat7.

documents    append-only, so that a document is never moved by one that comes later; `seq` counts them
coordinates  one narrow row for each document under its key, the first 8 bytes of its address as a signed integer: the
             table is in address order, and every index carries the key free of charge. Rows are never deleted: what is
             withdrawn or discarded leaves a bare one (all NULL), so that its key still leads on to `displaced`
displaced    documents whose key was taken by another address with the same 8 bytes, and the key they got instead
cov          covering index over the coordinates, led by the segment (rows.py)
links        neighbours and files, by the segment; files all under segment -1
realms       every realm that was ever put: find skips through cov by them
heads, notices, marks
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import apsw

from stat7.errors import ConfigError
from stat7.fsync import fsync_folder
from stat7.record import Notice, notice_digest
from stat7.stores.sqlite.connection import (
    PAGE_SIZE,
    Patience,
    Snapshot,
    Transaction,
    connect,
    fetch,
    pragma,
    tune_writer,
)

APPLICATION_ID: Final = 0x53544137  # "STA7", in the header of the file
SCHEMA_VERSION: Final = 2

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS documents(
        seq INTEGER PRIMARY KEY, address BLOB NOT NULL, id TEXT NOT NULL, document BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS coordinates(
        key INTEGER PRIMARY KEY, seq INTEGER, segment INTEGER, realm TEXT, horizon INTEGER, lineage INTEGER,
        resonance INTEGER, velocity INTEGER, density INTEGER, entity_type TEXT, created_at INTEGER)""",
    "CREATE TABLE IF NOT EXISTS displaced(address BLOB PRIMARY KEY, key INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS links(
        segment INTEGER NOT NULL, target NOT NULL, key INTEGER NOT NULL,
        PRIMARY KEY(segment, target, key)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS realms(realm TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS heads(id TEXT PRIMARY KEY, address BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS notices(
        address BLOB PRIMARY KEY, key INTEGER NOT NULL, id TEXT, previous TEXT,
        "case" TEXT NOT NULL, reason TEXT NOT NULL, withdrawn_at TEXT NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS marks(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)

INDEXES: Final = {
    "cov": """CREATE INDEX IF NOT EXISTS cov ON coordinates(
        segment, realm, horizon, lineage, resonance, velocity, density)""",
    "bare": "CREATE INDEX IF NOT EXISTS bare ON coordinates(seq) WHERE seq IS NULL",
}


def _keep_digests_of_notices(connection: apsw.Connection) -> None:
    """Version 2: damage to a notice can be seen. Those kept before are taken to be sound."""
    connection.execute("ALTER TABLE notices ADD COLUMN digest BLOB NOT NULL DEFAULT x''")
    kept = fetch(connection, 'SELECT lower(hex(address)), "case", reason, withdrawn_at, id, previous FROM notices')
    digests = [(notice_digest(Notice(*row)), bytes.fromhex(row[0])) for row in kept]
    connection.executemany("UPDATE notices SET digest = ? WHERE address = ?", digests)


MIGRATIONS: Final[dict[int, Callable[[apsw.Connection], None]]] = {1: _keep_digests_of_notices}
"""From each older version of the schema to the next; each runs inside the one transaction of the upgrade."""


def open_writer(path: str, sync: str, seconds: float) -> apsw.Connection:
    """Open the database for writing; an absent or empty file is made into one, an older schema is brought up to date.

    Any number of processes may do this at once. Raises ConfigError, leaving the file as it is, if it belongs to another
    program or to a newer stat7; apsw's errors otherwise.
    """
    patience = Patience(seconds)
    connection = connect(path, patience, create=True)
    try:
        with Snapshot(connection):
            version = _version(connection, path)
        if connection.readonly("main"):
            raise ConfigError(f"{path} may not be written by this user; allow it on the file and on its folder")
        if version == 0:
            _create(connection, path)
        elif version < SCHEMA_VERSION:
            _migrate(connection, path)
        if version and pragma(connection, "journal_mode") != "wal":
            # A copy made by another program, perhaps.
            _switch_to_wal(connection, path)
        tune_writer(connection, sync, patience)
    except BaseException:
        connection.close()
        raise
    return connection


def build_indexes(connection: apsw.Connection) -> None:
    """Build those of the indexes that are missing; to be called inside a transaction."""
    for statement in INDEXES.values():
        connection.execute(statement)


def missing_indexes(connection: apsw.Connection) -> list[str]:
    """Names of the indexes that somebody has dropped."""
    present = {name for (name,) in fetch(connection, "SELECT name FROM sqlite_schema WHERE type = 'index'")}
    return [name for name in INDEXES if name not in present]


def lay_out(connection: apsw.Connection) -> None:
    """Make all tables and stamp the file as ours; to be called inside a transaction, indexes come apart."""
    for statement in TABLES:
        connection.execute(statement)
    pragma(connection, "application_id", APPLICATION_ID)
    pragma(connection, "user_version", SCHEMA_VERSION)


def _version(connection: apsw.Connection, path: str) -> int:
    """The version of the schema, 0 for an empty file; to be called inside a transaction, for others may be making it.

    ConfigError for a file that isn't ours or is newer.
    """
    application, version = pragma(connection, "application_id"), pragma(connection, "user_version")
    assert isinstance(version, int)
    if application == APPLICATION_ID and version > SCHEMA_VERSION:
        raise ConfigError(
            f"{path} was written by a newer stat7 (schema {version}, this one knows up to {SCHEMA_VERSION}); "
            "install that version, the file was not touched"
        )
    if application == APPLICATION_ID and version > 0:
        return version
    tables = fetch(connection, "SELECT count(*) FROM sqlite_schema")[0][0]
    if application or version or tables:
        raise ConfigError(f"{path} is a SQLite database of another program; choose another path, it was not touched")
    return 0


def _create(connection: apsw.Connection, path: str) -> None:
    pragma(connection, "page_size", PAGE_SIZE)
    pragma(connection, "synchronous", 2)
    _switch_to_wal(connection, path)
    with Transaction(connection):
        # Another process may have been quicker: what is there stays.
        if _version(connection, path) == 0:
            lay_out(connection)
            build_indexes(connection)
    fsync_folder(os.path.dirname(path))


def _switch_to_wal(connection: apsw.Connection, path: str) -> None:
    """Turn write-ahead logging on; while another process does the same SQLite says BUSY without asking the handler."""
    patience = Patience(10.0)
    for attempt in range(10_000):
        try:
            mode = pragma(connection, "journal_mode", "WAL")
        except (apsw.BusyError, apsw.LockedError):
            if not patience(attempt):
                raise
            continue
        if mode != "wal":
            raise ConfigError(f"{path} is on a file system without shared memory for SQLite's log; use a local disk")
        return


def _migrate(connection: apsw.Connection, path: str) -> None:
    with Transaction(connection):
        version = _version(connection, path)
        while version < SCHEMA_VERSION:
            MIGRATIONS[version](connection)
            version += 1
            pragma(connection, "user_version", version)


def normal_path(path: str | os.PathLike[str]) -> str:
    """The absolute path of the database. Raises ConfigError for what SQLite would take for something else."""
    given = os.fspath(path)
    if given in ("", ":memory:"):
        raise ConfigError("a SQLite store lives in a file; name one, or use memory: for a store that is gone at exit")
    if "\0" in given:
        raise ConfigError(f"{given!r} holds a NUL character, which no path may; name another file")
    try:
        given.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(f"{given!r} is not valid Unicode, which SQLite needs; name another file") from None
    # Absolute, so that nothing in it reads as a URI or a special name, and a later change of folder moves nothing.
    return os.path.abspath(given)
