"""The store in memory: plain dicts behind one lock; the readable reference of the contract. Gone with the process.

It keeps each document as its canonical bytes and nothing parsed, so an entity costs its document, its address (used
as key and as head) and the slots of two dicts and a list. The one index says which documents name a file; every other
query walks the documents in address order, reading the coordinates straight from the text before anything is parsed.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import orjson

from stat7.address import Address, is_address
from stat7.coordinates import HORIZONS, SCALE
from stat7.errors import InvalidQuery, Unavailable
from stat7.paging import at_least_one
from stat7.query import ANY, Query
from stat7.record import Notice, Record, try_read
from stat7.stores.base import Capabilities, Check, Finding, HeadMove, Match, Outcome, Page, Plan

_SAMPLE: Final = 1000
# In a canonical document these members stand side by side. A member name can't be faked inside a string before them,
# whose quotes would be escaped, so the first find is the coordinates themselves.
_PLACE = re.compile(
    rb'"density":([-0-9.e]+),"horizon":"([a-z]+)","lineage":([0-9]+),"realm":"([a-z0-9_-]+)",'
    rb'"resonance":([-0-9.e]+),"velocity":([-0-9.e]+)\},"created_at":'
).search


class _Keys:
    """The keys of a mapping in order, sorted when somebody walks them. A list that was handed out is never changed."""

    __slots__ = ("_fresh", "_ordered")

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._ordered: list[str] = []
        self._fresh = list(keys)

    def add(self, key: str) -> None:
        """Add a key that isn't there yet."""
        self._fresh.append(key)

    def ordered(self) -> list[str]:
        """All keys, sorted; to be called under the lock of the store."""
        if self._fresh:
            merged = self._ordered + self._fresh
            merged.sort()
            self._ordered, self._fresh = merged, []
        return self._ordered


