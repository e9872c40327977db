"""The store itself: the contract of stores/base.py, put together from the modules beside this one."""

from __future__ import annotations

import os
import random
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import psycopg

from stat7.address import Address
from stat7.errors import Stat7Error, Unavailable
from stat7.paging import at_least_one
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.stores.base import Capabilities, Check, Finding, HeadMove, Match, Outcome, Page, Plan
from stat7.stores.postgresql import check, erase, find, heads, health, reader, schema
from stat7.stores.postgresql.errors import LATE, RETRYABLE, translated
from stat7.stores.postgresql.put import put
from stat7.stores.postgresql.session import Session, Sessions
from stat7.stores.postgresql.settings import Settings

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

_CAPABILITIES: Final = Capabilities(
    name="postgresql", indexed=frozenset({"realm", "horizon", "lineage", "adjacent_to", "file"})
)
_RACES: Final = 8
"""Attempts of a transaction that the server ends because of others."""
_NAP: Final = 0.02


class PostgreSQLStore:
    """A `Store` in one schema of a PostgreSQL database; any number of processes may share it.

    With `make` the schema is made if it isn't there, without it one that isn't there is a ConfigError.

    What is acknowledged is as durable as the server: `capabilities.durable` says whether fsync and synchronous_commit
    are on. Safe to use from many threads; a forked child may go on using it. After a restart of the server the next
    call connects anew. Raises ConfigError for a server, database or schema that can't be used, Unavailable for one that
    can't be reached.
    """

    def __init__(self, settings: Settings, *, make: bool = True) -> None:
        self.settings = settings
        self._sessions = Sessions(settings)
        self._where = self._sessions.where
        try:
            if not self._on(schema.is_current, settings.schema, self._where, make=make):
                self._run(lambda session: schema.prepare(session.connection, settings.schema, self._where), long=True)
            durable = self._on(health.is_durable)
        except BaseException:
            self._sessions.close()
            raise
        self.capabilities = replace(_CAPABILITIES, durable=durable)
        _opened.add(self)

    # Entities: in

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store what is missing, then try the moves, in one transaction (of few records: in one round trip).

        Where a connection breaks before the answer it is done again; what was stored by then has EXISTED, and a head
        that was moved by then is not moved again: the repository finds it where it should be.
        """
        if not records and not moves:
            return [], []
        return self._run(put, records, moves)

    def replace(self, records: Sequence[Record]) -> None:
        """Write records over damaged bytes and index columns."""
        self._on(erase.replace, records)

    def discard(self, addresses: Sequence[Address]) -> None:
        """Take documents back as if they never were."""
        # Never twice: somebody may have put the document again in between.
        self._run(lambda session: erase.discard(session.connection, addresses), repeatable=False)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Erase documents and keep notices; the files of the table give the bytes up at `compact`."""
        self._on(erase.withdraw, notices)

    # Entities: out

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """The documents and notices of those addresses that are known. Raises Corrupt where one can't be read."""
        if len(addresses) != 1:
            return self._on(reader.get, addresses)
        # Spelt out rather than through _run: this is the way of every single get.
        address = addresses[0]
        if len(address) != 64:
            return {}
        try:
            raw = bytes.fromhex(address)
        except ValueError:
            return {}
        if raw.hex() != address:
            return {}
        session = self._sessions.take()
        begun = time.monotonic()
        try:
            found = reader.get_one(session, raw)
        except psycopg.Error as error:
            if session.late or error.sqlstate in LATE:
                raise self._failure(error, session, begun) from error
            found = [None]
        finally:
            self._sessions.give(session)
        if not found:
            return {}
        if found[0] is not None:
            return {address: found[0]}
        # Withdrawn or damaged, or the connection was lost: the long way tells.
        return self._on(reader.get, addresses)

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """Those of the addresses that have a document."""
        return self._on(reader.has, addresses)

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """The next matches, in the order of addresses."""
        return self._on(find.find, query, cursor, at_least_one(limit))

    def explain(self, query: Query) -> Plan:
        """The plan that `find` takes for a first page of 100."""
        return self._on(find.explain, query)

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """Documents and notices in address order."""
        return self._on(reader.scan, cursor, at_least_one(limit))

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """The notices in address order."""
        return self._on(reader.scan_notices, cursor, at_least_one(limit))

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """Those of the files that a stored document names."""
        return self._on(reader.named_files, sha256s)

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """Compare the columns of every row with its document, notices with their rows, and look at the indexes."""
        return self._on(check.check, self.settings.schema, cursor, at_least_one(limit))

    def count(self) -> int:
        """Documents stored; reads an index through, a tenth of a second for a million."""
        return self._on(reader.count)

    # Heads and marks

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """The current address of each id that has one."""
        return self._on(heads.read_heads, ids)

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Try each move on its own, in one transaction.

        Where a connection breaks before the answer it is done again, as by `put`: a move that was made by then comes as
        not made, and whoever asked reads the head again.
        """

        if len(moves) == 1 and moves[0].new is not None:
            return [self._run(heads.move_one, moves[0])]

        # Moves of one kind are one statement, which is a transaction by itself.
        alike = len({(move.expected is None, move.new is None) for move in moves}) == 1

        def swap(session: Session) -> list[bool]:
            with nullcontext() if alike else session.connection.transaction():
                return heads.move_heads(session.connection, moves, guarded=False)

        return self._run(swap) if moves else []

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """Every head, in the order of the ids' UTF-8."""
        return self._on(heads.walk_heads, cursor, at_least_one(limit))

    def marks(self) -> dict[str, str]:
        """The marks that are set."""
        return self._on(heads.read_marks)

    def set_mark(self, name: str, value: str | None) -> None:
        """Set a mark durably; None removes it."""
        self._on(heads.set_mark, name, value)

    # The whole

    def compact(self) -> int:
        """Rewrite the tables without free space or what was erased; nobody can use them meanwhile.

        Erased bytes may stay in the server's write-ahead log until that is recycled, and in its archive and backups.
        """
        before = self.disk_bytes()
        self._run(lambda session: health.compact(session.connection, self.settings.schema), long=True)
        return max(0, before - self.disk_bytes())

    def restrict(self, low: Address | None, high: Address | None) -> None:
        """Let the server refuse what isn't in the range [low, high) of a shard: addresses, and heads by the SHA-256 of
        their ids. None leaves that end open. Raises ConfigError if anything is stored.
        """
        self._on(schema.restrict, self._where, low, high)

    def is_restricted(self) -> bool:
        """Whether the server refuses what isn't in the range of a shard."""
        return self._on(schema.is_restricted, self.settings.schema)

    def diagnose(self) -> list[Check]:
        """Version, durability, indexes, latency, clock, connections."""
        return self._on(health.diagnose, self.settings.schema, self.settings.pool)

    def disk_bytes(self) -> int:
        """Bytes of the tables and indexes."""
        return self._on(health.size, self.settings.schema)

    def close(self) -> None:
        """Close all connections: idle ones now, others when they are done."""
        self._sessions.close()

    def __enter__(self) -> PostgreSQLStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Inside

    def _on(
        self,
        work: Callable[Concatenate[psycopg.Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run `work` on a connection; it is done again where doing it twice is the same as once."""
        return self._run(lambda session: work(session.connection, *args, **kwargs))

    def _run(
        self,
        work: Callable[..., Result],
        *args: Any,
        repeatable: bool = True,
        long: bool = False,
    ) -> Result:
        """Run `work` on a session: again after a lost race, and once more on a new connection if the first was lost.

        `long`: it may take as long as it takes.
        """
        losses = 0
        for attempt in range(_RACES):
            session = self._sessions.take(sure=not repeatable, unbounded=long)
            begun = time.monotonic()
            try:
                return work(session, *args)
            except psycopg.Error as error:
                if error.sqlstate in RETRYABLE and attempt + 1 < _RACES:
                    time.sleep(_NAP * random.uniform(0.5, 1.5) * attempt)
                    continue
                failure = self._failure(error, session, begun)
                losses += session.lost
                # Waiting for the limit a second time would make it no limit.
                patient = time.monotonic() - begun < self.settings.timeout
                if not (repeatable and session.lost and losses == 1 and patient):
                    raise failure from error
            finally:
                self._sessions.give(session)
        raise AssertionError("every attempt returned or raised")

    def _failure(self, error: psycopg.Error, session: Session, begun: float) -> Stat7Error:
        if session.lost and time.monotonic() - begun >= self.settings.timeout:
            seconds = time.monotonic() - begun
            return Unavailable(f"PostgreSQL at {self._where} gave no answer for {seconds:.0f} s; try again")
        return translated(error, self._where)

    def _abandon(self) -> None:
        self._sessions.abandon()


_opened: weakref.WeakSet[PostgreSQLStore] = weakref.WeakSet()


def _after_fork() -> None:
    """In a forked child no store may touch what its parent opened."""
    for store in _opened:
        store._abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
