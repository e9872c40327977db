"""The store itself: the contract of stores/base.py, put together from the modules beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final

from stat7.address import Address
from stat7.paging import DOCUMENTS, at_least_one
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.stores.base import Capabilities, Check, Finding, HeadMove, Match, Outcome, Page, Plan
from stat7.stores.dynamodb import check, erase, explain, find, heads, health, put, reader, table
from stat7.stores.dynamodb.client import Client
from stat7.stores.dynamodb.session import Session
from stat7.stores.dynamodb.settings import Settings

_CAPABILITIES: Final = Capabilities(
    name="dynamodb",
    max_batch=1000,
    consistent_find=False,
    refuses_scans=True,
    indexed=frozenset({"realm", "horizon", "lineage", "adjacent_to", "file"}),
)


class DynamoDBStore:
    """A `Store` in one table of DynamoDB; any number of processes may share it.

    With `make` the table is made if it isn't there, without it one that isn't there is a ConfigError. What is
    acknowledged is as durable as the service. Documents, notices, heads and marks are read consistently, links too; the
    index that answers finds by realm, horizon and lineage, and `count`, may lag behind by a moment. Safe to use from
    many threads; a forked child may go on using it.

    A call whose requests DynamoDB refuses for being busy, or that don't reach it, is repeated for `settings.retry`
    seconds and then raises Unavailable. What a call had done by then stays done, and doing it again completes it.
    """

    def __init__(self, settings: Settings, *, make: bool = True) -> None:
        self.settings = settings
        self.capabilities = _CAPABILITIES
        self._realms: set[str] = set()
        self._client = Client(settings)
        try:
            self._layout = table.prepare(self._client, make=make)
        except BaseException:
            self._client.close()
            raise

    # Entities: in

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store what is missing, links first, then try the moves; each record and each move by itself.

        Where an answer was lost and the request repeated, what was stored by then has EXISTED, and a head that was
        moved by then comes as not moved: the repository finds it where it should be.
        """
        return put.put(self._session(), records, moves, self._realms)

    def replace(self, records: Sequence[Record]) -> None:
        """Write records over damaged documents and links."""
        put.replace(self._session(), records, self._realms)

    def discard(self, addresses: Sequence[Address]) -> None:
        """Take documents back as if they never were.

        One that somebody puts again at this very moment may lose links: `check` tells.
        """
        erase.discard(self._session(), addresses)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Erase documents and links, keep notices; backups of the table keep what was erased until they end."""
        erase.withdraw(self._session(), notices)

    # Entities: out

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """The documents and notices of those addresses that are known."""
        return reader.get(self._session(), addresses)

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """Those of the addresses that have a document."""
        return reader.has(self._session(), addresses)

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """The next matches, in an order that find.py tells for each way."""
        return find.find(self._session(), query, cursor, at_least_one(limit))

    def explain(self, query: Query) -> Plan:
        """How `find` answers; a few counts of at most 400 rows each."""
        return explain.explain(self._session(), query)

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """Documents and notices in address order."""
        return reader.scan(self._session(), cursor, at_least_one(limit))

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """The notices in address order."""
        return reader.scan_notices(self._session(), cursor, at_least_one(limit))

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """Those of the files that a stored document names; one request for each file."""
        return reader.named_files(self._session(), sha256s)

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """Compare every item with what belongs to it; reads the whole table once and its links twice."""
        return check.check(self._session(), cursor, at_least_one(limit))

    def count(self) -> int:
        """Documents stored; reads the index, half a read unit for about 16 of them."""
        return reader.count(self._session())

    # Heads and marks

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """The current address of each id that has one."""
        return heads.read_heads(self._session(), ids)

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Try each move on its own; where an answer was lost, as by `put`."""
        return heads.swap(self._session(), moves)

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """Every head, in the order of the ids' SHA-256."""
        return heads.walk_heads(self._session(), cursor, at_least_one(limit))

    def marks(self) -> dict[str, str]:
        """The marks that are set."""
        return heads.read_marks(self._session())

    def set_mark(self, name: str, value: str | None) -> None:
        """Set a mark; None removes it."""
        heads.set_mark(self._session(), name, value)

    # The whole

    def compact(self) -> int:
        """Erase links that were left behind; the service itself keeps no free space. Reads the whole table. 0."""
        check.compact(self._session(), DOCUMENTS)
        return 0

    def diagnose(self) -> list[Check]:
        """Table, schema, index, billing, backups, latency, clock."""
        return health.diagnose(self._session())

    def disk_bytes(self) -> int:
        """Bytes of the table and its index, as of the last six hours."""
        return health.disk_bytes(self._session())

    def close(self) -> None:
        """Close connections; calls under way fail."""
        self._client.close()

    def __enter__(self) -> DynamoDBStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _session(self) -> Session:
        self._client.api()
        return Session(self._client, self._layout)
