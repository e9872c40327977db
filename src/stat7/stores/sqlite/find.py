"""Finding: the first rows of a walk in key order, then whichever way the planner picks; every way ends in key order."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import apsw

from stat7.coordinates import HORIZONS
from stat7.errors import InvalidQuery
from stat7.query import ANY, Query
from stat7.stores.base import Match, Page, Plan
from stat7.stores.sqlite import planner
from stat7.stores.sqlite.conditions import Condition, Conditions, Value, conditions_of
from stat7.stores.sqlite.connection import fetch, fetch_each
from stat7.stores.sqlite.lookup import as_json
from stat7.stores.sqlite.planner import Costs, Sample, Situation
from stat7.stores.sqlite.rows import HIGHEST_KEY, LOWEST_KEY, segment_of

Row: TypeAlias = tuple[int, bytes | None, str | None]
"""Key, address and id of a match; both None where an index row has lost its document."""

_STOP: Final = "SELECT key FROM coordinates NOT INDEXED WHERE key >= ? ORDER BY key LIMIT 1 OFFSET ?"
_WITH_DOCUMENTS: Final = """
    SELECT c.key, d.address, d.id FROM ({}) AS c LEFT JOIN documents AS d ON d.seq = c.seq"""
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
    SELECT c.key, c.seq FROM links AS l CROSS JOIN coordinates AS c NOT INDEXED ON c.key = l.key
    WHERE l.segment = ? AND l.target = ? AND l.key BETWEEN ? AND ? AND {}"""
_COV_COUNT: Final = """
    SELECT count(*) FROM coordinates AS c INDEXED BY cov WHERE c.segment IN (SELECT value FROM json_each(?)) AND {}"""
_COUNT_LINKS: Final = """
    SELECT count(*) FROM (SELECT 1 FROM links WHERE segment = ? AND target = ? LIMIT ?)"""

