"""Finding entities: candidates from index rows in the order of their partitions, then a look at what is stored.

cells  the partitions of the realms and horizons asked for (or known), each in the order of lineage and address
links  the partitions of one neighbour or file, in the order of addresses
scan   all entities in the order of tokens, where a query says nothing of realm, horizon or lineage, or there are too
       many realms to ask for each

A cursor says where its page ended, so what comes or goes meanwhile moves nothing. One call makes a bounded number of
requests of a bounded size: its page may be short or empty.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from stat7.address import is_address
from stat7.coordinates import HORIZONS, MAX_LINEAGE, REALM
from stat7.errors import InvalidQuery
from stat7.query import ANY, Query
from stat7.stores.base import Match, Page
from stat7.stores.cassandra.reader import facts_at, facts_in
from stat7.stores.cassandra.realms import Realms
from stat7.stores.cassandra.rows import (
    FACTS,
    LINK_BUCKETS,
    holds,
    horizons_of,
    is_placed,
    is_possible,
    part_of,
    parts_of,
    targets_of,
)
from stat7.stores.cassandra.session import Connection
from stat7.stores.cassandra.walk import Walk

MOST_CELLS: Final = 4096
"""Partitions that a find may walk through."""

_MOST_REQUESTS: Final = 512
_FEW: Final = 2
_SOME: Final = 8
_MANY: Final = 32
_ROWS: Final = 1000
_LAST: Final = b"\xff" * 32

CELL_ROWS: Final = """
    SELECT lineage, address, resonance, velocity, density FROM $.cells WHERE realm = ? AND horizon = ? AND bucket = ?
    AND (lineage, address) > (?, ?) AND (lineage) <= (?) LIMIT ?"""
LINK_ROWS: Final = """
    SELECT address, realm, horizon, lineage, resonance, velocity, density FROM $.links
    WHERE part = ? AND target = ? AND address > ? LIMIT ?"""
_SCAN: Final = Walk("find", "entities", "address", (*FACTS, "withdrawn_at"))

Row = tuple[Any, ...]
Cell = tuple[str, int, int]


class Place(NamedTuple):
    """Where a walk is: in which of the partitions, and behind which clustering key in it."""

    partition: int
    key: tuple[Any, ...]


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
        return is_placed(self._query, realm, horizon, row[0], row[2:])

    def key(self, row: Row) -> tuple[Any, ...]:
        """See Source."""
        return row[:2]

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
        return is_placed(self._query, row[1], row[2], row[3], row[4:])

    def key(self, row: Row) -> tuple[Any, ...]:
        """See Source."""
        return row[:1]

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
    found, end = _walk(connection, source, start, limit, size_of(query, limit))
    rows = facts_at(connection, found)
    items = []
    for address in found:
        is_withdrawn, facts = rows.get(address, (True, None))
        if not is_withdrawn and facts is not None and holds(query, targets, facts):
            items.append(Match(address.hex(), facts.id))
    return Page(items, None if end is None else query.cursor(source.position(end)))


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


def size_of(query: Query, limit: int) -> int:
    """Index rows to ask a partition for: more where most will not match."""
    is_selective = (query.resonance, query.velocity, query.density) != (ANY, ANY, ANY) or targets_of(query)
    return max(limit, _ROWS) if is_selective else limit


def _walk(
    connection: Connection, source: Source, start: Place, limit: int, size: int
) -> tuple[list[bytes], Place | None]:
    """At most `limit` candidates from `start` on, and the place where the next page begins (None: there is none)."""
    found: list[bytes] = []
    at, after = start
    window, left = _FEW if limit <= _SOME else _SOME, _MOST_REQUESTS
    while at < source.partitions:
        group = range(at, min(at + window, source.partitions))
        starts = [after if partition == at and after else source.first(partition) for partition in group]
        texts = [source.bind(partition, begin, size) for partition, begin in zip(group, starts, strict=True)]
        answers = connection.run_all(connection.bind(*each) for each in texts)
        left -= len(group)
        for partition, rows in zip(group, answers, strict=True):
            while True:
                for row in rows:
                    if source.judge(partition, row):
                        found.append(source.key(row)[-1])
                        if len(found) == limit:
                            return found, Place(partition, source.key(row))
                if len(rows) < size:
                    break
                behind = source.key(rows[-1])
                if left <= 0:
                    return found, Place(partition, behind)
                rows, left = connection.run(*_spread(source.bind(partition, behind, size))), left - 1
        at, after = group.stop, ()
        if left <= 0 and at < source.partitions:
            return found, Place(at - 1, ())
        window = min(2 * window, _MANY)
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
