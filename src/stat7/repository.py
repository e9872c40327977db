"""The one façade over a store of entities and a store of files: it hashes on write and re-hashes on read.

What each operation means in every case is written in docs/semantics.md; this module is that text as code, once for
every backend.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias

from stat7.address import Address, is_address
from stat7.contracts import Page
from stat7.entity import Entity
from stat7.errors import Gone, InvalidEntity, InvalidQuery, NotFound, Unsupported
from stat7.files.base import FileStore, Source, StoredFile
from stat7.paging import DOCUMENTS, NAMES
from stat7.putting import PutResult as PutResult
from stat7.putting import Status as Status
from stat7.putting import put_batch
from stat7.query import Query
from stat7.record import Notice, Record, check_id, check_line, format_time, normalise, normalise_json, read_canonical
from stat7.stored import parse_stored, read_stored, verified
from stat7.stores.base import Match, Plan, Store

Document: TypeAlias = Entity | Record | Mapping[str, Any] | bytes | str
"""What put takes: an entity, a checked record, a document as Python objects, or JSON text."""


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

    def now_ms(self) -> int:
        """The time by this repository's clock, ms since 1970."""
        return int(self._clock() * 1000)

    # Entities: in

    def put(self, document: Document) -> Address:
        """Store one document and move the head of its id; returns its address, also if it was there already.

        Raises InvalidEntity (bad document, or a file it names isn't stored), Conflict(current head), Gone (withdrawn),
        and what a store that fails raises: Unavailable, StoreFull, Corrupt (the chain of versions, or the store itself,
        is damaged), ConfigError (the store can't be used as it is configured).
        """
        (result,) = self.put_many([document])
        if result.error is not None:
            raise result.error
        assert result.address is not None
        return result.address

    def put_many(self, documents: Iterable[Document]) -> list[PutResult]:
        """Store a batch; one result per document, in order. Not atomic: each has its own outcome.

        Several versions of one id are applied in chain order. A store that fails, with whatever error of stat7.errors,
        makes the items it had not yet acknowledged UNAVAILABLE, with that error; putting the batch again completes it.
        Raises nothing but what iterating over `documents` raises.
        """
        return put_each(documents, self._put)

    def put_exact(self, address: Address, data: bytes) -> PutResult:
        """Store bytes that must be canonical and hash to `address`; other bytes are REFUSED, naming both addresses."""
        try:
            found = hashlib.sha256(data).hexdigest()
            if found != address:
                raise InvalidEntity("", f"these bytes hash to {found}, not to {address}")
            return self.put_many([read_canonical(data)])[0]
        except InvalidEntity as error:
            return PutResult(Status.REFUSED, None, error)

    # Entities: out

    def get(self, address: Address) -> Entity:
        """The entity stored under an address. Raises NotFound, Gone or Corrupt."""
        return Entity.from_record(parse_stored(address, self.get_document(address)))

    def get_document(self, address: Address) -> bytes:
        """The canonical bytes stored under an address, hashed again. Raises NotFound, Gone or Corrupt."""
        held = self.store.get((address,)).get(address)
        if isinstance(held, bytes):
            return verified(address, held)
        raise NotFound(address) if held is None else Gone(held)

    def get_documents(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """The canonical bytes, hashed again, or notices of many addresses; unknown ones left out. Raises Corrupt."""
        held, sha256 = self.store.get(addresses), hashlib.sha256
        for address, document in held.items():
            if isinstance(document, bytes) and sha256(document).hexdigest() != address:
                verified(address, document)
        return held

    def get_many(self, addresses: Sequence[Address]) -> dict[Address, Entity | Notice]:
        """`get_documents` as entities."""
        return {
            address: held if isinstance(held, Notice) else Entity.from_record(read_stored(address, held))
            for address, held in self.store.get(addresses).items()
        }

    def head(self, id: str) -> Address:
        """The address of the current version of an id. Raises NotFound, or InvalidQuery for what can't be an id."""
        address = self.store.heads((checked_id(id),)).get(id)
        if address is None:
            raise NotFound(id)
        return address

    def current(self, id: str) -> Entity:
        """The current version of an id. Raises NotFound, Gone (its head was withdrawn) or Corrupt."""
        return self.get(self.head(id))

    def history(self, id: str, start: Address | None = None) -> Iterator[Entity | Notice]:
        """The versions of an id, newest first; withdrawn ones as their notices.

        From the current one, or from the version `start`. Ends at the first version that is not stored here, or is of
        another id. Raises NotFound at once if the id has no head, and Corrupt on the way.
        """
        return self._history(id, start or self.head(id))

    def neighbours(self, id: str) -> Iterator[Neighbour]:
        """The ids that the current version of `id` names, then those not listed yet whose current version names `id`.

        Raises NotFound at once if nothing current has, or names, this id.
        """
        head = self.store.heads((checked_id(id),)).get(id)
        held = None if head is None else self.store.get((head,)).get(head)
        named = read_stored(head, held).adjacency if head is not None and isinstance(held, bytes) else []
        incoming = self._matches(Query(adjacent_to=id), None, False)
        first = next(incoming, None)
        if head is None and first is None:
            raise NotFound(id)
        return self._neighbours(id, named, chain([first] if first else [], incoming))

    # Finding

    def find(self, query: Query, limit: int | None = None, *, allow_scan: bool = False) -> Iterator[Entity]:
        """Every entity that matches, once; each is hashed and checked against the query again before it's returned.

        Raises Unsupported where the store would have to read a whole cluster, unless `allow_scan`.
        """
        found = 0
        for matches in self._pages(query, limit, DOCUMENTS, allow_scan):
            held = self.store.get([match.address for match in matches])
            for match in matches:
                document = held.get(match.address)
                if isinstance(document, bytes):
                    record = read_stored(match.address, document)
                    if query.matches(record):
                        yield Entity.from_record(record)
                        found += 1
                        if found == limit:
                            return

    def find_addresses(self, query: Query, limit: int | None = None, *, allow_scan: bool = False) -> Iterator[Address]:
        """The addresses of what matches, without reading the documents; else as `find`."""
        for found, match in enumerate(self._matches(query, limit, allow_scan), 1):
            yield match.address
            if found == limit:
                return

    def find_page(
        self, query: Query, cursor: str | None = None, limit: int = 100, *, allow_scan: bool = False
    ) -> Page[Match]:
        """One page of matches. Pages may be short or empty; only a missing cursor means that nothing follows.

        Raises Unsupported where the store would read a whole cluster, unless `allow_scan`; with a cursor it goes
        on with what was allowed.
        """
        if cursor is None and self.store.capabilities.refuses_scans and not allow_scan:
            self._refuse_scan(query)
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

        `case` and `reason` are one line each, else InvalidEntity. Addresses never seen are withdrawn ahead: to put them
        later is refused.
        """
        notices = self._notices(addresses, case, reason)
        kept: list[Notice] = []
        size = self.store.capabilities.max_batch
        for start in range(0, len(notices), size):
            part = notices[start : start + size]
            self.store.withdraw(part)
            held = self.store.get([notice.address for notice in part])
            kept += [in_force for notice in part if isinstance(in_force := held.get(notice.address), Notice)]
        return kept

    def withdraw_versions(self, id: str, *, case: str, reason: str) -> list[Notice]:
        """Withdraw every version reachable from the head of `id`. Raises NotFound, or Corrupt (nothing is done)."""
        return self.withdraw([version.address for version in self.history(id)], case=case, reason=reason)

    def withdraw_files(self, sha256s: Sequence[str], *, case: str, reason: str) -> list[Notice]:
        """Erase file bytes at once and refuse them from now on; documents that name them stay."""
        self.files.withdraw(self._notices(sha256s, case, reason))
        kept = self.files.stat(sha256s)
        return [notice for name in sha256s if isinstance(notice := kept.get(name), Notice)]

    # Files

    def put_file(self, source: Source, *, sha256: str | None = None) -> StoredFile:
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

    def _put(self, records: Sequence[Record]) -> list[PutResult]:
        """What becomes of each record, in order."""
        put: list[PutResult] = []
        size = self.store.capabilities.max_batch
        for start in range(0, len(records), size):
            put += put_batch(self.store, self.files, records[start : start + size], self.now_ms())
        return put

    def _history(self, id: str, head: Address) -> Iterator[Entity | Notice]:
        address: Address | None = head
        met: set[Address] = set()  # no hash binds what a notice says: those from elsewhere may lead in a circle
        while address is not None and address not in met:
            met.add(address)
            version = self.get_many((address,)).get(address)
            if version is None or (version.id != id and version.id is not None):
                return
            yield version
            address = version.previous

    def _neighbours(self, id: str, named: Sequence[str], incoming: Iterable[Match]) -> Iterator[Neighbour]:
        addresses = self.store.heads(named)
        documents = self.store.get(list(addresses.values()))
        for name in named:
            address = addresses.get(name)
            document = documents.get(address) if address is not None else None
            mutual = (
                address is not None and isinstance(document, bytes) and id in read_stored(address, document).adjacency
            )
            yield Neighbour(name, address, outgoing=True, incoming=mutual)
        listed = set(named)
        for match in incoming:
            if match.id not in listed:
                yield Neighbour(match.id, match.address, outgoing=False, incoming=True)

    def _refuse_scan(self, query: Query) -> None:
        plan = self.store.explain(query)
        if not plan.indexed:
            remedy = "give what an index serves (`stat7 explain` tells), or allow it: --allow-scan, allow_scan=True"
            raise Unsupported(f"this find reads the whole store ({plan.detail})", remedy)

    def _matches(self, query: Query, limit: int | None, allow_scan: bool) -> Iterator[Match]:
        for matches in self._pages(query, limit, NAMES, allow_scan):
            yield from matches

    def _pages(self, query: Query, limit: int | None, most: int, allow_scan: bool) -> Iterator[list[Match]]:
        """Pages of matches until there are no more; the caller stops at its limit, which only sizes the pages here."""
        if limit is not None and limit < 1:
            return
        cursor: str | None = None
        size = most if limit is None else min(limit, most)
        while True:
            page = self.find_page(query, cursor, size, allow_scan=allow_scan)
            yield page.items
            cursor = page.cursor
            if cursor is None:
                return
            # What was found were mostly old versions, if the limit still isn't met: ask for more at once.
            size = min(2 * size, most)

    def _notices(self, addresses: Sequence[Address], case: str, reason: str) -> list[Notice]:
        for address in addresses:
            if not is_address(address):
                raise InvalidQuery("address", f"{ascii(address)[:80]} is not 64 lowercase hex digits")
        for name, text in (("case", case), ("reason", reason)):
            check_line(text, name)
        now = format_time(self.now_ms())
        return [Notice(address, case, reason, now) for address in addresses]


def put_each(documents: Iterable[Document], put: Callable[[Sequence[Record]], Sequence[PutResult]]) -> list[PutResult]:
    """REFUSED for each document that is no entity, and for the others what `put` says, in the order of all.

    Raises what iterating over `documents` and `put` raise.
    """
    records: list[Record] = []
    refused: dict[int, PutResult] = {}
    for place, document in enumerate(documents):
        try:
            records.append(to_record(document))
        except InvalidEntity as error:
            refused[place] = PutResult(Status.REFUSED, None, error)
    following = iter(put(records))
    return [refused.get(place) or next(following) for place in range(len(records) + len(refused))]


def checked_id(id: str) -> str:
    """An id that is asked for. Raises InvalidQuery for what can't be one."""
    try:
        return check_id(id)
    except InvalidEntity as error:
        raise InvalidQuery("id", error.reason) from None


def to_record(document: Document) -> Record:
    """Any form of document as a checked record. Raises InvalidEntity."""
    if isinstance(document, Record):
        return document
    if isinstance(document, Entity):
        return document.record
    if isinstance(document, str):
        return Entity.from_json(document).record
    if isinstance(document, bytes):
        return normalise_json(document)
    return normalise(document)