_POSITION: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
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
        self._conditions = conditions
        self._start = start
        self._wanted = wanted

    def rows(self) -> list[Row]:
        """The matches."""
        if self._conditions.links:
            count = self._count_links()
            return self._cov(self._start, self._wanted) if self._prefers_cov(count) else self._links(count)
        stop = self._stop()
        if stop is None:
            return self._walk(self._start, HIGHEST_KEY, self._wanted)
        rows = self._walk(self._start, stop, self._wanted)
        left = self._wanted - len(rows)
        if left == 0 or stop == HIGHEST_KEY:
            return rows
        choice = planner.best(self._choices(self._look(stop), left, stop))
        return rows + (self._cov(stop + 1, left) if choice.method == "cov" else self._walk(stop + 1, HIGHEST_KEY, left))

    def plan(self) -> Plan:
        """What `rows` would do, in numbers."""
        situation = self._situation()
        stop = self._stop()
        sample = self._look(HIGHEST_KEY if stop is None else stop)
        matches = round(situation.total * sample.hits / max(sample.rows, 1))
        choices = self._choices(sample, self._wanted, LOWEST_KEY)
        choice = planner.best(choices)
        if self._conditions.links:
            count = self._count_links()
            links = planner.links(count, sample, self._wanted, len(self._link_segments()))
            choices = [links, *(each for each in choices if each.method == "cov")]
            choice = choices[-1] if self._prefers_cov(count) else links
            matches = round(count * sample.hits / max(sample.rows, 1))
        elif stop is None or sample.hits >= self._wanted:
            choice = choices[0]
        if choice.method == "cov" and sample.hits < _FEW and choice.rows < _COUNTABLE:
            matches = self._count_by_cov()
        needed = min(self._wanted, matches)
        indexed = any(planner.is_indexed(each.rows, needed, situation.total) for each in choices)
        return Plan(choice.method, indexed, round(choice.rows), matches, self._detail(choice, situation, indexed))

    # What is known

    def _situation(self) -> Situation:
        last = fetch(self._connection, "SELECT max(seq) FROM documents")[0][0] or 0
        realms = len(fetch(self._connection, "SELECT 1 FROM realms LIMIT ?", (planner.MANY_REALMS + 1,)))
        return Situation(last, segment_of(last) + 1, realms if realms <= planner.MANY_REALMS else None)

    def _stop(self) -> int | None:
        """The key at which the sample ends, None if the store ends before."""
        rows = fetch(self._connection, _STOP, (self._start, planner.SAMPLE - 1))
        return int(rows[0][0]) if rows else None

    def _look(self, stop: int) -> Sample:
        lead, unlinked = self._conditions.lead, self._conditions.unlinked
        values = (*lead.values, *unlinked.values, self._start, stop)
        rows, led, hits = fetch(self._connection, _LOOK.format(lead.sql, unlinked.sql), values)[0]
        return Sample(rows, int(hits), int(led))

    def _choices(self, sample: Sample, wanted: int, after: int) -> list[Costs]:
        """The walk, and cov where it helps, for the matches behind the sample."""
        situation = self._situation()
        ahead = situation.total * (HIGHEST_KEY - after) / 2**64
        judged_by_row = bool(self._conditions.links or self._conditions.row)
        by_cov = planner.cov(self._query, sample, situation, judged_by_row)
        return [planner.walk(sample, wanted, ahead), *([by_cov] if by_cov else [])]

    def _prefers_cov(self, count: int) -> bool:
        """Whether, of a query with links, so many lead to its target that coordinates narrow it down more."""
        if count <= planner.FEW_LINKS:
            return False
        sample = self._look(self._stop() or HIGHEST_KEY)
        by_cov = [each for each in self._choices(sample, self._wanted, self._start) if each.method == "cov"]
        by_links = planner.links(count, sample, self._wanted, len(self._link_segments()))
        return planner.best([by_links, *by_cov]).method == "cov"

    def _link_segments(self) -> list[int]:
        segment = self._conditions.links[0][0]
        return list(range(self._situation().segments)) if segment is None else [segment]

    def _count_links(self) -> int:
        """Links to the target, counted up to a bound in each segment."""
        target = self._conditions.links[0][1]
        asked = [(segment, target, planner.FEW_LINKS) for segment in self._link_segments()]
        return sum(count for (count,) in fetch_each(self._connection, _COUNT_LINKS, asked))

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
        return condition, (as_json(range(self._situation().segments)),)

    def _links(self, count: int) -> list[Row]:
        """Look through stretches of keys, in every segment, until the page is full.

        A stretch holds about as many links as are wanted at first, and four times as many each time that wasn't enough.
        """
        segments, target = self._link_segments(), self._conditions.links[0][1]
        condition = self._conditions.linked(self._conditions.unlinked, leave_out=1)
        statement = _LINKED.format(condition.sql)
        stretch = 2**64 if count <= 4 * self._wanted else 2**64 * 2 * self._wanted // count
        found: list[tuple[int, int]] = []
        low = self._start
        while low <= HIGHEST_KEY and len(found) < self._wanted:
            high = min(low + stretch - 1, HIGHEST_KEY)
            asked = [(segment, target, low, high, *condition.values) for segment in segments]
            found += sorted(fetch_each(self._connection, statement, asked))
            low, stretch = high + 1, stretch * 4
        return self._with_documents(found[: self._wanted])

    def _with_documents(self, found: list[tuple[int, int]]) -> list[Row]:
        statement = "SELECT seq, address, id FROM documents WHERE seq IN (SELECT value FROM json_each(?))"
        rows = fetch(self._connection, statement, (as_json([seq for _, seq in found]),))
        known = {seq: (address, id) for seq, address, id in rows}
        return [(key, *known.get(seq, (None, None))) for key, seq in found]

    def _fetch(self, statement: str, values: tuple[Value, ...]) -> list[Row]:
        rows: list[Row] = sorted(fetch(self._connection, statement, values))
        return rows

    def _detail(self, choice: Costs, situation: Situation, indexed: bool) -> str:
        rows = f"about {round(choice.rows):,}"
        if choice.method == "links":
            kind = "file" if self._query.file is not None else "neighbour"
            return f"reads {rows} links to the {kind} and judges their entities"
        if choice.method == "cov":
            return f"seeks realm, horizon and lineage in the covering index and reads {rows} of its entries"
        if indexed:
            return f"reads {rows} of {situation.total:,} rows in key order, until the page is full"
        return f"no index narrows this query: reads {rows} of {situation.total:,} rows in key order"


def _last_key(query: Query, cursor: str) -> int:
    position = query.position(cursor)
    if not _POSITION.fullmatch(position) or not LOWEST_KEY <= int(position) <= HIGHEST_KEY:
        raise InvalidQuery("cursor", "is not one that this store returned; drop it to begin anew")
    return int(position)
