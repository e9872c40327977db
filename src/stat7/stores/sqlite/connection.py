"""Connections to one database file: how they are set up, how long they wait, and how threads share the reading ones."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import apsw

from stat7.errors import Unavailable

PAGE_SIZE: Final = 8192
CHECKPOINT_PAGES: Final = 16_000
"""Pages in the write-ahead log (128 MiB) after which they are copied back; SQLite's own 1,000 halves ingest."""
CROWDED_PAGES: Final = 4 * CHECKPOINT_PAGES
"""Pages after which a writer waits for readers to let go of the log, so that it can begin anew instead of growing."""

_MAPPED: Final = 8 * 2**30
_WRITER_CACHE_KIB: Final = 64 * 1024
_READER_CACHE_KIB: Final = 8 * 1024
_IDLE_READERS: Final = 16
_SHORTEST_NAP: Final = 0.003
_LONGEST_NAP: Final = 0.02
_CROWDED_PATIENCE: Final = 0.2

SYNCHRONOUS: Final = {"full": 2, "normal": 1}


class Patience:
    """A busy handler: tries again after growing naps, until `seconds` have passed.

    The naps are random, because processes that poll in step starve each other, and not shorter, because polling itself
    hinders whoever holds the lock: at a tenth of them two processes together wrote half as fast as one alone.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begun = 0.0

    def __call__(self, attempts: int) -> bool:
        """Whether to try again; `attempts` counts from 0 for each lock."""
        now = time.monotonic()
        if attempts == 0:
            self._begun = now
        waited = now - self._begun
        if waited >= self.seconds:
            return False
        nap = min(_SHORTEST_NAP + waited / 10, _LONGEST_NAP) * random.uniform(0.5, 1.5)
        time.sleep(min(nap, self.seconds - waited))
        return True


class Checkpointing:
    """A WAL hook: copies a log of CHECKPOINT_PAGES back into the database, and keeps it from growing without bound.

    The copying waits for nobody; readers of old snapshots can keep it from finishing. Only once the log is
    CROWDED_PAGES long the writer waits a moment for them, so that the log can begin anew.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._due = CHECKPOINT_PAGES

    def __call__(self, connection: apsw.Connection, schema: str, pages: int) -> int:
        """Called after each commit with the pages in the log."""
        if pages < CHECKPOINT_PAGES:
            self._due = CHECKPOINT_PAGES
        elif pages >= self._due:
            self._due = pages + CHECKPOINT_PAGES // 8
            self._checkpoint(connection, schema, crowded=pages >= CROWDED_PAGES)
        return apsw.SQLITE_OK

    def _checkpoint(self, connection: apsw.Connection, schema: str, crowded: bool) -> None:
        connection.set_busy_handler(Patience(_CROWDED_PATIENCE))
        try:
            mode = apsw.SQLITE_CHECKPOINT_RESTART if crowded else apsw.SQLITE_CHECKPOINT_PASSIVE
            connection.wal_checkpoint(schema, mode=mode)
        except apsw.Error:
            # The commit stands whatever becomes of the copying: the log holds it, and a later commit tries again.
            pass
        finally:
            connection.set_busy_handler(self._patience)


def connect(path: str, patience: Patience, *, create: bool = False) -> apsw.Connection:
    """A bare connection; with `create` an empty file is made if there is none."""
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = apsw.Connection(path, flags=flags)
    connection.set_busy_handler(patience)
    return connection


def tune_writer(connection: apsw.Connection, sync: str, patience: Patience) -> None:
    """Set a connection up for writing: durability by `sync`, erased content overwritten, the log kept in bounds."""
    pragma(connection, "synchronous", SYNCHRONOUS[sync])
    pragma(connection, "cache_size", -_WRITER_CACHE_KIB)
    pragma(connection, "mmap_size", _MAPPED)
    pragma(connection, "secure_delete", 1)
    # On macOS the drive's cache is written out too, as fsync.py does; elsewhere these two change nothing.
    pragma(connection, "fullfsync", 1)
    pragma(connection, "checkpoint_fullfsync", 1)
    pragma(connection, "journal_size_limit", CHECKPOINT_PAGES * PAGE_SIZE)
    connection.set_wal_hook(Checkpointing(patience))


