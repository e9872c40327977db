"""The one façade over a store of entities and a store of files: it hashes on write and re-hashes on read.

What each operation means in every case is written in docs/semantics.md; this module is that text as code, once for every
backend.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, TypeAlias

from stat7.address import Address
from stat7.entity import Entity
from stat7.errors import (
    Conflict,
    Corrupt,
    Gone,
    InvalidEntity,
    NotFound,
    Stat7Error,
    StoreFull,
    Unavailable,
)
from stat7.files.base import FileStore, StoredFile
from stat7.query import Query
from stat7.record import Notice, Record, format_time, normalise, normalise_json, read_canonical, read_trusted
from stat7.stores.base import HeadMove, Match, Outcome, Page, Plan, Store
from stat7.versions import decide, group_by_id, needs_ancestors

PAGE = 1000
"""Items fetched in one call while something is walked through."""

REFRESH_AFTER_MS = 24 * 3600 * 1000
"""A named file older than this has its time renewed by a put, so that gc (grace of two days or more) leaves it alone."""

MAX_HEAD_RACES = 32

Document: TypeAlias = Entity | Record | Mapping[str, Any] | bytes | str
"""What put takes: an entity, a checked record, a document as Python objects, or JSON text."""


class Status(Enum):
    """What became of one item of a put."""

    NEW = "new"
    EXISTED = "existed"
    CONFLICT = "conflict"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


class PutResult(NamedTuple):
    """The outcome of one item: its address (None if it couldn't be read), and the error if it wasn't stored."""

    status: Status
    address: Address | None
    error: Stat7Error | None = None


class Neighbour(NamedTuple):
    """One end of an adjacency: the id, its current address (None: nothing stored), and who names whom."""

    id: str
    address: Address | None
    outgoing: bool
    incoming: bool


class Repository:
    """Entities, their heads and histories, and files, over any Store and FileStore.

    Safe to use from many threads. Raises only errors of stat7.errors. Use as a context manager, or call `close`.
    """

    def __init__(self, store: Store, files: FileStore, *, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self.files = files
        self._clock = clock

    # Entities: in

    def put(self, document: Document) -> Address:
        """Store one document and move the head of its id; returns its address, also if it was there already.

        Raises InvalidEntity (bad document, or a file it names isn't stored), Conflict(current head), Gone (withdrawn).
        """
        (result,) = self.put_many([document])
        if result.error is not None:
            raise result.error
        assert result.address is not None
        return result.address

    def put_many(self, documents: Iterable[Document]) -> list[PutResult]:
        """Store a batch; one result per document, in order. Not atomic: each has its own outcome.

        Several versions of one id are applied in chain order. A store that fails makes the items it had not yet
        acknowledged UNAVAILABLE; putting the batch again completes it.
        """
        results: list[PutResult] = []
        records: dict[int, Record] = {}
        for index, document in enumerate(documents):
            try:
                record = records[index] = to_record(document)
                results.append(PutResult(Status.UNAVAILABLE, record.address))
            except InvalidEntity as error:
                results.append(PutResult(Status.REFUSED, None, error))
        indexes = list(records)
        size = self.store.capabilities.max_batch
        for start in range(0, len(indexes), size):
            part = [records[index] for index in indexes[start : start + size]]
            for index, result in zip(indexes[start : start + size], self._put_batch(part), strict=True):
                results[index] = result
        return results

    def put_exact(self, address: Address, data: bytes) -> PutResult:
        """Store bytes that must be canonical and hash to `address`; the error of a mismatch names both addresses."""
        found = hashlib.sha256(data).hexdigest()
        if found != address:
            error = InvalidEntity("", f"these bytes hash to {found}, not to {address}")
            return PutResult(Status.REFUSED, None, error)
        return self.put_many([read_canonical(data)])[0]

    # Entities: out

    def get(self, address: Address) -> Entity:
        """The entity stored under an address. Raises NotFound, Gone or Corrupt."""
        return Entity.from_record(read_trusted(address, self.get_document(address)))

    def get_document(self, address: Address) -> bytes:
        """The canonical bytes stored under an address, hashed again. Raises NotFound, Gone or Corrupt."""
        document = self.store.get((address,)).get(address)
        if type(document) is bytes:
            if hashlib.sha256(document).hexdigest() == address:
                return document
            raise Corrupt(address, f"they hash to {hashlib.sha256(document).hexdigest()}")
        if isinstance(document, Notice):
            raise Gone(document)
        raise NotFound(address)

    def get_documents(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """The canonical bytes (hashed again) or notices of many addresses; unknown ones are left out. Raises Corrupt."""
        sha256 = hashlib.sha256
        found = self.store.get(addresses)
        for address, document in found.items():
            if type(document) is bytes and sha256(document).hexdigest() != address:
                raise Corrupt(address, f"they hash to {sha256(document).hexdigest()}")
        return found

    def get_many(self, addresses: Sequence[Address]) -> dict[Address, Entity | Notice]:
        """`get_documents` as entities."""
        return {
            address: item if isinstance(item, Notice) else Entity.from_record(read_trusted(address, item))
            for address, item in self.get_documents(addresses).items()
        }

    def head(self, id: str) -> Address:
        """The address of the current version of an id. Raises NotFound."""
        address = self.store.heads((id,)).get(id)
        if address is None:
            raise NotFound(id)
        return address

    def current(self, id: str) -> Entity:
        """The current version of an id. Raises NotFound, Gone (its head was withdrawn) or Corrupt."""
        return self.get(self.head(id))

    def history(self, id: str) -> Iterator[Entity | Notice]:
        """The versions of an id, newest first; withdrawn ones as their notices. Ends at the first version not stored here.

        Raises NotFound at once if the id has no head, and Corrupt on the way.
        """
        return self._history(self.head(id))

    def neighbours(self, id: str) -> Iterator[Neighbour]:
        """The ids that the current version of `id` names, then those whose current version names `id` and weren't listed.

        Raises NotFound at once if nothing current has, or names, this id.
        """
        head = self.store.heads((id,)).get(id)
        found = self.get_documents((head,)).get(head) if head is not None else None
        named = read_trusted(head, found).adjacency if head is not None and isinstance(found, bytes) else []
        incoming = self._matches(Query(adjacent_to=id))
        first = next(incoming, None)
        if head is None and first is None:
            raise NotFound(id)
        return self._neighbours(id, named, chain([first] if first else [], incoming))

    # Finding

    def find(self, query: Query, limit: int | None = None) -> Iterator[Entity]:
        """Every entity that matches, once; each is hashed, and checked against the query again, before it's returned."""
        found = 0
        for page in self._pages(query, limit):
            documents = self.get_documents([match.address for match in page])
            for match in page:
                document = documents.get(match.address)
                if isinstance(document, bytes):
                    record = read_trusted(match.address, document)
                    if query.matches(record):
                        yield Entity.from_record(record)
                        found += 1
                        if found == limit:
                            return

    def find_addresses(self, query: Query, limit: int | None = None) -> Iterator[Address]:
        """The addresses of what matches, without reading the documents."""
        for found, match in enumerate(self._matches(query)):
            if found == limit:
                return
            yield match.address

    def find_page(self, query: Query, cursor: str | None = None, limit: int = 100) -> Page[Match]:
        """One page of matches. Pages may be short or empty; only a missing cursor means that nothing follows."""
        page = self.store.find(query, cursor, limit)
        if query.versions == "all" or not page.items:
            return page
        heads = self.store.heads([match.id for match in page.items])
        return Page([match for match in page.items if heads.get(match.id) == match.address], page.cursor)

    def explain(self, query: Query) -> Plan:
        """How the store will answer this query: the index it uses, or that it must look at everything."""
        return self.store.explain(query)

    # Withdrawal

    def withdraw(self, addresses: Sequence[Address], *, case: str, reason: str) -> list[Notice]:
        """Erase documents and leave notices; returns the notices in force (an earlier withdrawal's is kept).

        Addresses never seen are withdrawn ahead: putting them later is refused.
        """
        notices = self._notices(addresses, case, reason)
        self.store.withdraw(notices)
        kept = self.store.get(addresses)
        return [notice for address in addresses if isinstance(notice := kept.get(address), Notice)]

    def withdraw_versions(self, id: str, *, case: str, reason: str) -> list[Notice]:
        """Withdraw every version that is reachable from the head of `id`. Raises NotFound."""
        versions = self.history(id)
        addresses = [version.address for version in versions]
        return self.withdraw(addresses, case=case, reason=reason)

    def withdraw_files(self, sha256s: Sequence[str], *, case: str, reason: str) -> list[Notice]:
        """Erase file bytes at once and refuse them from now on; documents that name them stay."""
        self.files.withdraw(self._notices(sha256s, case, reason))
        kept = self.files.stat(sha256s)
        return [notice for name in sha256s if isinstance(notice := kept.get(name), Notice)]

    # Files

    def put_file(self, source: BinaryIO | Path | Iterable[bytes], *, sha256: str | None = None) -> StoredFile:
        """Store a file's bytes under their SHA-256; with `sha256` given, other bytes are refused. Raises Gone."""
        return self.files.put(source, sha256=sha256)

    def open_file(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Verified bytes of a file, whole or from `start` up to `end` (excluded). Raises NotFound, Gone, Corrupt."""
        return self.files.open(sha256, start, end)

    def stat_file(self, sha256: str) -> StoredFile:
        """Size and time of a stored file. Raises NotFound or Gone."""
        found = self.files.stat((sha256,)).get(sha256)
        if found is None:
            raise NotFound(sha256)
        if isinstance(found, Notice):
            raise Gone(found)
        return found

    def close(self) -> None:
        """Close both stores. Closing twice is harmless."""
        try:
            self.store.close()
        finally:
            self.files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Inside

    def _put_batch(self, records: Sequence[Record]) -> list[PutResult]:
        refused, refreshed = self._check_files(records)
        results = {record.address: PutResult(Status.UNAVAILABLE, record.address) for record in records}
        results |= refused
        waiting = [record for record in records if record.address not in refused]
        try:
            self._commit(waiting, results)
            if refreshed:
                self._look_again(waiting, refreshed, results)
        except (Unavailable, StoreFull) as error:
            pending = [address for address, result in results.items() if result.status is Status.UNAVAILABLE]
            results |= {address: PutResult(Status.UNAVAILABLE, address, error) for address in pending}
        return _in_order(records, results)

    def _commit(self, records: Sequence[Record], results: dict[Address, PutResult]) -> None:
        """Store the records and move heads; repeat with fresh heads for ids whose head moved meanwhile."""
        for _ in range(MAX_HEAD_RACES):
            if not records:
                return
            groups = group_by_id(records)
            heads = self.store.heads(list(groups))
            ancestors = self._ancestors(
                {id: (heads[id], set(group)) for id, group in groups.items() if needs_ancestors(group, heads.get(id))}
            )
            decision = decide(groups, heads, ancestors)
            self._report_conflicts(decision.conflicts, records, results)
            storing = [record for record in records if record.address not in decision.conflicts]
            outcomes, moved = self.store.put(storing, decision.moves)
            withdrawn = self._report(storing, outcomes, results)
            lost = {move.id for move, done in zip(decision.moves, moved, strict=True) if not done}
            records = [record for record in storing if record.id in lost and record.address not in withdrawn]
        error = Unavailable(f"the head of {records[0].id} keeps moving; try again later")
        results.update((record.address, PutResult(Status.UNAVAILABLE, record.address, error)) for record in records)

    def _report(
        self, records: Sequence[Record], outcomes: Sequence[Outcome], results: dict[Address, PutResult]
    ) -> set[Address]:
        """Note the outcomes (the first one counts: a repeated round finds what it stored); returns what is withdrawn."""
        withdrawn = []
        for record, outcome in zip(records, outcomes, strict=True):
            if outcome is Outcome.WITHDRAWN:
                withdrawn.append(record.address)
            elif results[record.address].status is Status.UNAVAILABLE:
                results[record.address] = PutResult(Status(outcome.value), record.address)
        results |= self._gone(withdrawn)
        return set(withdrawn)

    def _report_conflicts(
        self, conflicts: Mapping[Address, Address], records: Sequence[Record], results: dict[Address, PutResult]
    ) -> None:
        if not conflicts:
            return
        for record in records:
            if record.address in conflicts:
                error = Conflict(record.id, conflicts[record.address])
                results[record.address] = PutResult(Status.CONFLICT, record.address, error)
        results |= self._gone(list(conflicts))

    def _gone(self, addresses: Sequence[Address]) -> dict[Address, PutResult]:
        """WITHDRAWN results for those of the addresses that have a notice."""
        found = self.store.get(addresses) if addresses else {}
        return {
            address: PutResult(Status.WITHDRAWN, address, Gone(notice))
            for address, notice in found.items()
            if isinstance(notice, Notice)
        }

    def _ancestors(self, wanted: Mapping[str, tuple[Address, set[Address]]]) -> dict[str, set[Address]]:
        """For each id what is reachable from its head through `previous` (first missing link included), all ids in step.

        Stops early for an id once all of its wanted addresses have been met.
        """
        behind: dict[str, set[Address]] = {id: set() for id in wanted}
        frontier = {id: head for id, (head, _) in wanted.items()}
        while frontier:
            documents = self.get_documents(list(frontier.values()))
            following: dict[str, Address] = {}
            for id, address in frontier.items():
                previous = _previous(address, documents.get(address))
                if previous is not None:
                    behind[id].add(previous)
                    if not wanted[id][1] <= behind[id]:
                        following[id] = previous
            frontier = following
        return behind

    def _check_files(self, records: Sequence[Record]) -> tuple[dict[Address, PutResult], set[str]]:
        """Refuse records that name a file which isn't stored; renew the time of old ones, and say which they were."""
        names = {entry.sha256 for record in records for entry in record.files}
        if not names:
            return {}, set()
        stored = self.files.stat(list(names))
        refused: dict[Address, PutResult] = {}
        for record in records:
            error = _file_error(record, stored)
            if error is not None:
                status = Status.WITHDRAWN if isinstance(error, Gone) else Status.REFUSED
                refused[record.address] = PutResult(status, record.address, error)
        before = self._clock() * 1000 - REFRESH_AFTER_MS
        old = {name for name, file in stored.items() if isinstance(file, StoredFile) and file.stored_at < before}
        if old:
            self.files.refresh(list(old))
        return refused, old

    def _look_again(self, records: Sequence[Record], refreshed: set[str], results: dict[Address, PutResult]) -> None:
        """Take back new documents whose file gc erased between our look and our put."""
        lost = refreshed - self.files.stat(list(refreshed)).keys()
        for record in reversed(records):
            missing = next((entry.sha256 for entry in record.files if entry.sha256 in lost), None)
            if missing is not None and results[record.address].status is Status.NEW:
                back = record.previous if record.previous and self.store.get((record.previous,)) else None
                self.store.swap_heads([HeadMove(record.id, record.address, back)])
                self.store.discard([record.address])
                error = InvalidEntity(
                    "files", f"the file {missing} was collected meanwhile; put it again, then the document"
                )
                results[record.address] = PutResult(Status.REFUSED, record.address, error)

    def _history(self, address: Address | None) -> Iterator[Entity | Notice]:
        while address is not None:
            item = self.get_many((address,)).get(address)
            if item is None:
                return
            yield item
            address = item.previous

    def _neighbours(self, id: str, named: Sequence[str], incoming: Iterable[Match]) -> Iterator[Neighbour]:
        addresses = self.store.heads(named)
        documents = self.get_documents(list(addresses.values()))
        for name in named:
            address = addresses.get(name)
            document = documents.get(address) if address is not None else None
            mutual = isinstance(document, bytes) and id in read_trusted(address or "", document).adjacency
            yield Neighbour(name, address, outgoing=True, incoming=mutual)
        listed = set(named)
        for match in incoming:
            if match.id not in listed:
                yield Neighbour(match.id, match.address, outgoing=False, incoming=True)

    def _matches(self, query: Query) -> Iterator[Match]:
        for page in self._pages(query, None):
            yield from page

    def _pages(self, query: Query, limit: int | None) -> Iterator[list[Match]]:
        cursor: str | None = None
        size = PAGE if limit is None else max(1, min(limit, PAGE))
        while True:
            page = self.find_page(query, cursor, size)
            yield page.items
            cursor = page.cursor
            if cursor is None:
                return

    def _notices(self, addresses: Sequence[Address], case: str, reason: str) -> list[Notice]:
        now = format_time(int(self._clock() * 1000))
        return [Notice(address, case, reason, now) for address in addresses]


def to_record(document: Document) -> Record:
    """Any form of document as a checked record. Raises InvalidEntity."""
    if isinstance(document, Record):
        return document
    if isinstance(document, Entity):
        return document.record
    if isinstance(document, str):
        return normalise_json(document.encode("utf-8", "surrogatepass"))
    if isinstance(document, bytes):
        return normalise_json(document)
    return normalise(document)


def _previous(address: Address, found: bytes | Notice | None) -> Address | None:
    if found is None:
        return None
    return found.previous if isinstance(found, Notice) else read_trusted(address, found).previous


def _file_error(record: Record, stored: Mapping[str, StoredFile | Notice]) -> Stat7Error | None:
    for index, entry in enumerate(record.files):
        found = stored.get(entry.sha256)
        if found is None:
            reason = f"the file {entry.sha256} ({entry.name}) is not stored; put it first, with `stat7 file put`"
            return InvalidEntity(f"files[{index}].sha256", reason)
        if isinstance(found, Notice):
            return Gone(found)
        if found.size != entry.size:
            return InvalidEntity(f"files[{index}].size", f"says {entry.size}, the stored file has {found.size} bytes")
    return None


def _in_order(records: Sequence[Record], results: Mapping[Address, PutResult]) -> list[PutResult]:
    """One result per record; of equal records only the first can have been new."""
    seen: set[Address] = set()
    ordered = []
    for record in records:
        result = results[record.address]
        if record.address in seen and result.status is Status.NEW:
            result = PutResult(Status.EXISTED, record.address)
        seen.add(record.address)
        ordered.append(result)
    return ordered
