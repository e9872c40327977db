"""Connections to the server: how many, which thread uses which, and what becomes of those that die or hang.

A thread keeps to the connection that it used last (taking one from a common pool for each operation halves the speed),
but doesn't own it: while it is idle another thread may take it, so any number of threads share a bounded number. A
connection that is lost takes the others with it, for a server that has restarted has cut them all.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from stat7.errors import ConfigError, Unavailable
from stat7.stores.postgresql.errors import refused
from stat7.stores.postgresql.rows import Digests, DigestsDumper, Integers, IntegersDumper, Texts, TextsDumper
from stat7.stores.postgresql.settings import Settings

GRACE: Final = 5.0
"""Seconds over the statement timeout after which a server that says nothing is given up."""

_LOOK: Final = 0.5


class Statement(NamedTuple):
    """A statement for libpq: its name on each connection, its text with $1, $2 …, and the types of its parameters."""

    name: bytes
    text: str
    types: tuple[int, ...]


class Session:
    """One connection, lent to one thread at a time; whoever holds its lock may use it."""

    __slots__ = ("closing", "connection", "deadline", "doomed", "generation", "lock", "prepared", "staging", "used")

    def __init__(self, connection: psycopg.Connection, generation: int) -> None:
        self.connection = connection
        self.generation = generation
        self.lock = threading.Lock()
        self.closing = threading.Lock()
        """Held by whoever ends the connection: its socket's number may be another's as soon as it is closed."""
        self.deadline: float | None = None
        """When the watchdog cuts it, by time.monotonic(); None while nobody waits for the server."""
        self.doomed = False
        """Whether the watchdog is about to cut it, so that it must not be lent again."""
        self.prepared: set[bytes] = set()
        """Names of the statements that were prepared on it by hand."""
        self.staging = False
        """Whether its temporary table for batches was made."""
        self.used = False
        """Whether it was lent and given back before."""

    @property
    def lost(self) -> bool:
        """Whether the connection is of no use any more."""
        return self.connection.closed or self.connection.pgconn.status != ConnStatus.OK

    @property
    def late(self) -> bool:
        """Whether the time of what it is doing is up."""
        return self.deadline is not None and time.monotonic() > self.deadline

    @property
    def silent(self) -> bool:
        """Whether nothing came unasked: word of the server's end lies unread in the socket of an idle connection."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self.connection.pgconn.socket, selectors.EVENT_READ)
                return not selector.select(0)
        except (OSError, ValueError, psycopg.Error):
            return False

    def run(self, statement: Statement, values: Sequence[Any]) -> PGresult:
        """The result of a prepared statement, by libpq itself; `values` and result in binary form.

        Takes half the processor time that a cursor of psycopg does, at the price that an interrupt from the keyboard
        waits for the answer. Raises psycopg's errors.
        """
        raw = self.connection.pgconn
        while True:
            known = statement.name in self.prepared
            if not known:
                done = raw.prepare(statement.name, statement.text.encode(), statement.types)
                if done.status != ExecStatus.COMMAND_OK:
                    raise error_from_result(done)
                self.prepared.add(statement.name)
            result = raw.exec_prepared(statement.name, values, (1,) * len(values), 1)
            if result.status == ExecStatus.TUPLES_OK:
                return result
            error = error_from_result(result)
            if not isinstance(error, InvalidSqlStatementName):
                raise error
            # After a rollback psycopg makes the server forget all that was prepared, ours too.
            self.prepared.discard(statement.name)
            if not known:
                raise error

    def cut_if_late(self) -> None:
        """End the connection under a thread that waits for it, which then gets an error; not if its time is not up."""
        # Said first and judged afterwards, while `give` does it the other way round: so either sees the other.
        self.doomed = True
        if not self.late:
            self.doomed = False
            return
        try:
            with self.closing:
                number = self.connection.pgconn.socket
                with socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as handle:
                    handle.shutdown(socket.SHUT_RDWR)
        except (OSError, psycopg.Error):
            pass  # It has ended by itself.

    def close(self) -> None:
        """Close the connection."""
        with self.closing:
            self.connection.close()


