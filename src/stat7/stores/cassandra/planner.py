"""What `explain` says: which way a find takes, and what it costs, estimated from a sample that stays for a minute.

The sample is the first entities in the order of tokens: tokens are uniform, so it is random, and how far it reaches on
the ring says how many entities there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from stat7.query import Query
from stat7.stores.base import Plan
from stat7.stores.cassandra.find import LINK_ROWS, cells_of
from stat7.stores.cassandra.reader import estimated_rows, facts_in
from stat7.stores.cassandra.realms import Realms
from stat7.stores.cassandra.rows import (
    FACTS,
    LINK_BUCKETS,
    Facts,
    holds,
    horizons_of,
    is_placed,
    is_possible,
    parts_of,
    targets_of,
)
from stat7.stores.cassandra.session import Connection
from stat7.stores.cassandra.walk import Walk

_SAMPLE: Final = Walk("sample", "entities", "address", FACTS)
_SIZE: Final = 1000
_SECONDS: Final = 60.0
_PAGE: Final = 100
_FEW_PARTITIONS: Final = 256
_FEW_ROWS: Final = 50_000
_COUNTED: Final = 250


@dataclass(frozen=True, slots=True)
class Sample:
    """Some entities, how many there are in all, and when that was."""

    facts: Sequence[Facts]
    total: int
    taken: float


class Planner:
    """Explains finds; keeps the sample."""

    def __init__(self, connection: Connection, realms: Realms) -> None:
        self._connection = connection
        self._realms = realms
        self._lock = threading.Lock()
        self._sample: Sample | None = None

    def explain(self, query: Query) -> Plan:
        """How `find` answers this query. Indexed is what reads few partitions, and few rows of them for a page."""
        targets = targets_of(query)
        if not is_possible(query):
            return Plan("nothing", True, 0, 0, "a range of it is empty, so nothing is read")
        if targets:
            return self._by_links(query, targets[0])
        sample = self._sampled()
        cells = cells_of(self._realms, query, self._connection.buckets)
        matches = _scaled(sample, sum(holds(query, (), facts) for facts in sample.facts))
        placed = _scaled(sample, sum(_is_in_reach(query, facts) for facts in sample.facts))
        rows = _for_a_page(placed if cells is not None else sample.total, matches)
        if cells is None:
            detail = f"reads about {rows} of {sample.total} entities: no realm, horizon, neighbour or file narrows it"
            return Plan("scan", False, rows, matches, detail)
        is_narrow = query.realms is not None or query.horizons is not None
        indexed = is_narrow and len(cells) <= _FEW_PARTITIONS and rows <= _FEW_ROWS
        detail = f"reads about {rows} of {sample.total} index rows in {len(cells)} partitions of realm and horizon"
        return Plan("cells", indexed, rows, matches, detail)

    def _by_links(self, query: Query, target: bytes) -> Plan:
        parts = parts_of(target)
        bound = [self._connection.bind(LINK_ROWS, (part, target, b"", _COUNTED)) for part in parts]
        total, seen, fitting = 0, 0, 0
        for number, rows in enumerate(self._connection.run_all(bound)):
            total += _links_in(rows, number, len(parts))
            seen += len(rows)
            fitting += sum(is_placed(query, row[1], row[2], row[3], row[4:]) for row in rows)
        matches = round(total * fitting / max(seen, 1))
        rows_read = _for_a_page(total, matches)
        what = "file" if query.file is not None else "neighbour"
        return Plan("links", True, rows_read, matches, f"reads about {rows_read} of {total} links to that {what}")

    def _sampled(self) -> Sample:
        with self._lock:
            kept = self._sample
        # A sample that is all there was is cheap to take, and soon wrong.
        if kept is not None and len(kept.facts) < kept.total and time.monotonic() < kept.taken + _SECONDS:
            return kept
        rows, is_last = _SAMPLE.page(self._connection, None, _SIZE)
        facts = [facts_in(row[1:]) for row in rows if row[1] is not None]
        total = len(facts) if is_last else estimated_rows(rows) * len(facts) // len(rows)
        sample = Sample(facts, total, time.monotonic())
        with self._lock:
            self._sample = sample
        return sample


def _is_in_reach(query: Query, facts: Facts) -> bool:
    """Whether its index row lies in the slices that a find through `cells` reads."""
    return (
        (query.realms is None or facts.realm in query.realms)
        and facts.horizon in horizons_of(query)
        and query.lineage.holds(facts.lineage)
    )


def _scaled(sample: Sample, hits: int) -> int:
    return round(sample.total * hits / max(len(sample.facts), 1))


def _for_a_page(rows: int, matches: int) -> int:
    """Rows that are read for a first page, of `rows` in which so many match."""
    return rows if matches <= _PAGE else round(rows * _PAGE / matches)


def _links_in(rows: Sequence[tuple[Any, ...]], number: int, parts: int) -> int:
    """How many links a partition has to the target, from the first of them: addresses are uniform."""
    if len(rows) < _COUNTED:
        return len(rows)
    span = 2**32 if parts == 1 else 2**32 // LINK_BUCKETS
    reached = int.from_bytes(rows[-1][0][:4]) - number * span + 1
    return round(len(rows) * span / max(reached, 1))
