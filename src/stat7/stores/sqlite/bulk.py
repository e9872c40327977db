"""Filling a new database fast: documents as they come, everything else sorted and built afterwards.

Nothing is visible before all of it is there: the work is done in a file beside the path, which takes the name last.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import apsw

from stat7.errors import ConfigError
from stat7.fsync import fsync_file, fsync_folder
from stat7.record import Record
from stat7.stores.sqlite.connection import PAGE_SIZE, Patience, connect, fetch, pragma
from stat7.stores.sqlite.errors import Translating
from stat7.stores.sqlite.lookup import free_key
from stat7.stores.sqlite.rows import coordinate_row, key_of, link_rows
from stat7.stores.sqlite.schema import build_indexes, lay_out, normal_path

_STAGE: Final = """
    CREATE TABLE stage.coordinates(key INTEGER, seq INTEGER PRIMARY KEY, segment INTEGER, realm TEXT, horizon INTEGER,
        lineage INTEGER, resonance INTEGER, velocity INTEGER, density INTEGER, entity_type TEXT, created_at INTEGER);
    CREATE TABLE stage.links(segment INTEGER, target, key INTEGER, seq INTEGER);"""
_COLLIDING: Final = """
    SELECT s.seq, s.key, d.address FROM stage.coordinates AS s JOIN main.coordinates AS c ON c.key = s.key
    JOIN documents AS d ON d.seq = s.seq WHERE c.seq <> s.seq ORDER BY s.seq"""


def fill(path: Path | str, batches: Iterable[Sequence[Record]]) -> int:
    """Make a new store at `path` out of records, and return how many documents it holds.

    A record that comes twice is kept once. Of several versions of an id the last one given becomes its head, so give
    them in chain order; `previous` isn't looked at. Needs twice the disk that the store will occupy. Raises ConfigError
    if there is something at `path` already, and whatever `batches` raises; nothing is left then.
    """
    name = normal_path(path)
    if os.path.exists(name):
        raise ConfigError(f"{name} exists already; only a new store can be filled, name another path")
    unfinished, stage = f"{name}.filling-{os.getpid()}", f"{name}.stage-{os.getpid()}"
    try:
        with Translating(name):
            with closing(connect(unfinished, Patience(0), create=True)) as connection:
                count = _build(connection, stage, batches)
            with open(unfinished, "r+b") as file:
                fsync_file(file.fileno())
            os.replace(unfinished, name)
            fsync_folder(os.path.dirname(name))
    finally:
        for left in (unfinished, stage, f"{unfinished}-wal", f"{unfinished}-shm"):
            with suppress(OSError):
                os.remove(left)
    return count


def _build(connection: apsw.Connection, stage: str, batches: Iterable[Sequence[Record]]) -> int:
    for name, value in (
        ("page_size", PAGE_SIZE),
        ("journal_mode", "OFF"),
        ("synchronous", 0),
        ("locking_mode", "EXCLUSIVE"),
        ("cache_size", -64 * 1024),
    ):
        pragma(connection, name, value)
    connection.execute("ATTACH ? AS stage", (stage,))
    for name, value in (("journal_mode", "OFF"), ("synchronous", 0)):
        pragma(connection, f"stage.{name}", value)
    connection.execute("BEGIN")
    lay_out(connection)
    fetch(connection, _STAGE)
    _append(connection, batches)
    _sort(connection)
    build_indexes(connection)
    connection.execute("COMMIT")
    connection.execute("DETACH stage")
    pragma(connection, "locking_mode", "NORMAL")
    pragma(connection, "journal_mode", "WAL")
    return int(fetch(connection, "SELECT count(*) FROM coordinates")[0][0])


def _append(connection: apsw.Connection, batches: Iterable[Sequence[Record]]) -> None:
    """Documents as they come, and their index rows unsorted."""
    seq = 0
    for batch in batches:
        numbered = list(enumerate(batch, seq + 1))
        seq += len(batch)
        keys = [key_of(record.address) for record in batch]
        connection.executemany(
            "INSERT INTO documents VALUES(?, ?, ?, ?)",
            [(at, bytes.fromhex(record.address), record.id, record.document) for at, record in numbered],
        )
        connection.executemany(
            "INSERT INTO stage.coordinates VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [coordinate_row(record, key, at) for (at, record), key in zip(numbered, keys, strict=True)],
        )
        links = [
            (*row, at) for (at, record), key in zip(numbered, keys, strict=True) for row in link_rows(record, key, at)
        ]
        connection.executemany("INSERT INTO stage.links VALUES(?, ?, ?, ?)", links)


def _sort(connection: apsw.Connection) -> None:
    """Copy the staged rows, each kind in the order of its table."""
    fetch(connection, "INSERT OR IGNORE INTO main.coordinates SELECT * FROM stage.coordinates ORDER BY key, seq")
    if connection.changes() < fetch(connection, "SELECT count(*) FROM stage.coordinates")[0][0]:
        _separate(connection)
    fetch(connection, "INSERT INTO links SELECT segment, target, key FROM stage.links ORDER BY segment, target, key")
    fetch(connection, "INSERT OR REPLACE INTO heads SELECT id, address FROM documents ORDER BY id, seq")
    fetch(connection, "INSERT INTO realms SELECT DISTINCT realm FROM main.coordinates WHERE realm IS NOT NULL")


def _separate(connection: apsw.Connection) -> None:
    """Drop records that came twice, and give other addresses with the same key a key of their own."""
    for seq, key, address in fetch(connection, _COLLIDING):
        holders = "SELECT d.address FROM main.coordinates AS c JOIN documents AS d ON d.seq = c.seq WHERE c.key = ?"
        known = fetch(connection, "SELECT 1 FROM displaced WHERE address = ?", (address,))
        if known or fetch(connection, holders, (key,)) == [(address,)]:
            connection.execute("DELETE FROM documents WHERE seq = ?", (seq,))
            connection.execute("DELETE FROM stage.links WHERE seq = ?", (seq,))
            continue
        free = free_key(connection, key)
        connection.execute("INSERT INTO displaced VALUES(?, ?)", (address, free))
        connection.execute(
            "INSERT INTO main.coordinates SELECT ?, seq, segment, realm, horizon, lineage, resonance, velocity,"
            " density, entity_type, created_at FROM stage.coordinates WHERE seq = ?",
            (free, seq),
        )
        connection.execute("UPDATE stage.links SET key = ? WHERE seq = ?", (free, seq))
