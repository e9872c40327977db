"""The way to the cluster: one session of the driver for all threads, statements prepared once, requests in bounded
numbers, and what is tried again.

Every statement that isn't a lightweight transaction may be sent twice without harm, so the driver sends it to another
node when the first didn't answer. A node that hangs is found out by heartbeats before a request's time is up.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Final

from cassandra import ConsistencyLevel, ProtocolVersion
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.concurrent import execute_concurrent
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    RetryPolicy,
    TokenAwarePolicy,
)
from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement, SimpleStatement, tuple_factory

from stat7.errors import Unavailable
from stat7.stores.cassandra.settings import Settings

Rows = list[tuple[Any, ...]]
Values = Sequence[Any]

_LEVELS: Final = {
    "quorum": (ConsistencyLevel.QUORUM, ConsistencyLevel.SERIAL),
    "local_quorum": (ConsistencyLevel.LOCAL_QUORUM, ConsistencyLevel.LOCAL_SERIAL),
}
_SERIAL: Final = "serial"
_LOOSE: Final = "loose"
_ATTEMPTS: Final = 3
_RECONNECT_SECONDS: Final = 1.0
_HEARTBEAT_SECONDS: Final = 2
_DDL_SECONDS: Final = 60.0
TRANSACTIONS: Final = 32
"""Lightweight transactions under way at once: each takes four round trips among the nodes, which soon queue up."""

BATCH_ROWS: Final = 100
"""Index rows in a batch: each has less than 300 bytes, and 50 KiB are the server's limit."""


class Again(RetryPolicy):  # type: ignore[misc]
    """Sends what may be sent twice to the next node, a few times; lightweight transactions never."""

    def on_read_timeout(self, query: Any, *_: Any, retry_num: int, **__: Any) -> tuple[int, int | None]:
        """A replica that died a moment ago is still counted on."""
        return self._once_more(query, retry_num)

    def on_write_timeout(self, query: Any, *_: Any, retry_num: int, **__: Any) -> tuple[int, int | None]:
        """The same write again changes nothing."""
        return self._once_more(query, retry_num)

    def on_unavailable(self, query: Any, *_: Any, retry_num: int, **__: Any) -> tuple[int, int | None]:
        """Another node may know better who is up; nothing was done."""
        return (self.RETRY_NEXT_HOST, None) if retry_num == 0 else (self.RETHROW, None)

    def on_request_error(self, query: Any, *_: Any, retry_num: int, **__: Any) -> tuple[int, int | None]:
        """The node went away, or is overloaded."""
        return self._once_more(query, retry_num)

    def _once_more(self, query: Any, retry_num: int) -> tuple[int, int | None]:
        again = query is not None and query.is_idempotent and retry_num < _ATTEMPTS
        return (self.RETRY_NEXT_HOST, None) if again else (self.RETHROW, None)