def open_reader(path: str, seconds: float) -> apsw.Connection:
    """A connection for reading, which waits `seconds` for locks (few: readers and a writer don't hinder each other)."""
    connection = connect(path, Patience(seconds))
    pragma(connection, "cache_size", -_READER_CACHE_KIB)
    pragma(connection, "mmap_size", _MAPPED)
    pragma(connection, "query_only", 1)
    return connection


def pragma(connection: apsw.Connection, name: str, value: int | str | None = None) -> int | str | None:
    """Read a pragma, or set it; its first answer. The rows are fetched, for otherwise it isn't carried out."""
    rows = fetch(connection, f"PRAGMA {name}" if value is None else f"PRAGMA {name}={value}")
    answer = rows[0][0] if rows else None
    assert answer is None or isinstance(answer, (int, str))
    return answer


def fetch(connection: apsw.Connection, statement: str, values: Sequence[Any] = ()) -> list[Any]:
    """All rows of a statement, as tuples. Raises apsw's errors; CorruptError too where stored text can't be decoded."""
    try:
        rows: list[Any] = connection.execute(statement, values).fetchall()
    except UnicodeDecodeError as error:
        raise _undecodable(error) from error
    return rows


def fetch_each(connection: apsw.Connection, statement: str, asked: Sequence[Sequence[Any]]) -> list[Any]:
    """All rows of a statement carried out with each of the values in turn. Raises what `fetch` raises."""
    try:
        rows: list[Any] = connection.executemany(statement, asked).fetchall() if asked else []
    except UnicodeDecodeError as error:
        raise _undecodable(error) from error
    return rows


def _undecodable(error: UnicodeDecodeError) -> apsw.CorruptError:
    return apsw.CorruptError(f"stored text is not UTF-8 ({error.reason})")


class Transaction:
    """Context manager for writing: holds the write lock, commits, or rolls back if an exception leaves the block."""

    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            # An interrupt right after it began must not leave the lock held.
            self._roll_back()
            raise

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        finally:
            self._roll_back()

    def _roll_back(self) -> None:
        # SQLite itself rolls back after some errors, a full disk among them.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


class Snapshot:
    """Context manager for reading: all statements inside see one state of the database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN")

    def __exit__(self, *rest: object) -> None:
        # Not COMMIT: after damage was met that fails, though it was dealt with.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


class Readers:
    """Reading connections, lent to one thread at a time; as many as ever read at once, the idle ones bounded.

    What is lent is a cursor, which holds its connection: making a cursor for each get would take a fifth of its time.
    """

    def __init__(self, path: str, open_connection: Callable[[], apsw.Connection]) -> None:
        self._path = path
        self._open = open_connection
        self._idle: list[apsw.Cursor] = []
        self._closed = False

    def take(self) -> apsw.Cursor:
        """A cursor for this thread alone, until it is given back. Raises Unavailable once closed, or apsw's errors."""
        try:
            # list.pop and append are atomic: no lock on the way of every read.
            return self._idle.pop()
        except IndexError:
            pass
        if self._closed:
            raise Unavailable(f"the store {self._path} is closed; open it again")
        return self._open().cursor()

    def give(self, cursor: apsw.Cursor) -> None:
        """Take a cursor back."""
        self._idle.append(cursor)
        if self._closed or len(self._idle) > _IDLE_READERS:
            self._close_idle(0 if self._closed else _IDLE_READERS)

    def release(self) -> None:
        """Close the idle connections; new ones are opened when needed."""
        self._close_idle(0)

    def _close_idle(self, most: int) -> None:
        while len(self._idle) > most:
            try:
                self._idle.pop().connection.close()
            except IndexError:
                return

    def close(self) -> None:
        """Close the idle connections now, and those that are lent when they come back."""
        self._closed = True
        self.release()

    def abandon(self) -> None:
        """In a forked child: forget the parent's connections without touching them."""
        for cursor in self._idle:
            keep_forever(cursor.connection)
            keep_forever(cursor)
        self._idle = []


def keep_forever(handle: apsw.Connection | apsw.Cursor) -> None:
    """Never close this connection, or let go of this cursor, not even as the interpreter ends.

    A forked child that closed its parent's connection might take itself for the last user and delete the parent's log.
    """
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle))
