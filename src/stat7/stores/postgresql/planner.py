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

from stat7.coordinates import HORIZONS
from stat7.query import ANY, Query

SAMPLE: Final = 1000
"""Rows of the walk that are looked at before anything is decided, where the index alone can judge them."""
SAMPLE_OF_ROWS: Final = 500
"""The same where each takes its row of the table."""
MANY_REALMS: Final = 32
"""With more realms than these in the store, a query that names none is not answered by skipping through all of them."""
FEW_LINKS: Final = 4000
"""Entities that name one target, in one part of the addresses, that are read without asking for a better way."""
PAGE: Final = 100
"""The first page that `explain` speaks about."""

# Microseconds, measured; only their ratios matter.
_WALK_ROW: Final = 0.25
_COV_ROW: Final = 0.20
_ROW: Final = 1.2
_SORTED: Final = 0.2
_SEEK: Final = 8.0

_LARGE_PART: Final = 0.25
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


@dataclass(frozen=True, slots=True)
class Costs:
    """A way to answer: the rows it will visit and the microseconds it will take, both estimated."""

    method: str
    rows: float
    time: float


def needs_realms(query: Query) -> bool:
    """Whether `cov` helps a query only by skipping from realm to realm."""
    return query.realms is None and (query.horizons is not None or query.lineage != ANY)


def walk(sample: Sample, wanted: int, ahead: float, by_row: bool) -> Costs:
    """Reading on in address order until `wanted` more are found; `ahead` rows are left; `by_row`: each is fetched."""
    rows = min(ahead, wanted / _share(sample.hits, sample))
    return Costs("walk", rows, rows * (_ROW if by_row else _WALK_ROW))


def cov(query: Query, sample: Sample, by_row: bool, lineages: int = 1) -> Costs | None:
    """Reading all that realm, horizon and lineage lead to; None if the index doesn't help this query.

    `lineages`: so many of them are sought one by one.
    """
    places = _seeks(query, sample)
    if places is None:
        return None
    places *= lineages
    rows = sample.ahead * _share(sample.led, sample)
    kept = sample.ahead * sample.hits / max(sample.rows, 1)
    time = rows * (_ROW if by_row else _COV_ROW) + kept * _SORTED + places * _SEEK
    return Costs("cov", rows + places, time)


def links(count: float, wanted: int, share: float) -> Costs:
    """Reading entities that name a target, `count` of them, of which `share` satisfy the rest of the query."""
    rows = min(count, wanted / max(share, 1e-9))
    return Costs("links", rows, rows * _ROW + _SEEK)


def best(choices: list[Costs]) -> Costs:
    """The quickest; of equals the first."""
    return min(choices, key=lambda choice: choice.time)


def is_indexed(choice: Costs, wanted: float, total: float) -> bool:
    """Whether the rows visited beyond those wanted are a small part of the store, and few enough to be quick."""
    return choice.rows - wanted <= total * _LARGE_PART and choice.time <= _LONG


def _seeks(query: Query, sample: Sample) -> int | None:
    """How many places of `cov` hold the answer; None if the index doesn't help."""
    if query.realms is not None:
        realms = len(query.realms)
    elif needs_realms(query) and sample.realms is not None:
        realms = sample.realms
    else:
        return None
    horizons = 1
    if query.horizons is not None or query.lineage != ANY:
        horizons = len(query.horizons or HORIZONS)
    return max(realms, 1) * horizons


def _share(hits: int, sample: Sample) -> float:
    """The part of all entities that a count in the sample stands for; none seen may still be half a one."""
    return max(hits, 0.5) / max(sample.rows, 1)
