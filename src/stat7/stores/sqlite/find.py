"""Finding: the first rows of a walk in key order, then whichever way the planner picks; every way ends in key order."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from operator import itemgetter
from typing import Final, TypeAlias

import apsw

from stat7.coordinates import HORIZONS
from stat7.errors import InvalidQuery
from stat7.query import ANY, Query
from stat7.stores.base import Match, Page, Plan
from stat7.stores.conditions import Condition
from stat7.stores.sqlite import planner
from stat7.stores.sqlite.conditions import Conditions, Link, conditions_of
from stat7.stores.sqlite.connection import fetch, fetch_each
from stat7.stores.sqlite.lookup import as_json
from stat7.stores.sqlite.planner import Costs, Sample, Situation
from stat7.stores.sqlite.rows import HIGHEST_KEY, LOWEST_KEY, segment_of

Row: TypeAlias = tuple[int, bytes | None, str | None]
"""Key, address and id of a match; both None where an index row has lost its document."""

_STOP: Final = "SELECT key FROM coordinates NOT INDEXED WHERE key >= ? ORDER BY key LIMIT 1 OFFSET ?"
_WITH_DOCUMENTS: Final = """
    SELECT c.key, CAST(d.address AS BLOB), CAST(d.id AS TEXT)
    FROM ({}) AS c LEFT JOIN documents AS d ON d.seq = c.seq"""
_WALK: Final = """
    SELECT key, seq FROM coordinates AS c NOT INDEXED WHERE key BETWEEN ? AND ? AND seq IS NOT NULL AND {}
    ORDER BY key LIMIT ?"""
_LOOK: Final = """
    SELECT count(*), total({}), total({}) FROM coordinates AS c NOT INDEXED
    WHERE key BETWEEN ? AND ? AND seq IS NOT NULL"""
_COV: Final = """
    SELECT key FROM coordinates AS c INDEXED BY cov
    WHERE c.segment IN (SELECT value FROM json_each(?)) AND {} AND key >= ? ORDER BY key LIMIT ?"""
_COV_ROWS: Final = "SELECT c.key, c.seq FROM ({}) AS hit CROSS JOIN coordinates AS c NOT INDEXED ON c.key = hit.key"
_LINKED: Final = """
    SELECT c.key, CAST(c.seq AS INTEGER) FROM links AS l CROSS JOIN coordinates AS c NOT INDEXED ON c.key = l.key
    WHERE l.segment = ? AND l.target = ? AND l.key BETWEEN ? AND ? AND {}"""
_COV_COUNT: Final = """
    SELECT count(*) FROM coordinates AS c INDEXED BY cov WHERE c.segment IN (SELECT value FROM json_each(?)) AND {}"""
_COUNT_LINKS: Final = """
    SELECT count(*), max(key) FROM (SELECT key FROM links WHERE segment = ? AND target = ? ORDER BY key LIMIT ?)"""

_POSITION: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_WHOLE: Final = 4
"""Links are looked through at once where there are no more than this many for each match wanted."""
_COUNTED_LINKS: Final = 300
_FEW: Final = 40
_COUNTABLE: Final = 100_000
"""Where a sample shows less than _FEW matches, `explain` counts them if that takes no more entries than this."""


def find(connection: apsw.Connection, query: Query, cursor: str | None, limit: int) -> Page[Match]:
    """One page of matches in key order; the cursor holds the last key."""
    start = LOWEST_KEY if cursor is None else _last_key(query, cursor) + 1
    conditions = conditions_of(query)
    if conditions is None or start > HIGHEST_KEY:
        return Page([], None)
    rows = _Search(connection, query, conditions, start, limit + 1).rows()
    more = len(rows) > limit
    items = [Match(address.hex(), id) for _, address, id in rows[:limit] if address is not None and id is not None]
    return Page(items, query.cursor(str(rows[limit - 1][0])) if more else None)


def explain(connection: apsw.Connection, query: Query) -> Plan:
    """How `find` gets a first page of 100: decided by the same code, from the same sample."""
    conditions = conditions_of(query)
    if conditions is None:
        return Plan("none", True, 0, 0, "nothing is read: a range of the query holds no value")
    return _Search(connection, query, conditions, LOWEST_KEY, planner.PAGE).plan()


class _Search:
    """One search for the first `wanted` matches whose key is at least `start`."""

    def __init__(
        self, connection: apsw.Connection, query: Query, conditions: Conditions, start: int, wanted: int
    ) -> None:
        self._connection = connection
        self._query = query
        self._start = start
        self._wanted = wanted
        self._situation = self._look_round()
        # The rarer of two links leads.
        counts = sorted(((self._count_links(link), link) for link in conditions.links), key=itemgetter(0))
        self._linked = [count for count, _ in counts]
        self._conditions = replace(conditions, links=tuple(link for _, link in counts))

    def rows(self) -> list[Row]:
        """The matches."""
        if self._linked:
            if self._linked[0] <= planner.FEW_LINKS:
                return self._links()
            choice = planner.best(self._choices(self._sample(self._stop()), self._wanted, self._start))
            return self._cov(self._start, self._wanted) if choice.method == "cov" else self._links()
        stop = self._stop()
        rows = self._walk(self._start, stop, self._wanted)
        left = self._wanted - len(rows)
        if left == 0 or stop == HIGHEST_KEY:
            return rows
        choice = planner.best(self._choices(self._sample(stop), left, stop))
        return rows + (self._cov(stop + 1, left) if choice.method == "cov" else self._walk(stop + 1, HIGHEST_KEY, left))

    def plan(self) -> Plan:
        """What `rows` would do, in numbers."""
        total, stop = self._situation.total, self._stop()
        sample = self._sample(stop)
        share = sample.hits / max(sample.rows, 1)
        choices = self._choices(sample, self._wanted, self._start)
        choice = planner.best(choices)
        if self._linked:
            share *= math.prod(count / max(total, 1) for count in self._linked)
            decided = self._linked[0] <= planner.FEW_LINKS
        else:
            decided = stop == HIGHEST_KEY or sample.hits >= self._wanted
        if decided:
            choice = choices[0]
        matches = round(total * share)
        if choice.method == "cov" and sample.hits < _FEW and choice.rows < _COUNTABLE:
            matches = self._count_by_cov()
        needed = min(self._wanted, matches)
        indexed = any(planner.is_indexed(each, needed, total) for each in choices)
        return Plan(choice.method, indexed, round(choice.rows), matches, self._detail(choice, indexed))

    # What is known

    def _look_round(self) -> Situation:
        last = fetch(self._connection, "SELECT max(seq) FROM documents")[0][0] or 0
        realms = len(fetch(self._connection, "SELECT 1 FROM realms LIMIT ?", (planner.MANY_REALMS + 1,)))
        return Situation(last, segment_of(last) + 1, realms if realms <= planner.MANY_REALMS else None)

    def _stop(self) -> int:
        """The key at which the sample ends, the highest if the store ends before."""
        rows = fetch(self._connection, _STOP, (self._start, planner.SAMPLE - 1))
        return int(rows[0][0]) if rows else HIGHEST_KEY

    def _sample(self, stop: int) -> Sample:
        lead, unlinked = self._conditions.lead, self._conditions.unlinked
        values = (*lead.values, *unlinked.values, self._start, stop)
        rows, led, hits = fetch(self._connection, _LOOK.format(lead.sql, unlinked.sql), values)[0]
        return Sample(rows, int(hits), int(led))

    def _choices(self, sample: Sample, wanted: int, after: int) -> list[Costs]:
        """The walk, or the links where there are some, and cov where it helps, for the matches from a key on."""
        if self._linked:
            first = planner.links(self._linked[0], sample, wanted, len(self._segments(self._conditions.links[0])))
        else:
            first = planner.walk(sample, wanted, self._situation.total * (HIGHEST_KEY - after) / 2**64)
        judged_by_row = bool(self._linked or self._conditions.row)
        by_cov = planner.cov(self._query, sample, self._situation, judged_by_row)
        return [first, *([by_cov] if by_cov else [])]

    def _segments(self, link: Link) -> list[int]:
        return list(range(self._situation.segments)) if link.segment is None else [link.segment]

    def _count_links(self, link: Link) -> int:
        """Links to the target: counted where a segment has few, else estimated from how far the first ones reach."""
        asked = [(segment, link.target, _COUNTED_LINKS) for segment in self._segments(link)]
        count = 0.0
        for found, last in fetch_each(self._connection, _COUNT_LINKS, asked):
            reached = (last - LOWEST_KEY + 1) / 2**64 if found == _COUNTED_LINKS else 1.0
            count += found / reached
        return min(round(count), self._situation.total)

    def _count_by_cov(self) -> int:
        condition, values = self._by_cov()
        rows = fetch(self._connection, _COV_COUNT.format(condition.sql), (*values, *condition.values))
        return int(rows[0][0])

    # The ways

    def _walk(self, start: int, stop: int, wanted: int) -> list[Row]:
        condition = self._conditions.all
        statement = _WITH_DOCUMENTS.format(_WALK.format(condition.sql))
        return self._fetch(statement, (start, stop, *condition.values, wanted))

    def _cov(self, start: int, wanted: int) -> list[Row]:
        condition, values = self._by_cov()
        statement = _WITH_DOCUMENTS.format(_COV_ROWS.format(_COV.format(condition.sql)))
        return self._fetch(statement, (*values, *condition.values, start, wanted))

    def _by_cov(self) -> tuple[Condition, tuple[str]]:
        """The condition with every leading column of the index bound, and the parameter that lists the segments."""
        condition = self._conditions.all
        if self._query.realms is None:
            condition &= Condition("c.realm IN (SELECT realm FROM realms)")
        if self._query.horizons is None and self._query.lineage != ANY:
            condition &= Condition("c.horizon IN (SELECT value FROM json_each(?))", (as_json(range(len(HORIZONS))),))
        return condition, (as_json(range(self._situation.segments)),)

    def _links(self) -> list[Row]:
        """Look through stretches of keys, in every segment, until the page is full.

        A stretch holds about as many links as are wanted at first, and four times as many each time that wasn't enough.
        """
        count, link = self._linked[0], self._conditions.links[0]
        condition = self._conditions.all_but_the_first_link
        statement = _LINKED.format(condition.sql)
        stretch = 2**64 if count <= _WHOLE * self._wanted else 2**64 * 2 * self._wanted // count
        found: list[tuple[int, int]] = []
        low = self._start
        while low <= HIGHEST_KEY and len(found) < self._wanted:
            high = min(low + stretch - 1, HIGHEST_KEY)
            asked = [(at, link.target, low, high, *condition.values) for at in self._segments(link)]
            found += sorted(fetch_each(self._connection, statement, asked), key=itemgetter(0))
            low, stretch = high + 1, stretch * 4
        return self._with_documents(found[: self._wanted])

    def _with_documents(self, found: list[tuple[int, int]]) -> list[Row]:
        statement = """
            SELECT seq, CAST(address AS BLOB), CAST(id AS TEXT) FROM documents
            WHERE seq IN (SELECT value FROM json_each(?))"""
        rows = fetch(self._connection, statement, (as_json([seq for _, seq in found]),))
        known = {seq: (address, id) for seq, address, id in rows}
        return [(key, *known.get(seq, (None, None))) for key, seq in found]

    def _fetch(self, statement: str, values: tuple[object, ...]) -> list[Row]:
        rows: list[Row] = sorted(fetch(self._connection, statement, values), key=itemgetter(0))
        return rows

    def _detail(self, choice: Costs, indexed: bool) -> str:
        rows = f"about {round(choice.rows):,}"
        if choice.method == "links":
            kind = "neighbour" if self._conditions.links[0].segment is None else "file"
            return f"reads {rows} links to the {kind} and judges their entities"
        if choice.method == "cov":
            return f"seeks realm, horizon and lineage in the covering index and reads {rows} of its entries"
        if indexed:
            return f"reads {rows} of {self._situation.total:,} rows in key order, until the page is full"
        if self._situation.total <= planner.SAMPLE:
            return f"the store is so small that reading {rows} of its {self._situation.total:,} rows is cheapest"
        return f"no index narrows this query enough: reads {rows} of {self._situation.total:,} rows in key order"


def _last_key(query: Query, cursor: str) -> int:
    position = query.position(cursor)
    if not _POSITION.fullmatch(position) or not LOWEST_KEY <= int(position) <= HIGHEST_KEY:
        raise InvalidQuery("cursor", "is not one that this store returned; drop it to begin anew")
    return int(position)
