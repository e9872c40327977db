"""Finding entities: candidates from index rows in the order of their partitions, then a look at what is stored.

cells  the partitions of the realms and horizons asked for (or known), each in the order of lineage and address
links  the partitions of one neighbour or file, in the order of addresses
scan   all entities in the order of tokens, where a query says nothing of realm, horizon or lineage, or there are too
       many realms to ask for each

Candidates whose rows are marked (marks.py) are matches without a second look, unless a query asks for what only the
document's own row says: type, time, and a second link.

A cursor says where its page ended, so what comes or goes meanwhile moves nothing. One call makes a bounded number of
requests of a bounded size: its page may be short or empty.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Sequence
from math import ceil
from typing import Any, Final, NamedTuple, Protocol

from stat7.address import is_address
from stat7.coordinates import HORIZONS, MAX_LINEAGE, REALM
from stat7.errors import InvalidQuery
from stat7.query import ANY, Query
from stat7.stores.base import Match, Page
from stat7.stores.cassandra.marks import Mark, mark
from stat7.stores.cassandra.reader import facts_at, facts_in
from stat7.stores.cassandra.realms import Realms
from stat7.stores.cassandra.rows import (
    FACTS,
    LINK_BUCKETS,
    CellKey,
    Facts,
    LinkKey,
    cell_key,
    holds,
    horizons_of,
    is_placed,
    is_possible,
    link_keys,
    part_of,
    parts_of,
    targets_of,
)
from stat7.stores.cassandra.session import Connection
from stat7.stores.cassandra.walk import Walk

MOST_CELLS: Final = 4096
"""Partitions that a find may walk through."""

_MOST_REQUESTS: Final = 512
_MANY: Final = 32
_ROWS: Final = 1000
_GROWTH: Final = 8
_FIRST_GUESS: Final = 5
_SLACK: Final = 1.25
_LAST: Final = b"\xff" * 32

CELL_ROWS: Final = """
    SELECT lineage, address, resonance, velocity, density, id, writetime(resonance) FROM $.cells
    WHERE realm = ? AND horizon = ? AND bucket = ? AND (lineage, address) > (?, ?) AND (lineage) <= (?) LIMIT ?"""
LINK_ROWS: Final = """
    SELECT address, realm, horizon, lineage, resonance, velocity, density, id, writetime(resonance) FROM $.links
    WHERE part = ? AND target = ? AND address > ? LIMIT ?"""
_SCAN: Final = Walk("find", "entities", "address", (*FACTS, "withdrawn_at"))

Row = tuple[Any, ...]
Cell = tuple[str, int, int]


class Place(NamedTuple):
    """Where a walk is: in which of the partitions, and behind which clustering key in it."""

    partition: int
    key: tuple[Any, ...]


class Candidate(NamedTuple):
    """An index row that can be a match: its key, the coordinates it holds, the id if it is marked, when it was written
    (microseconds since 1970)."""

    key: CellKey | LinkKey
    place: tuple[Any, ...]
    id: str | None
    written: int


class Source(Protocol):
    """Index rows in order: partitions, each in the order of its clustering key."""

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        ...

    def first(self, partition: int) -> tuple[Any, ...]:
        """The key before the first row of a partition."""
        ...

    def bind(self, partition: int, after: tuple[Any, ...], size: int) -> tuple[str, tuple[Any, ...]]:
        """The statement for its next rows, and the values."""
        ...

    def judge(self, partition: int, row: Row) -> bool:
        """Whether a row can be a match, by what it says."""
        ...

    def key(self, row: Row) -> tuple[Any, ...]:
        """The clustering key of a row, which ends with the address."""
        ...

    def candidate(self, partition: int, row: Row) -> Candidate:
        """All that a row says."""
        ...

    def agrees(self, candidate: Candidate, facts: Facts) -> bool:
        """Whether it is one of the index rows that an entity of these facts has."""
        ...

    def position(self, place: Place) -> str:
        """The place as it stands in a cursor."""
        ...


class Cells:
    """The rows of `cells` that a query asks for."""

    def __init__(self, query: Query, cells: Sequence[Cell], buckets: int) -> None:
        self._query = query
        self._cells = cells
        self._buckets = buckets
        low, high = query.lineage
        self._first = (max(low or 0, 0), b"")
        self._most = MAX_LINEAGE if high is None else high
        self.partitions = len(cells)

    def first(self, partition: int) -> tuple[Any, ...]:
        """See Source."""
        return self._first

    def bind(self, partition: int, after: tuple[Any, ...], size: int) -> tuple[str, tuple[Any, ...]]:
        """See Source."""
        return CELL_ROWS, (*self._cells[partition], *after, self._most, size)

    def judge(self, partition: int, row: Row) -> bool:
        """See Source."""
        realm, horizon, _ = self._cells[partition]
        return None not in row[2:5] and is_placed(self._query, realm, horizon, row[0], row[2:5])

    def key(self, row: Row) -> tuple[Any, ...]:
        """See Source."""
        return row[:2]

    def candidate(self, partition: int, row: Row) -> Candidate:
        """See Source."""
        cell = self._cells[partition]
        return Candidate(CellKey(*cell, *row[:2]), (*cell[:2], row[0], *row[2:5]), row[5], row[6])

    def agrees(self, candidate: Candidate, facts: Facts) -> bool:
        """See Source."""
        key = candidate.key
        return facts[4:10] == candidate.place and key == cell_key(key.address, facts, self._buckets)

    def position(self, place: Place) -> str:
        """`c:REALM:HORIZON:BUCKET:LINEAGE:ADDRESS`."""
        realm, horizon, bucket = self._cells[place.partition]
        lineage, address = place.key or (MAX_LINEAGE, _LAST)
        return f"c:{realm}:{horizon}:{bucket}:{lineage}:{address.hex() or '-'}"

    def place(self, position: str) -> Place:
        """The place in a cursor; one whose partition isn't there any more is that before the next one."""
        kind, _, rest = position.partition(":")
        parts = rest.split(":")
        if kind != "c" or len(parts) != 5:
            raise _refused()
        realm, *numbers, address = parts
        if not (REALM.fullmatch(realm) and all(each.isdecimal() and each.isascii() for each in numbers)):
            raise _refused()
        horizon, bucket, lineage = (int(each[:20]) for each in numbers)
        is_there = horizon < len(HORIZONS) and bucket < self._buckets and lineage <= MAX_LINEAGE
        if not (is_there and (address == "-" or is_address(address))):
            raise _refused()
        cell = (realm, horizon, bucket)
        at = bisect_left(self._cells, cell)
        if at < len(self._cells) and self._cells[at] == cell:
            raw = b"" if address == "-" else bytes.fromhex(address)
            return Place(at, max((lineage, raw), self._first))
        return Place(at, self._first)


