"""The store itself: the contract of stores/base.py, put together from the modules beside this one."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import apsw

from stat7.address import Address
from stat7.errors import ConfigError, Corrupt, Stat7Error
from stat7.paging import at_least_one
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.stores.base import Capabilities, Check, Finding, HeadMove, Match, Outcome, Page, Plan
from stat7.stores.sqlite import check, erase, find, heads, health, reader
from stat7.stores.sqlite.connection import SYNCHRONOUS, Readers, Snapshot, open_reader
from stat7.stores.sqlite.errors import Translating, translated
from stat7.stores.sqlite.rows import LOWEST_KEY
from stat7.stores.sqlite.schema import normal_path, open_writer
from stat7.stores.sqlite.writer import Writer

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

_CAPABILITIES: Final = Capabilities(
    name="sqlite", embedded=True, indexed=frozenset({"realm", "horizon", "lineage", "adjacent_to", "file"})
)


class SQLiteStore:
    """A `Store` in one SQLite file, made if it isn't there; many threads and many processes may use it at once.

    `sync` is "full" (a power cut loses nothing that was acknowledged) or "normal" (it may lose the writes of the last
    moments; single puts are faster); `busy_timeout` the seconds to wait for other processes that write. Raises
    ConfigError for a file that is not ours, of a newer schema or not writable. A forked child may go on using it.
    """

    def __init__(self, path: Path | str, *, sync: str = "full", busy_timeout: float = 30.0) -> None:
        if sync not in SYNCHRONOUS:
            raise ConfigError(f"sync={sync!r} is not one of {', '.join(SYNCHRONOUS)}")
        if not 0 <= busy_timeout <= 86_400:
            raise ConfigError(f"busy_timeout={busy_timeout!r} is not a number of seconds from 0 to 86400")
        self.path = normal_path(path)
        self.capabilities = replace(_CAPABILITIES, durable=sync == "full")
        self._translating = Translating(self.path)
        with self._translating:
            self._writer = Writer(self.path, lambda: open_writer(self.path, sync, busy_timeout), sync)
        self._readers = Readers(self.path, lambda: open_reader(self.path, busy_timeout))
        _opened.add(self)

    # Entities: in

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store what is missing, then try the moves, in one durable transaction (shared with other threads' puts)."""
        return self._writer.put(records, moves, guarded=True)

    def replace(self, records: Sequence[Record]) -> None:
        """Write records over damaged bytes and index rows; reads whole segments, so give many at once."""
        self._writer.alone(lambda connection: erase.replace(connection, records))

    def discard(self, addresses: Sequence[Address]) -> None:
        """Take documents back as if they never were."""
        self._writer.alone(lambda connection: erase.discard(connection, addresses))

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Erase documents and keep notices; the file gives the bytes up at `compact`."""
        self._writer.alone(lambda connection: erase.withdraw(connection, notices))

    # Entities: out

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """The documents and notices of those addresses that are known. Raises Corrupt where the file can't be read."""
        # Spelt out rather than through _read and reader.get: this is the way of every single get.
        cursor = self._take()
        try:
            if len(addresses) == 1:
                address = addresses[0]
                try:
                    rows: Any = cursor.execute(reader.ONE, (int(address[:16], 16) + LOWEST_KEY,)).fetchall()
                except (ValueError, OverflowError):  # no address: not hex, or with a sign
                    return {}
                if rows and rows[0][0].hex() == address:
                    return {address: rows[0][1]}
            return reader.get(cursor.connection, addresses)
        except apsw.Error as error:
            raise self._failure(error, cursor, addresses) from error
        finally:
            self._readers.give(cursor)

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """Those of the addresses that have a document."""
        return self._read(reader.has, addresses)

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """The next matches, in the order of keys (that of addresses, save for forged collisions)."""
        return self._read(find.find, query, cursor, at_least_one(limit))

    def explain(self, query: Query) -> Plan:
        """The plan that `find` takes for a first page of 100."""
        return self._read(find.explain, query)

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """Documents and notices in address order; a document that can't be read comes as b"", which fits no address."""
        return self._read(reader.scan, cursor, at_least_one(limit))

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """The notices in address order."""
        return self._read(reader.scan_notices, cursor, at_least_one(limit))

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """Those of the files that a stored document names."""
        return self._read(reader.named_files, sha256s)

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """Compare every index row with its document, and at last the file's own structure."""
        return self._read(check.check, cursor, at_least_one(limit))

    def count(self) -> int:
        """Documents stored."""
        return self._read(reader.count)

    # Heads and marks

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """The current address of each id that has one."""
        return self._read(heads.read_heads, ids)

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Try each move on its own, in one durable transaction."""
        return self._writer.put((), moves, guarded=False)[1]

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """Every head, in the order of the ids' UTF-8."""
        return self._read(heads.walk_heads, cursor, at_least_one(limit))

    def marks(self) -> dict[str, str]:
        """The marks that are set."""
        return self._read(heads.read_marks)

    def set_mark(self, name: str, value: str | None) -> None:
        """Set a mark durably; None removes it."""
        self._writer.alone(lambda connection: heads.set_mark(connection, name, value))

    # The whole

    def compact(self) -> int:
        """Rewrite the file without free space or any trace of what was erased; needs twice its size of free disk.

        Other processes may read meanwhile, but not write. Raises Unavailable if readers keep the old bytes in use.
        """
        before = health.size(self.path)
        self._readers.release()
        self._writer.outside(lambda connection: health.compact(connection, self.path))
        return max(0, before - health.size(self.path))

    def diagnose(self) -> list[Check]:
        """Version, durability, indexes, disk."""
        return self._writer.outside(lambda connection: health.diagnose(connection, self.path))

    def disk_bytes(self) -> int | None:
        """Bytes of the database, its log and the log's index."""
        return health.size(self.path)

    def close(self) -> None:
        """Close all connections; the last process to do so folds the log into the database."""
        with self._translating:
            self._readers.close()
            self._writer.close()

    def __enter__(self) -> SQLiteStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Inside

    def _take(self) -> apsw.Cursor:
        try:
            return self._readers.take()
        except apsw.Error as error:
            raise translated(error, self.path) from error

    def _failure(self, error: apsw.Error, cursor: apsw.Cursor, addresses: Sequence[Address] = ()) -> Stat7Error:
        if isinstance(error, apsw.CorruptError) and len(addresses) == 1:
            return Corrupt(addresses[0], f"SQLite says: {error}")
        return translated(error, self.path, cursor.connection.system_errno)

    def _read(
        self,
        work: Callable[Concatenate[apsw.Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run `work` on one snapshot of the database."""
        cursor = self._take()
        try:
            with Snapshot(cursor.connection):
                return work(cursor.connection, *args, **kwargs)
        except apsw.Error as error:
            raise self._failure(error, cursor) from error
        finally:
            self._readers.give(cursor)

    def _abandon(self) -> None:
        self._readers.abandon()
        self._writer.abandon()


_opened: weakref.WeakSet[SQLiteStore] = weakref.WeakSet()


def _after_fork() -> None:
    """In a forked child no store may touch what its parent opened."""
    for store in _opened:
        store._abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
