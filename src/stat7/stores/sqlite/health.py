"""What `doctor` asks: is it durable, whole, on a disk of this machine, with room left? And giving space back."""

from __future__ import annotations

import os

import apsw

from stat7.disk import MIB, NETWORK, file_system, room
from stat7.errors import Unavailable
from stat7.stores.base import Check
from stat7.stores.sqlite.connection import CROWDED_PAGES, PAGE_SIZE, Transaction, fetch, pragma
from stat7.stores.sqlite.schema import SCHEMA_VERSION, build_indexes, missing_indexes


def size(path: str) -> int:
    """Bytes of the database, its write-ahead log and the log's index."""
    return sum(_file_size(path + suffix) for suffix in ("", "-wal", "-shm"))


def compact(connection: apsw.Connection, path: str) -> None:
    """Build missing indexes, rewrite the file without free pages, and copy the log back until nothing is left in it.

    Raises Unavailable if somebody reads an old snapshot: what was erased is then still in the log or the file.
    """
    with Transaction(connection):
        build_indexes(connection)
    # Windows can't shorten a file that is mapped into memory.
    mapped = pragma(connection, "mmap_size")
    pragma(connection, "mmap_size", 0)
    try:
        connection.execute("VACUUM")
        busy = fetch(connection, "PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
    finally:
        pragma(connection, "mmap_size", mapped)
    if busy:
        raise Unavailable(f"somebody reads {path}, so that its old bytes can't be erased yet; compact again later")


def diagnose(connection: apsw.Connection, path: str) -> list[Check]:
    """One Check for each thing that can be wrong with a database file and its surroundings."""
    return [
        Check("sqlite", "ok", f"SQLite {apsw.sqlite_lib_version()} through apsw {apsw.apsw_version()}"),
        _schema(connection),
        _journal(connection),
        _durability(connection),
        _indexes(connection),
        _file_system(path),
        _space(path),
        _log(path),
    ]


def _schema(connection: apsw.Connection) -> Check:
    version = pragma(connection, "user_version")
    if version == SCHEMA_VERSION:
        return Check("schema", "ok", f"version {version}, the latest")
    return Check(
        "schema", "fail", f"version {version} is not {SCHEMA_VERSION}, which this stat7 writes; reopen the store"
    )


def _journal(connection: apsw.Connection) -> Check:
    mode = pragma(connection, "journal_mode")
    if mode == "wal":
        return Check("journal", "ok", "write-ahead log")
    text = f"journal_mode is {mode}, not wal: a power cut may lose what was acknowledged; close all users and reopen it"
    return Check("journal", "fail", text)


def _durability(connection: apsw.Connection) -> Check:
    if pragma(connection, "synchronous") == 2:
        return Check("durability", "ok", "synchronous=FULL: what is acknowledged survives a power cut")
    text = "sync=normal: a power cut may lose acknowledged writes of the last moments; open with sync=full to keep them"
    return Check("durability", "warn", text)


def _indexes(connection: apsw.Connection) -> Check:
    missing = missing_indexes(connection)
    if not missing:
        return Check("indexes", "ok", "all present")
    return Check("indexes", "fail", f"missing: {', '.join(missing)}; `stat7 gc --compact` builds them anew")


def _file_system(path: str) -> Check:
    kind = file_system(path)
    if kind in NETWORK:
        text = f"the database is on {kind}: SQLite's log needs a local disk, else it may be damaged; move it there"
        return Check("file system", "warn", text)
    return Check("file system", "ok", kind or "not known on this system")


def _space(path: str) -> Check:
    _, status, text = room(os.path.dirname(path))
    advice = {"fail": ": puts will soon be refused; free some disk space", "warn": ": free some disk space before long"}
    return Check("disk", status, text + advice.get(status, ""))


def _log(path: str) -> Check:
    length = _file_size(path + "-wal")
    if length <= CROWDED_PAGES * PAGE_SIZE * 5 // 4:
        return Check("log", "ok", f"{length // MIB:,} MiB")
    text = f"the log has grown to {length // MIB:,} MiB, because somebody keeps reading; close long reads, then compact"
    return Check("log", "warn", text)


def _file_size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