class Links:
    """The rows of `links` to one target."""

    def __init__(self, query: Query, target: bytes) -> None:
        self._query = query
        self._target = target
        self._parts = parts_of(target)
        self.partitions = len(self._parts)

    def first(self, partition: int) -> tuple[Any, ...]:
        """See Source."""
        return (b"",)

    def bind(self, partition: int, after: tuple[Any, ...], size: int) -> tuple[str, tuple[Any, ...]]:
        """See Source."""
        return LINK_ROWS, (self._parts[partition], self._target, *after, size)

    def judge(self, partition: int, row: Row) -> bool:
        """See Source."""
        return None not in row[1:7] and is_placed(self._query, row[1], row[2], row[3], row[4:7])

    def key(self, row: Row) -> tuple[Any, ...]:
        """See Source."""
        return row[:1]

    def candidate(self, partition: int, row: Row) -> Candidate:
        """See Source."""
        return Candidate(LinkKey(self._parts[partition], self._target, row[0]), row[1:7], row[7], row[8])

    def agrees(self, candidate: Candidate, facts: Facts) -> bool:
        """See Source."""
        key = candidate.key
        return facts[4:10] == candidate.place and key in link_keys(key.address, facts)

    def position(self, place: Place) -> str:
        """`l:ADDRESS`."""
        last = bytes([(place.partition + 1) * (256 // LINK_BUCKETS) - 1]) + _LAST[1:]
        return f"l:{(place.key[0] if place.key else last).hex()}"

    def place(self, position: str) -> Place:
        """The place in a cursor."""
        kind, _, address = position.partition(":")
        if kind != "l" or not is_address(address):
            raise _refused()
        raw = bytes.fromhex(address)
        return Place(part_of(self._target, raw) - self._parts[0], (raw,))


def find(connection: Connection, realms: Realms, query: Query, cursor: str | None, limit: int) -> Page[Match]:
    """The next matches; a cursor of another query is InvalidQuery."""
    position = None if cursor is None else query.position(cursor)
    if not is_possible(query):
        return Page([], None)
    targets = targets_of(query)
    # A walk goes on as it began, however many realms there are by now.
    kind = "" if position is None else position[:2]
    buckets = connection.buckets
    most = sys.maxsize if kind else MOST_CELLS
    cells = None if targets or kind == "s:" else cells_of(realms, query, buckets, most)
    if cells is None and not targets:
        return _scan(connection, query, position, limit)
    source = Links(query, targets[0]) if targets else Cells(query, cells or (), buckets)
    start = Place(0, source.first(0)) if position is None else source.place(position)
    found, end = _walk(connection, source, start, limit, Pace(limit, is_selective(query)))
    items = _stored(connection, source, query, found)
    return Page(items, None if end is None else query.cursor(source.position(end)))


def _stored(connection: Connection, source: Source, query: Query, found: Sequence[Candidate]) -> list[Match]:
    """Those of the candidates that are matches: the marked ones, and those of which what is stored says so."""
    targets = targets_of(query)
    asks_more = query.entity_types is not None or query.created != ANY or len(targets) > 1
    held = facts_at(connection, [each.key.address for each in found if asks_more or each.id is None])
    items, marks = [], []
    for each in found:
        address, id = each.key.address, each.id
        if asks_more or id is None:
            is_withdrawn, facts = held.get(address, (True, None))
            if is_withdrawn or facts is None or not holds(query, targets, facts):
                continue
            if id is None and source.agrees(each, facts):
                marks.append(Mark(each.key, each.written, facts.id))
            id = facts.id
        items.append(Match(address.hex(), id))
    mark(connection, marks)
    return items


def cells_of(realms: Realms, query: Query, buckets: int, most: int = MOST_CELLS) -> list[Cell] | None:
    """The partitions of `cells` that a query has to look at, in order.

    None if they are more than `most`, or if all of every partition would be read, which a scan does in larger steps.
    """
    if query.realms is None and query.horizons is None and query.lineage == ANY:
        return None
    asked = realms.asked_for(query.realms)
    horizons = horizons_of(query)
    if len(asked) * len(horizons) * buckets > most:
        return None
    return [(realm, horizon, bucket) for realm in asked for horizon in horizons for bucket in range(buckets)]


def is_selective(query: Query) -> bool:
    """Whether rows are read that the query doesn't fit: those of a partition are in the order of lineage, or, of a
    target's links, in that of addresses."""
    reals = (query.resonance, query.velocity, query.density) != (ANY, ANY, ANY)
    is_placed = query.realms is not None or query.horizons is not None or query.lineage != ANY
    return reals or (is_placed and bool(targets_of(query)))


class Pace:
    """How much a walk asks for at once: what a page still needs, as far as what was read tells.

    Rows that are read without need cost more than requests: a page of a query that fits most rows takes one request
    for as many rows; where few rows fit, or partitions are small, requests grow to _ROWS rows and _MANY partitions.
    """

    def __init__(self, limit: int, is_selective: bool) -> None:
        self.size = limit
        """Rows to ask a partition for."""
        self.window = 1
        """Partitions to ask."""
        self._most = max(limit, _ROWS)
        if is_selective:
            self.size = min(_FIRST_GUESS * limit, self._most)
        self._read = self._fitting = self._ended = 0

    def note(self, read: int, fitting: int, *, is_end: bool) -> None:
        """That many rows were read of a partition, in one request, and how many fit; `is_end`: there are no more."""
        self._read += read
        self._fitting += fitting
        self._ended += is_end

    def plan(self, wanted: int) -> None:
        """Set size and window for `wanted` more candidates."""
        needed = ceil(wanted * (self._read + 1) / (self._fitting + 1))
        if self._fitting < self._read:
            needed = ceil(needed * _SLACK)
        self.size = min(needed, self._most)
        rows = self._read / self._ended if self._ended else needed
        self.window = max(1, min(ceil(needed / max(rows, 0.1)), _GROWTH * self.window, _MANY))


def _walk(
    connection: Connection, source: Source, start: Place, limit: int, pace: Pace
) -> tuple[list[Candidate], Place | None]:
    """At most `limit` candidates from `start` on, and the place where the next page begins (None: there is none)."""
    found: list[Candidate] = []
    at, after = start
    left = _MOST_REQUESTS
    while at < source.partitions:
        group, size = range(at, min(at + pace.window, source.partitions)), pace.size
        starts = [after if partition == at and after else source.first(partition) for partition in group]
        texts = [source.bind(partition, begin, size) for partition, begin in zip(group, starts, strict=True)]
        answers = connection.run_all(connection.bind(*each) for each in texts)
        left -= len(group)
        for partition, rows in zip(group, answers, strict=True):
            asked = size
            while True:
                fitting = [row for row in rows if source.judge(partition, row)][: limit - len(found)]
                found += [source.candidate(partition, row) for row in fitting]
                if len(found) == limit:
                    return found, Place(partition, source.key(fitting[-1]))
                pace.note(len(rows), len(fitting), is_end=len(rows) < asked)
                pace.plan(limit - len(found))
                if len(rows) < asked:
                    break
                behind, asked = source.key(rows[-1]), pace.size
                if left <= 0:
                    return found, Place(partition, behind)
                rows, left = connection.run(*_spread(source.bind(partition, behind, asked))), left - 1
        at, after = group.stop, ()
        if left <= 0 and at < source.partitions:
            return found, Place(at - 1, ())
    return found, None


def _spread(bound: tuple[str, tuple[Any, ...]]) -> tuple[Any, ...]:
    return (bound[0], *bound[1])


def _scan(connection: Connection, query: Query, position: str | None, limit: int) -> Page[Match]:
    """By the rows of entities themselves, which need no second look."""
    after = None
    if position is not None:
        kind, _, address = position.partition(":")
        if kind != "s" or not is_address(address):
            raise _refused()
        after = bytes.fromhex(address)
    items: list[Match] = []
    for _ in range(_MOST_REQUESTS // _MANY):
        rows, is_last = _SCAN.page(connection, after, max(_ROWS, limit))
        for row in rows:
            after = row[0]
            if row[1] is not None and row[-1] is None and holds(query, (), facts_in(row[1:-1])):
                items.append(Match(row[0].hex(), row[1]))
                if len(items) == limit:
                    return Page(items, query.cursor(f"s:{row[0].hex()}"))
        if is_last or after is None:
            return Page(items, None)
    return Page(items, query.cursor(f"s:{after.hex()}")) if after is not None else Page(items, None)


def _refused() -> InvalidQuery:
    return InvalidQuery("cursor", "is not one that this store returned; drop it to begin anew")
