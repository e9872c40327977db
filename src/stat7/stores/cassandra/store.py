"""The store itself: the contract of stores/base.py, put together from the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Concatenate, Final, ParamSpec, TypeVar

from stat7.address import Address
from stat7.errors import Unavailable
from stat7.paging import at_least_one
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.stores.base import Capabilities, Check, Finding, HeadMove, Match, Outcome, Page, Plan
from stat7.stores.cassandra import check, erase, find, heads, health, put, reader, schema
from stat7.stores.cassandra.claims import Claims
from stat7.stores.cassandra.errors import ERRORS, translated
from stat7.stores.cassandra.planner import Planner
from stat7.stores.cassandra.realms import Realms
from stat7.stores.cassandra.session import Connection
from stat7.stores.cassandra.settings import Settings

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

_CAPABILITIES: Final = Capabilities(
    name="cassandra",
    ordered_scan=False,
    refuses_scans=True,
    indexed=frozenset({"realm", "horizon", "lineage", "adjacent_to", "file"}),
)


class CassandraStore:
    """A `Store` in one keyspace of a Cassandra cluster; any number of processes and machines may share it.

    With `make` the keyspace and its tables are made if they aren't there, without it that is a ConfigError.

    What is acknowledged is on most of the replicas' commit logs: `capabilities.durable` says whether those are on the
    disk by then. With three replicas the loss of one is not noticed, and of two is Unavailable until one is back. Of
    several processes that put the same document at once, more than one may be told that it is new. Safe to use from
    many threads; a forked child opens a session of its own.
    """

    def __init__(self, settings: Settings, *, make: bool = True) -> None:
        self.settings = settings
        self._connection = Connection(settings)
        self._claims = Claims()
        self._realms = Realms(self._connection)
        self._planner = Planner(self._connection, self._realms)
        try:
            self._on(schema.prepare, make=make)
            durable = self._on(health.is_durable)
        except BaseException:
            self._connection.close()
            raise
        self.capabilities = replace(_CAPABILITIES, durable=durable)

    # Entities: in

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store what is missing, index rows first, then try the moves, each of them by itself."""
        return self._on(put.put, self._claims, self._realms, records, moves)

    def replace(self, records: Sequence[Record]) -> None:
        """Write records over damaged bytes and index rows."""
        self._on(put.replace, self._claims, self._realms, records)

    def discard(self, addresses: Sequence[Address]) -> None:
        """Take documents back as if they never were."""
        self._on(erase.discard, self._claims, addresses)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Keep notices and erase documents; the nodes' files give the bytes up when they are compacted."""
        self._on(erase.withdraw, self._claims, notices)

    # Entities: out

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """The documents and notices of those addresses that are known."""
        return self._on(reader.get, addresses)

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """Those of the addresses that have a document."""
        return self._on(reader.has, addresses)

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """The next matches, in the order of the partitions of their index rows; pages may be short."""
        return self._on(find.find, self._realms, query, cursor, at_least_one(limit))

    def explain(self, query: Query) -> Plan:
        """The way that `find` takes, estimated from a sample."""
        return self._on(lambda _: self._planner.explain(query))

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """Documents and notices in the order of tokens, which is not that of addresses."""
        return self._on(reader.scan, cursor, at_least_one(limit))

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """The notices in the order of tokens."""
        return self._on(reader.scan_notices, cursor, at_least_one(limit))

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """Those of the files that a stored document names."""
        return self._on(reader.named_files, sha256s)

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """Compare rows with documents, index rows both ways, and notices."""
        return self._on(check.check, self._realms, cursor, at_least_one(limit))

    def count(self) -> int:
        """Documents stored; reads every row, on the nodes."""
        return self._on(reader.count)

    # Heads and marks

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """The current address of each id that has one."""
        return self._on(heads.read_heads, ids)

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Try each move on its own; one whose outcome was lost comes as not made if the head is elsewhere by now."""
        return self._on(heads.move_heads, moves)

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """Every head, in the order of tokens."""
        return self._on(heads.scan_heads, cursor, at_least_one(limit))

    def marks(self) -> dict[str, str]:
        """The marks that are set."""
        return self._on(heads.read_marks)

    def set_mark(self, name: str, value: str | None) -> None:
        """Set a mark durably; None removes it."""
        self._on(heads.set_mark, name, value)

    # The whole

    def compact(self) -> int:
        """Erase what puts that were cut off or came late have left; giving space back is the nodes' own work."""
        return self._on(health.compact)

    def diagnose(self) -> list[Check]:
        """Versions, nodes, schema, replication, durability, latency, clocks."""
        return self._on(health.diagnose)

    def disk_bytes(self) -> int | None:
        """Bytes of the tables on all nodes that are up."""
        return self._on(health.size)

    def close(self) -> None:
        """Close the session; calls under way fail."""
        self._connection.close()

    def __enter__(self) -> CassandraStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Inside

    def _on(
        self,
        work: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run `work` on the connection, its errors translated."""
        connection = self._connection
        try:
            # Even calls that have nothing to do are refused by a closed store.
            connection.demand_open()
            return work(connection, *args, **kwargs)
        except ERRORS as error:
            if connection.is_closed:
                raise Unavailable(f"the store at {self.settings.where()} is closed; open it again") from error
            raise translated(error, self.settings.where()) from error
        except RuntimeError as error:
            if connection.is_closed:
                raise Unavailable(f"the store at {self.settings.where()} is closed; open it again") from error
            raise
