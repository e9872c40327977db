"""What a store of entities and heads must do, and the small values that pass between it and the repository above.

Everything is a batch, absence is not an error, and a cursor is opaque text that survives restarts. A store trusts what
it is given (the repository has hashed it) and returns what it holds (the repository hashes it again). `stat7.testing`
publishes the suites that every implementation passes. Times never order anything: heads move by compare-and-swap alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from stat7.address import Address
from stat7.contracts import Check as Check
from stat7.contracts import Diagnosed as Diagnosed
from stat7.contracts import Page as Page
from stat7.query import Query
from stat7.record import Notice, Record


class Outcome(Enum):
    """What became of one record given to `EntityStore.put`."""

    NEW = "new"
    EXISTED = "existed"
    WITHDRAWN = "withdrawn"


class HeadMove(NamedTuple):
    """Move the head of `id` from `expected` (None: it has no head yet) to `new` (None: remove the head)."""

    id: str
    expected: Address | None
    new: Address | None


class Match(NamedTuple):
    """One entity that a query found."""

    address: Address
    id: str


class Finding(NamedTuple):
    """One thing that is wrong: its kind (`index`, `document`, …), the address or name concerned, and what."""

    kind: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How a store will answer a query.

    `method` is the store's own name for the way (`walk`, `cov`, `links`, …), `indexed` False where it must look at
    a large part of the store, `rows` the estimated number of index or table rows visited for a first page of 100,
    `matches` the estimated number of matching entities, `detail` one line for a person.
    """

    method: str
    indexed: bool
    rows: int
    matches: int
    detail: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend is like, as data.

    `max_batch`: most items that one call should carry. `consistent_find`: what was put is found at once. `durable`:
    what is acknowledged survives a power cut. `ordered_scan`: `scan` goes in address order and `scan_heads` in some
    stable order. `shared`: other processes can open the same store. `indexed`: the query fields served by an index.
    `embedded`: it answers from this process in microseconds as a rule, rather than from a server.
    `refuses_scans`: a find that no index serves reads a whole cluster, so the façade refuses it unless it is allowed.
    """

    name: str
    max_batch: int = 10_000
    consistent_find: bool = True
    durable: bool = True
    ordered_scan: bool = True
    shared: bool = True
    refuses_scans: bool = False
    embedded: bool = False
    indexed: frozenset[str] = field(default_factory=frozenset)


class EntityStore(Protocol):
    """Documents by address, with indexes over their coordinates. Raises only errors of stat7.errors."""

    capabilities: Capabilities

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store the records that are missing, then try the head moves; durable when it returns.

        One outcome per record, in order, and one bool per move: whether that head was swapped. EXISTED and WITHDRAWN
        change nothing. A move to an address that was withdrawn is not made. An address may occur twice in `records`
        (the second is EXISTED), an id once in `moves`. Where the engine has transactions all of it is one.
        """
        ...

    def replace(self, records: Sequence[Record]) -> None:
        """Overwrite the stored bytes and index rows of these records, or store them anew; what is withdrawn stays so.

        For repair alone.
        """
        ...

    def discard(self, addresses: Sequence[Address]) -> None:
        """Take back documents just stored, with their index rows, as if they never were; unknown ones are ignored."""
        ...

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """The documents, or the notices in their place, of those addresses that are known; the rest is left out."""
        ...

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """Those of the addresses that have a document (withdrawn ones have none)."""
        ...

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """The next page of entities (all versions, whatever `query.versions` says) that match, each exactly once.

        A stable order of the store's own choosing; what is stored and stays stored throughout is found exactly once.
        A cursor of another query or store raises InvalidQuery. Withdrawn entities are not found.
        """
        ...

    def explain(self, query: Query) -> Plan:
        """How `find` would answer this query."""
        ...

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """Everything stored, documents and notices, page by page; in address order if `capabilities.ordered_scan`."""
        ...

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """The notices alone, page by page, in a stable order."""
        ...

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """Those of the files that some stored document (any version, not withdrawn) names."""
        ...

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Erase the documents and their index rows and keep the notices; unknown addresses too; the first notice wins.

        Where the document is known the store fills in the notice's `id` and `previous` from it, if they are None.
        """
        ...

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """Compare index rows with documents (missing, stale or orphaned rows), about `limit` entities a call."""
        ...

    def count(self) -> int:
        """Documents stored: every version, withdrawn ones not counted."""
        ...

    def compact(self) -> int:
        """Give freed space back to the disk, erase what withdrawal left there; returns bytes freed (0 if unknown)."""
        ...

    def close(self) -> None:
        """Release connections and memory; further calls raise Unavailable. Closing twice is harmless."""
        ...


class HeadStore(Protocol):
    """id -> current address, moved only by compare-and-swap; and small named marks for jobs that must resume."""

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """The current address of each id that has one."""
        ...

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Try each move on its own; True where the head was `expected` and now is `new`. An id occurs once."""
        ...

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """Every head, page by page, in a stable order."""
        ...

    def marks(self) -> dict[str, str]:
        """The named marks that are set: progress of copies and the like, nothing that is an entity."""
        ...

    def set_mark(self, name: str, value: str | None) -> None:
        """Set a mark durably (None removes it). Names and values are short text."""
        ...


class Store(EntityStore, HeadStore, Protocol):
    """What a backend implements: documents and heads together. Wrappers take a Store and are one."""
