"""Which way a query is answered: PostgreSQL's own planner, blind to how coordinates go together, is off by 100 ms.

Three ways give the same matches in the same order, that of addresses:

walk   reads the primary key in address order, with the coordinates it carries, until the page is full
cov    seeks the covering index by realm, horizon and lineage, and sorts what it finds: best where few match
links  reads the entities that name a neighbour or file, a sixteenth of all addresses at a time

Addresses are uniform, so any range of them is a random sample: the first rows of the walk serve the page and, if they
don't fill it, tell how selective the query is and how many entities there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stat7.query import Query
from stat7.stores.planning import MANY_REALMS as MANY_REALMS
from stat7.stores.planning import PAGE as PAGE
from stat7.stores.planning import Costs as Costs
from stat7.stores.planning import best as best
from stat7.stores.planning import is_small_part, places, share
from stat7.stores.planning import needs_realms as needs_realms

SAMPLE: Final = 1000
"""Rows of the walk that are looked at before anything is decided, where the index alone can judge them."""
SAMPLE_OF_ROWS: Final = 500
"""The same where each takes its row of the table."""
FEW_LINKS: Final = 4000
"""Entities that name one target, in one part of the addresses, that are read without asking for a better way."""
# Microseconds, measured; only their ratios matter.
_WALK_ROW: Final = 0.25
_COV_ROW: Final = 0.20
_ROW: Final = 1.2
_SORTED: Final = 0.2
_SEEK: Final = 8.0

_LONG: Final = 6_000.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a stretch of the walk showed: rows looked at, and how many of them satisfied which part of the query.

    `ahead`: how many rows the whole walk has from its beginning, estimated; `realms`: how many realms there are, None
    for too many or if nobody asked.
    """

    rows: int
    led: int
    hits: int
    ahead: float
    realms: int | None


def walk(sample: Sample, wanted: int, ahead: float, by_row: bool) -> Costs:
    """Reading on in address order until `wanted` more are found; `ahead` rows are left; `by_row`: each is fetched."""
    rows = min(ahead, wanted / share(sample.hits, sample.rows))
    return Costs("walk", rows, rows * (_ROW if by_row else _WALK_ROW))


def cov(query: Query, sample: Sample, by_row: bool, lineages: int = 1) -> Costs | None:
    """Reading all that realm, horizon and lineage lead to; None if the index doesn't help this query.

    `lineages`: so many of them are sought one by one.
    """
    found = places(query, sample.realms)
    if found is None:
        return None
    sought = found * lineages
    rows = sample.ahead * share(sample.led, sample.rows)
    kept = sample.ahead * sample.hits / max(sample.rows, 1)
    time = rows * (_ROW if by_row else _COV_ROW) + kept * _SORTED + sought * _SEEK
    return Costs("cov", rows + sought, time)


def links(count: float, wanted: int, share: float) -> Costs:
    """Reading entities that name a target, `count` of them, of which `share` satisfy the rest of the query."""
    rows = min(count, wanted / max(share, 1e-9))
    return Costs("links", rows, rows * _ROW + _SEEK)


def is_indexed(choice: Costs, wanted: float, total: float) -> bool:
    """Whether the rows visited beyond those wanted are a small part of the store, and few enough to be quick."""
    return is_small_part(choice, wanted, total) and choice.time <= _LONG
