"""Finding: the first rows of a walk in address order, then whichever way the planner picks; all end in that order."""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

from psycopg import Connection

from stat7.address import is_address
from stat7.coordinates import HORIZONS
from stat7.errors import InvalidQuery
from stat7.query import ANY, Query
from stat7.stores.base import Match, Page, Plan
from stat7.stores.conditions import Condition
from stat7.stores.postgresql import planner
from stat7.stores.postgresql.conditions import STORED, Conditions, buckets_of, conditions_of, linked, opaque
from stat7.stores.postgresql.planner import Costs, Sample
from stat7.stores.postgresql.reader import fetch

Row: TypeAlias = tuple[bytes, str]
"""Address and id of a match."""

_REALMS: Final = """
    WITH RECURSIVE r(realm) AS (
        (SELECT realm FROM entities WHERE realm IS NOT NULL ORDER BY realm LIMIT 1) UNION ALL
        SELECT (SELECT e.realm FROM entities AS e WHERE e.realm > r.realm ORDER BY e.realm LIMIT 1)
        FROM r WHERE r.realm IS NOT NULL)
    SELECT realm FROM r WHERE realm IS NOT NULL"""
_HOW_MANY_REALMS: Final = f"(SELECT count(*) FROM ({_REALMS} LIMIT {planner.MANY_REALMS + 1}) AS every)"
_LOOK: Final = """
    WITH sample AS MATERIALIZED (
        SELECT address, ({lead}) AS led, ({all}) AS hit FROM entities WHERE address > %s ORDER BY address LIMIT {size}),
    page AS MATERIALIZED (SELECT address FROM sample WHERE hit ORDER BY address LIMIT %s)
    SELECT s.*, p.address, p.id FROM (
        SELECT count(*), count(*) FILTER (WHERE led), count(*) FILTER (WHERE hit),
        (SELECT address FROM sample OFFSET {size} - 1), {realms} FROM sample) AS s
    LEFT JOIN (SELECT e.address, e.id FROM page JOIN entities AS e ON e.address = page.address) AS p ON true
    ORDER BY p.address"""
_WITH_IDS: Final = """
    SELECT e.address, e.id FROM ({}) AS hit JOIN entities AS e ON e.address = hit.address ORDER BY e.address"""
_WALK: Final = f"""
    WITH hits AS MATERIALIZED (SELECT address FROM entities WHERE address > %s AND {{}} ORDER BY address LIMIT %s)
    {_WITH_IDS.format("SELECT address FROM hits")}"""
# Without the bound on the address nothing tempts the server to seek by the primary key instead.
_COV: Final = f"""
    WITH hits AS MATERIALIZED (SELECT address FROM entities WHERE {{}})
    {_WITH_IDS.format("SELECT address FROM hits WHERE address > %s ORDER BY address LIMIT %s")}"""
_COUNT_COV: Final = "SELECT count(*) FROM entities WHERE {}"
_LINKED: Final = """
    WITH named AS MATERIALIZED (SELECT address, id, ({all}) AS hit FROM entities WHERE {linked} AND {target} LIMIT %s)
    SELECT s.*, p.address, p.id FROM (SELECT count(*), count(*) FILTER (WHERE hit AND address > %s) FROM named) AS s
    LEFT JOIN (SELECT address, id FROM named WHERE hit AND address > %s ORDER BY address LIMIT %s) AS p ON true
    ORDER BY p.address"""

_FEW: Final = 40
_COUNTABLE: Final = 50_000
"""Where a sample shows less than _FEW matches, `explain` counts them if that takes no more entries than this."""


def find(connection: Connection, query: Query, cursor: str | None, limit: int) -> Page[Match]:
    """One page of matches in address order; the cursor holds the last address."""
    start = b"" if cursor is None else _last_address(query, cursor)
    conditions = conditions_of(query)
    if conditions is None:
        return Page([], None)
    rows = _Search(connection, query, conditions, start, limit + 1).rows()
    items = [Match(address.hex(), id) for address, id in rows[:limit]]
    return Page(items, query.cursor(items[-1].address) if len(rows) > limit else None)