class Connection:
    """A session with the cluster, opened with the first call and anew in a forked child. Safe for many threads.

    In statements `$.` stands for the keyspace. All methods raise the driver's errors, and Unavailable once closed.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.buckets = settings.buckets
        """Parts of the addresses for each realm and horizon: what the store was made with, once that is known."""
        self._tls = settings.tls_context()
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._cluster: Any = None
        self._session: Any = None
        self._prepared: dict[tuple[str, bool], PreparedStatement] = {}
        self._closed = False
        self._sending = threading.Semaphore(settings.in_flight)

    @property
    def session(self) -> Session:
        """The driver's session."""
        self.demand_open()
        if self._session is None or self._process != os.getpid():
            self._open()
        return self._session

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def demand_open(self) -> None:
        """Raise Unavailable once closed."""
        if self._closed:
            raise Unavailable(f"the store at {self.settings.where()} is closed; open it again")

    @property
    def cluster(self) -> Cluster:
        """The driver's cluster, which knows the nodes."""
        return self.session.cluster

    def prepare(self, text: str, *, once: bool = False) -> PreparedStatement:
        """The statement, prepared at the first call. `once`: a lightweight transaction, never sent twice."""
        session = self.session
        found = self._prepared.get((text, once))
        if found is None:
            found = session.prepare(self._spelled(text))
            found.is_idempotent = not once
            self._prepared[text, once] = found
        return found

    def bind(self, text: str, values: Values) -> BoundStatement:
        """The statement with its values."""
        return self.prepare(text).bind(values)

    def run(self, text: str, *values: Any, serial: bool = False) -> Rows:
        """Run one statement; its rows. `serial`: read what lightweight transactions have made of it."""
        profile = _SERIAL if serial else EXEC_PROFILE_DEFAULT
        return list(self.session.execute(self.bind(text, values), execution_profile=profile))

    def ask(self, text: str) -> Rows:
        """Run one statement without preparing it, which the driver would report where a table is missing."""
        return list(self.session.execute(SimpleStatement(self._spelled(text), is_idempotent=True)))

    def run_each(self, text: str, values: Iterable[Values]) -> Rows:
        """Run one statement with each of the values, many at once; all rows in the order of the values."""
        prepared = self.prepare(text)
        return [row for rows in self.run_all(prepared.bind(each) for each in values) for row in rows]

    def run_all(self, statements: Iterable[Any]) -> list[Rows]:
        """Run bound statements, many at once; the rows of each, in order. The first error ends it."""
        pairs = [(statement, None) for statement in statements]
        if len(pairs) == 1:
            return [list(self.session.execute(pairs[0][0]))]
        results = execute_concurrent(self.session, pairs, self.settings.in_flight)
        return [list(result.result_or_exc) for result in results]

    def send(self, statements: Iterable[Any]) -> None:
        """Run bound statements that may get lost, without waiting for them; at most `in_flight` at once."""
        places = self._sending

        def release(_: Any) -> None:
            places.release()

        for statement in statements:
            if not places.acquire(blocking=False):
                return
            try:
                future = self.session.execute_async(statement, execution_profile=_LOOSE)
            except BaseException:
                places.release()
                raise
            future.add_callbacks(release, release)

    def try_all(self, text: str, values: Sequence[Values]) -> list[Rows | Exception]:
        """Run a lightweight transaction with each of the values; what each gave, or the driver's error."""
        prepared = self.prepare(text, once=True)
        pairs = [(prepared.bind(each), None) for each in values]
        most = min(self.settings.in_flight, TRANSACTIONS)
        results = execute_concurrent(self.session, pairs, most, raise_on_first_error=False)
        return [list(result.result_or_exc) if result.success else result.result_or_exc for result in results]

    def batches(self, text: str, grouped: Iterable[Sequence[Values]]) -> Iterable[Any]:
        """Each group of values, which lie in one partition, as few statements."""
        prepared = self.prepare(text)
        for group in grouped:
            if len(group) == 1:
                yield prepared.bind(group[0])
                continue
            for at in range(0, len(group), BATCH_ROWS):
                batch = BatchStatement(BatchType.UNLOGGED)
                batch.is_idempotent = True
                for values in group[at : at + BATCH_ROWS]:
                    batch.add(prepared.bind(values))
                yield batch

    def define(self, text: str) -> None:
        """Run a statement that changes the schema, and wait until the nodes agree on it."""
        self.session.execute(self._spelled(text), timeout=_DDL_SECONDS)

    def on_node(self, host: Any, text: str, values: Values = ()) -> Rows:
        """Run a plain statement on one node, of which it tells."""
        profile = self.session.execution_profile_clone_update(
            EXEC_PROFILE_DEFAULT, consistency_level=ConsistencyLevel.ONE
        )
        return list(self.session.execute(text, values or None, execution_profile=profile, host=host))

    def close(self) -> None:
        """Close the session; other threads' calls fail."""
        with self._lock:
            self._closed = True
            opened, self._cluster, self._session = self._cluster, None, None
        if opened is not None and self._process == os.getpid():
            opened.shutdown()

    def _spelled(self, text: str) -> str:
        return text.replace("$.", f"{self.settings.keyspace}.")

    def _open(self) -> None:
        with self._lock:
            if self._closed or (self._session is not None and self._process == os.getpid()):
                return
            # What a parent process opened is its own; a child can't use it, and must not close it.
            self._prepared = {}
            self._sending = threading.Semaphore(self.settings.in_flight)
            cluster = self._make()
            try:
                session = cluster.connect()
            except BaseException:
                cluster.shutdown()
                raise
            self._cluster, self._session, self._process = cluster, session, os.getpid()

    def _make(self) -> Cluster:
        settings = self.settings
        level, serial = _LEVELS[settings.consistency]
        shared: dict[str, Any] = {
            "load_balancing_policy": TokenAwarePolicy(DCAwareRoundRobinPolicy(settings.local_dc or "")),
            "retry_policy": Again(),
            "serial_consistency_level": serial,
            "request_timeout": settings.timeout,
            "row_factory": tuple_factory,
        }
        profiles = {
            EXEC_PROFILE_DEFAULT: ExecutionProfile(consistency_level=level, **shared),
            _SERIAL: ExecutionProfile(consistency_level=serial, **shared),
            _LOOSE: ExecutionProfile(consistency_level=ConsistencyLevel.LOCAL_ONE, **shared),
        }
        login = None if settings.user is None else PlainTextAuthProvider(settings.user, settings.password or "")
        return Cluster(
            list(settings.hosts),
            port=settings.port,
            auth_provider=login,
            ssl_context=self._tls,
            execution_profiles=profiles,
            protocol_version=ProtocolVersion.V5,
            connect_timeout=settings.connect_timeout,
            control_connection_timeout=settings.connect_timeout,
            reconnection_policy=ConstantReconnectionPolicy(_RECONNECT_SECONDS, max_attempts=None),
            idle_heartbeat_interval=_HEARTBEAT_SECONDS,
            idle_heartbeat_timeout=_HEARTBEAT_SECONDS,
            # Else a small request that follows a large one may wait 40 ms for the latter's acknowledgement.
            sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            monitor_reporting_enabled=False,
            application_name="stat7",
        )