@dataclass(slots=True)
class Contents:
    """What is stored, apart from the handles opened on it; `files` and `naming` are the index of files, both ways."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    documents: dict[Address, bytes] = field(default_factory=dict)
    notices: dict[Address, Notice] = field(default_factory=dict)
    withdrawn: _Keys = field(default_factory=_Keys)
    addresses: _Keys = field(default_factory=_Keys)
    files: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    naming: dict[str, set[Address]] = field(default_factory=dict)
    heads: dict[str, Address] = field(default_factory=dict)
    ids: _Keys = field(default_factory=_Keys)
    marks: dict[str, str] = field(default_factory=dict)


_named: dict[str, Contents] = {}
_naming_lock = threading.Lock()


class MemoryStore:
    """A `Store` (see stores/base.py) in this process's memory, safe to use from many threads.

    `name`: all stores opened under one name share their contents while the process runs; "" shares with nobody.
    """

    capabilities = Capabilities(name="memory", durable=False, shared=False, embedded=True, indexed=frozenset({"file"}))

    def __init__(self, name: str = "") -> None:
        self.name = name
        with _naming_lock:
            self._kept: Contents | None = _named.setdefault(name, Contents()) if name else Contents()

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store what is missing, then try the moves, as one transaction."""
        kept = self.contents()
        with kept.lock:
            outcomes = [_put(kept, record) for record in records]
            return outcomes, [move.new not in kept.notices and _swap(kept, move) for move in moves]

    def replace(self, records: Sequence[Record]) -> None:
        """Overwrite documents by good ones; withdrawn ones stay withdrawn."""
        kept = self.contents()
        with kept.lock:
            for record in records:
                if record.address in kept.documents:
                    _unlink(kept, record.address)
                    kept.documents[record.address] = _compact(record.document)
                    _link(kept, record)
                else:
                    _put(kept, record)

    def discard(self, addresses: Sequence[Address]) -> None:
        """Take documents back as if they never were; O(documents stored) a call."""
        kept = self.contents()
        with kept.lock:
            stored = [address for address in addresses if address in kept.documents]
            for address in stored:
                _unlink(kept, address)
                kept.documents.pop(address, None)
            if stored:
                kept.addresses = _Keys((*kept.documents, *kept.notices))

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """The documents and notices of those addresses that are known."""
        kept = self.contents()
        with kept.lock:
            found = ((address, _held(kept, address)) for address in addresses)
            return {address: held for address, held in found if held is not None}

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """Those of the addresses that have a document."""
        kept = self.contents()
        with kept.lock:
            return {address for address in addresses if address in kept.documents}

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """The next matches, in address order."""
        kept = self.contents()
        position = "" if cursor is None else _address_in(query.position(cursor))
        order = _candidates(kept, query)
        at = bisect_right(order, position)
        found = _matches(kept, query, islice(order, at, None))
        items = [Match(record.address, record.id) for record in islice(found, at_least_one(limit))]
        if len(items) < limit or items[-1].address == order[-1]:
            return Page(items, None)
        return Page(items, query.cursor(items[-1].address))

    def explain(self, query: Query) -> Plan:
        """Estimated from the first 1,000 candidates: addresses are uniform, so they are a random sample."""
        kept = self.contents()
        order = _candidates(kept, query)
        sample = order[:_SAMPLE]
        share = sum(1 for _ in _matches(kept, query, sample)) / max(len(sample), 1)
        rows = len(order) if share * len(order) <= 100 else round(100 / share)
        matches = round(share * len(order))
        if query.file is not None:
            return Plan(
                "file", True, rows, matches, "reads the documents that name the file, found by the index of files"
            )
        return Plan("walk", False, rows, matches, f"reads {rows} of {len(order)} documents in address order, in memory")

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """Documents and notices in address order."""
        kept = self.contents()
        with kept.lock:
            page = _page(kept.addresses, "scan", cursor, limit)
            found = ((address, _held(kept, address)) for address in page.items)
            return Page([(address, held) for address, held in found if held is not None], page.cursor)

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """The notices in address order."""
        kept = self.contents()
        with kept.lock:
            page = _page(kept.withdrawn, "notices", cursor, limit)
            return Page([kept.notices[address] for address in page.items], page.cursor)

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """Those of the files that some stored document names."""
        kept = self.contents()
        with kept.lock:
            return {sha256 for sha256 in sha256s if sha256 in kept.naming}

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Erase documents and keep the notices in their place."""
        kept = self.contents()
        with kept.lock:
            for notice in notices:
                if notice.address not in kept.notices:
                    _withdraw(kept, notice)

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """Documents that can't be read, and differences between the index of files and the documents."""
        kept = self.contents()
        with kept.lock:
            page = _page(kept.addresses, "check", cursor, limit)
            return Page([finding for address in page.items for finding in _check(kept, address)], page.cursor)

    def count(self) -> int:
        """Documents stored."""
        return len(self.contents().documents)

    def compact(self) -> int:
        """Nothing to do: what is erased is freed at once."""
        self.contents()
        return 0

    def close(self) -> None:
        """Let go of the contents; a named store keeps them for the next who opens it."""
        self._kept = None

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """The current address of each id that has one."""
        kept = self.contents()
        with kept.lock:
            return {id: kept.heads[id] for id in ids if id in kept.heads}

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Try each move on its own."""
        kept = self.contents()
        with kept.lock:
            return [_swap(kept, move) for move in moves]

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """Every head, ordered by id."""
        kept = self.contents()
        with kept.lock:
            page = _page(kept.ids, "heads", cursor, limit)
            return Page([(id, kept.heads[id]) for id in page.items], page.cursor)

    def marks(self) -> dict[str, str]:
        """The marks that are set."""
        kept = self.contents()
        with kept.lock:
            return dict(kept.marks)

    def set_mark(self, name: str, value: str | None) -> None:
        """Set a mark, or remove it by None."""
        kept = self.contents()
        with kept.lock:
            if value is None:
                kept.marks.pop(name, None)
            else:
                kept.marks[name] = value

    def diagnose(self) -> list[Check]:
        """One warning: nothing here outlives the process."""
        self.contents()
        text = "kept in memory, lost when the process ends; use sqlite:library.db to keep it"
        return [Check("durability", "warn", text)]

    def disk_bytes(self) -> int | None:
        """No disk is used: 0."""
        self.contents()
        return 0

    def contents(self) -> Contents:
        """What lies below this handle; Unavailable once it is closed."""
        if self._kept is None:
            raise Unavailable("the memory store is closed; open it again")
        return self._kept


def _put(kept: Contents, record: Record) -> Outcome:
    address = record.address
    if address in kept.notices:
        return Outcome.WITHDRAWN
    if address in kept.documents:
        return Outcome.EXISTED
    kept.documents[address] = _compact(record.document)
    kept.addresses.add(address)
    _link(kept, record)
    return Outcome.NEW


def _compact(document: bytes) -> bytes:
    """A copy of just the bytes: those that orjson returns stay in the 4 KiB buffer that it wrote them to."""
    return bytes(memoryview(document))


def _swap(kept: Contents, move: HeadMove) -> bool:
    if kept.heads.get(move.id) != move.expected:
        return False
    if move.new is None:
        if kept.heads.pop(move.id, None) is not None:
            kept.ids = _Keys(kept.heads)
        return True
    if move.id not in kept.heads:
        kept.ids.add(move.id)
    kept.heads[move.id] = move.new
    return True


def _withdraw(kept: Contents, notice: Notice) -> None:
    """Keep the notice, completed from the document that it takes the place of, if there is one that can be read."""
    address = notice.address
    kept.withdrawn.add(address)
    document = kept.documents.get(address)
    if document is None:
        kept.addresses.add(address)
    else:
        record = try_read(address, document)
        if record is not None:
            notice = notice._replace(
                id=record.id if notice.id is None else notice.id,
                previous=record.previous if notice.previous is None else notice.previous,
            )
        _unlink(kept, address)
        del kept.documents[address]
    kept.notices[address] = notice


def _held(kept: Contents, address: Address) -> bytes | Notice | None:
    document = kept.documents.get(address)
    return kept.notices.get(address) if document is None else document


def _link(kept: Contents, record: Record) -> None:
    if not record.files:
        return
    kept.files[record.address] = tuple({entry.sha256 for entry in record.files})
    for sha256 in kept.files[record.address]:
        kept.naming.setdefault(sha256, set()).add(record.address)


def _unlink(kept: Contents, address: Address) -> None:
    """Take a document out of the index of files, by what the index says: the document may be damaged."""
    for sha256 in kept.files.pop(address, ()):
        kept.naming[sha256].discard(address)
        if not kept.naming[sha256]:
            del kept.naming[sha256]


def _candidates(kept: Contents, query: Query) -> list[Address]:
    """The addresses that `find` has to look at, in order."""
    with kept.lock:
        if query.file is not None:
            return sorted(kept.naming.get(query.file, ()))
        return kept.addresses.ordered()


def _matches(kept: Contents, query: Query, addresses: Iterable[Address]) -> Iterator[Record]:
    """The records that match; documents that were withdrawn or discarded meanwhile are passed over."""
    passes = _sieve(query)
    for address in addresses:
        document = kept.documents.get(address)
        if document is not None and passes(document):
            record = try_read(address, document)
            if record is not None and query.matches(record):
                yield record


def _sieve(query: Query) -> Callable[[bytes], bool]:
    """A quick test of canonical bytes that lets every match pass: a tenth of the time of parsing them."""
    neighbour = b"" if query.adjacent_to is None else orjson.dumps(query.adjacent_to)
    realms = None if query.realms is None else {name.encode() for name in query.realms}
    horizons = None if query.horizons is None else {HORIZONS[rank].encode() for rank in query.horizons}
    ranges = ((0, query.density), (4, query.resonance), (5, query.velocity))
    reals = [(at, interval) for at, interval in ranges if interval != ANY]

    def passes(document: bytes) -> bool:
        place = _PLACE(document)
        if place is None or neighbour not in document:
            return False
        found = place.groups()
        return (
            (realms is None or found[3] in realms)
            and (horizons is None or found[1] in horizons)
            and query.lineage.holds(int(found[2]))
            and all(interval.holds(round(float(found[at]) * SCALE)) for at, interval in reals)
        )

    return passes


def _page(keys: _Keys, kind: str, cursor: str | None, limit: int) -> Page[str]:
    """The next `limit` keys, and a cursor that says which walk it belongs to and the last key, as ASCII."""
    order = keys.ordered()
    at = 0 if cursor is None else bisect_right(order, _last_key(kind, cursor))
    items = order[at : at + at_least_one(limit)]
    more = at + len(items) < len(order)
    return Page(items, f"{kind}.{items[-1].encode().hex()}" if more else None)


def _last_key(kind: str, cursor: str) -> str:
    given, _, key = cursor.partition(".")
    try:
        last = bytes.fromhex(key).decode()
    except ValueError:
        last = ""
    if given != kind or not last:
        raise InvalidQuery("cursor", "is not one that this walk returned; drop it to begin anew")
    return last


def _address_in(position: str) -> Address:
    if not is_address(position):
        raise InvalidQuery("cursor", "is not one that this store returned; drop it to begin anew")
    return position


def _check(kept: Contents, address: Address) -> Iterator[Finding]:
    document = kept.documents.get(address)
    if document is None:
        return
    record = try_read(address, document)
    if record is None:
        yield Finding("document", address, "the stored bytes can't be read as an entity")
        return
    indexed = {sha256 for sha256 in kept.files.get(address, ()) if address in kept.naming.get(sha256, ())}
    named = {entry.sha256 for entry in record.files}
    for sha256 in sorted(named - indexed):
        yield Finding("index", address, f"the index of files lacks {sha256}, which the document names")
    for sha256 in sorted(indexed - named):
        yield Finding("index", address, f"the index of files has {sha256}, which the document doesn't name")