class Sessions:
    """The connections of one store, `settings.pool` at most, opened when needed."""

    def __init__(self, settings: Settings) -> None:
        self.where = settings.where()
        self._settings = settings
        self._conninfo = settings.conninfo()
        self._limit = settings.timeout + GRACE
        self._forget()

    def _forget(self) -> None:
        self._local = threading.local()
        self._all: list[Session] = []
        self._changed = threading.Condition()
        self._opening = 0
        self._waiting = 0
        self._generation = 0
        self._watching = False
        self._closed = False

    def take(self, *, sure: bool = False, unbounded: bool = False) -> Session:
        """A session for this thread alone until it is given back. Raises Unavailable, or ConfigError on connecting.

        `sure`: the connection is looked at first, for a write that can't be repeated. `unbounded`: it may take as long
        as it takes.
        """
        session: Session | None = getattr(self._local, "session", None)
        if session is None or not session.lock.acquire(blocking=False):
            session = self._another()
        while not self._fit(session, sure):
            self._drop(session)
            session = self._another()
        session.deadline = None if unbounded else time.monotonic() + self._limit
        return session

    def give(self, session: Session) -> None:
        """Take a session back; one that is lost or in the middle of something is closed."""
        session.deadline = None
        session.used = True
        connection = session.connection
        if session.doomed or session.lost or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            if session.lost:
                self._generation += 1
            self._drop(session)
            return
        session.lock.release()
        if self._waiting or self._closed:
            self._settle()

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        with self._changed:
            self._closed = True
        self._settle()

    def abandon(self) -> None:
        """In a forked child: forget the parent's connections; psycopg leaves those of another process alone."""
        _parents.append(self._all)
        closed = self._closed
        self._forget()
        self._closed = closed

    def _fit(self, session: Session, sure: bool) -> bool:
        if session.lost or session.generation != self._generation:
            return False
        return not (sure and session.used) or session.silent

    def _drop(self, session: Session) -> None:
        with self._changed:
            if session in self._all:
                self._all.remove(session)
            self._changed.notify()
        session.close()
        session.lock.release()

    def _settle(self) -> None:
        """Wake who waits for a session; close what is idle if the store is closed."""
        with self._changed:
            self._changed.notify()
            idle = [session for session in self._all if self._closed and session.lock.acquire(blocking=False)]
        for session in idle:
            self._drop(session)

    def _another(self) -> Session:
        """Any idle session, or a new one, or one that comes back while we wait."""
        until = time.monotonic() + self._settings.connect_timeout
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    if self._closed:
                        raise Unavailable(f"the store at {self.where} is closed; open it again")
                    for session in self._all:
                        if session.lock.acquire(blocking=False):
                            self._local.session = session
                            return session
                    if len(self._all) + self._opening < self._settings.pool:
                        self._opening += 1
                        break
                    if time.monotonic() >= until:
                        raise self._all_taken()
                    self._changed.wait(min(_LOOK, until - time.monotonic()))
            finally:
                self._waiting -= 1
        return self._open()

    def _all_taken(self) -> Unavailable:
        pool, seconds = self._settings.pool, self._settings.connect_timeout
        advice = "try again, or raise pool= in the URL"
        return Unavailable(f"all {pool:g} connections to {self.where} were in use for {seconds:g} s; {advice}")

    def _open(self) -> Session:
        generation = self._generation
        connection = None
        try:
            self._watch()
            connection = self.connect()
        finally:
            with self._changed:
                self._opening -= 1
                self._changed.notify()
                if connection is not None:
                    session = Session(connection, generation)
                    session.lock.acquire()
                    self._all.append(session)
        self._local.session = session
        return session

    def connect(self) -> psycopg.Connection:
        """A new connection, outside the pool. Raises ConfigError or Unavailable."""
        try:
            connection = psycopg.connect(self._conninfo, autocommit=True)
        except psycopg.Error as error:
            raise refused(error, self.where, self._settings.password()) from None
        except UnicodeError:
            raise ConfigError(f"{self.where}: the host is not a name that can be looked up; check it") from None
        connection.adapters.register_dumper(Digests, DigestsDumper)
        connection.adapters.register_dumper(Integers, IntegersDumper)
        connection.adapters.register_dumper(Texts, TextsDumper)
        return connection

    def _watch(self) -> None:
        with self._changed:
            if self._watching:
                return
            watchdog = threading.Thread(target=_watch, args=(weakref.ref(self),), name="stat7-postgresql", daemon=True)
            try:
                watchdog.start()
            except RuntimeError as error:
                advice = "end other threads or raise the limit of this process"
                raise Unavailable(f"no thread can be started to watch {self.where} ({error}); {advice}") from None
            self._watching = True

    def overdue(self) -> list[Session] | None:
        """Sessions whose time is up; None when there is nothing left to watch."""
        with self._changed:
            if self._closed and not self._all:
                self._watching = False
                return None
            return [each for each in self._all if each.late]


_parents: list[list[Session]] = []
"""In forked children: the parent's sessions, kept so that their locks and connections are never finalised."""


def _watch(reference: weakref.ref[Sessions]) -> None:
    """Cut connections to servers, or over networks, that went silent: libpq itself would wait for ever."""
    process = os.getpid()
    while os.getpid() == process:
        time.sleep(_LOOK)
        sessions = reference()
        late = None if sessions is None else sessions.overdue()
        if late is None:
            return
        for session in late:
            session.cut_if_late()
        del sessions