def explain(connection: Connection, query: Query) -> Plan:
    """How `find` gets a first page of 100: decided by the same code, from the same sample."""
    conditions = conditions_of(query)
    if conditions is None:
        return Plan("none", True, 0, 0, "nothing is read: a range of the query holds no value")
    return _Search(connection, query, conditions, b"", planner.PAGE).plan()


class _Search:
    """One search for the first `wanted` matches whose address is over `start`."""

    def __init__(self, connection: Connection, query: Query, conditions: Conditions, start: bytes, wanted: int) -> None:
        self._connection = connection
        self._query = query
        self._conditions = conditions
        self._start = start
        self._wanted = wanted
        self._by_row = bool(conditions.row)

    def rows(self) -> list[Row]:
        """The matches."""
        links = linked(self._query, 0, 0)
        if links is not None:
            rows, done = self._links()
            if done:
                return rows
        sample, stop, rows = self._look()
        left = self._wanted - len(rows)
        if stop is None or left == 0:
            return rows
        ahead = sample.ahead - sample.rows
        choice = planner.best(self._choices(sample, left, ahead))
        return rows + (self._cov(stop, left) if choice.method == "cov" else self._walk(stop, left))

    def plan(self) -> Plan:
        """What `rows` would do, in numbers."""
        if linked(self._query, 0, 0) is not None:
            parts = buckets_of(self._query)
            seen, hits, _ = self._part(0, 1, self._wanted, planner.FEW_LINKS)
            if seen < planner.FEW_LINKS:
                choice = planner.links(seen * parts, self._wanted, hits / max(seen, 1))
                detail = f"reads about {round(choice.rows):,} entities that name the {self._target()} and judges them"
                return Plan("links", True, round(choice.rows), hits * parts, detail)
        sample, stop, _ = self._look()
        choices = self._choices(sample, self._wanted, sample.ahead)
        choice = planner.best(choices)
        if stop is None or sample.hits >= self._wanted:
            choice = choices[0]
        matches = round(sample.ahead * sample.hits / max(sample.rows, 1))
        if choice.method == "cov" and sample.hits < _FEW and choice.rows < _COUNTABLE:
            matches = self._count_by_cov()
        needed = min(self._wanted, matches)
        indexed = any(planner.is_indexed(each, needed, sample.ahead) for each in choices)
        return Plan(choice.method, indexed, round(choice.rows), matches, self._detail(choice, indexed, sample))

    # What is known

    def _look(self) -> tuple[Sample, bytes | None, list[Row]]:
        """A sample from the start on, the address at which it ends (None: the store ends before), and its matches."""
        size = planner.SAMPLE_OF_ROWS if self._by_row else planner.SAMPLE
        lead, every = STORED & self._conditions.lead, STORED & self._conditions.all
        realms = _HOW_MANY_REALMS if planner.needs_realms(self._query) else "NULL"
        statement = _LOOK.format(lead=lead.sql, all=every.sql, size=size, realms=realms)
        found = self._fetch(statement, *lead.values, *every.values, self._start, self._wanted)
        count, led, hits, stop, many, *_ = found[0]
        ahead = float(count) if stop is None else count / max(_position(stop) - _position(self._start), 2**-60)
        if stop is not None:
            ahead *= 1.0 - _position(self._start)
        known = many if many is not None and many <= planner.MANY_REALMS else None
        return Sample(count, led, hits, ahead, known), stop, _matches(found)

    def _choices(self, sample: Sample, wanted: int, ahead: float) -> list[Costs]:
        by_walk = planner.walk(sample, wanted, ahead, self._by_row)
        by_cov = planner.cov(self._query, sample, self._by_row, self._conditions.lineages)
        return [by_walk, *([by_cov] if by_cov else [])]

    def _count_by_cov(self) -> int:
        condition = self._led()
        return int(self._fetch(_COUNT_COV.format(condition.sql), *condition.values)[0][0])

    # The ways

    def _walk(self, start: bytes, wanted: int) -> list[Row]:
        condition = opaque(STORED & self._conditions.all)
        return self._fetch(_WALK.format(condition.sql), start, *condition.values, wanted)

    def _cov(self, start: bytes, wanted: int) -> list[Row]:
        condition = self._led()
        return self._fetch(_COV.format(condition.sql), *condition.values, start, wanted)

    def _led(self) -> Condition:
        """The condition with every leading column of the index bound."""
        condition = self._conditions.sought & self._conditions.rest & self._conditions.row
        if self._query.realms is None:
            condition = Condition(f"realm = ANY(ARRAY({_REALMS}))") & condition
        if self._query.horizons is None and self._query.lineage != ANY:
            condition &= Condition("horizon = ANY(%s::int2[])", (list(range(len(HORIZONS))),))
        return condition

    def _links(self) -> tuple[list[Row], bool]:
        """The matches by the index of links; False if one part of it alone is so large that another way is better.

        The first part tells how many to take with the next.
        """
        parts = buckets_of(self._query)
        first = self._start[0] * parts // 256 if self._start else 0
        rows: list[Row] = []
        at, step = first, 1
        while at < parts and len(rows) < self._wanted:
            seen, hits, found = self._part(
                at, step, self._wanted - len(rows), planner.FEW_LINKS if at == first else None
            )
            if seen == planner.FEW_LINKS and at == first:
                return [], False
            rows += found
            at += step
            enough = (self._wanted - len(rows)) / max(hits / step, 0.5)
            step = max(1, min(parts - at, math.ceil(enough), planner.FEW_LINKS * step // max(seen, 1)))
        return rows, True

    def _part(self, first: int, step: int, wanted: int, most: int | None) -> tuple[int, int, list[Row]]:
        """Some parts of the index of links: entities seen there (`most` at most), matches among them, and the page."""
        condition = linked(self._query, first, first + step - 1)
        assert condition is not None
        every, target = self._conditions.all, self._named()
        values = (*every.values, *condition.values, *target.values, most, self._start, self._start, wanted)
        found = self._fetch(_LINKED.format(all=every.sql, linked=condition.sql, target=target.sql), *values)
        return found[0][0], found[0][1], _matches(found)

    def _named(self) -> Condition:
        if self._query.file is not None:
            return Condition("%s = ANY(files)", (bytes.fromhex(self._query.file),))
        return Condition("%s = ANY(adjacency)", (self._query.adjacent_to,))

    def _fetch(self, statement: str, *values: object) -> list[Any]:
        # Planned anew each time: what is planned for any values at all suits none of them.
        return fetch(self._connection, statement.encode(), *values, prepare=False)

    def _target(self) -> str:
        return "neighbour" if self._query.file is None else "file"

    def _detail(self, choice: Costs, indexed: bool, sample: Sample) -> str:
        rows = f"about {round(choice.rows):,}"
        if choice.method == "cov":
            return f"seeks realm, horizon and lineage in the covering index and reads {rows} of its entries"
        if indexed:
            return f"reads {rows} of {round(sample.ahead):,} entries in address order, until the page is full"
        return f"no index narrows this query: reads {rows} of {round(sample.ahead):,} entries in address order"


def _matches(found: list[Any]) -> list[Row]:
    return [(row[-2], row[-1]) for row in found if row[-2] is not None]


def _position(address: bytes) -> float:
    """Where an address lies among all of them, from 0 to 1."""
    return int.from_bytes(address[:8].ljust(8, b"\0")) / 2**64


def _last_address(query: Query, cursor: str) -> bytes:
    position = query.position(cursor)
    if not is_address(position):
        raise InvalidQuery("cursor", "is not one that this store returned; drop it to begin anew")
    return bytes.fromhex(position)
