"""Which way a query is answered: SQLite's own planner, blind to how columns correlate, was wrong by 100 ms and more.

Three ways give the same matches in the same order, that of keys:

walk   reads coordinates in key order until the page is full: best where many entities match
cov    seeks the covering index by segment, realm, horizon and lineage, and sorts what it finds: best where few match
links  reads the keys that are linked to a neighbour or file: best whenever there aren't very many of them

Addresses are uniform, so any range of keys is a random sample: the first rows of the walk serve the page and, if they
don't fill it, tell how selective the query is.
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

SAMPLE: Final = 4000
"""Rows of the walk that are looked at before anything is decided."""

FEW_LINKS: Final = 4000
"""Links to one target that are read without asking whether another way is better."""

# Microseconds, measured; only their ratios matter.
_WALK_ROW: Final = 0.08
_COV_ROW: Final = 0.10
_FETCHED_ROW: Final = 1.0
_LINK_ROW: Final = 1.5
_SEEK: Final = 1.5

_LONG: Final = 12_000.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a stretch of the walk showed: rows looked at, and how many of them satisfied which part of the query."""

    rows: int
    hits: int
    """Satisfied everything (in a query with links: everything but the links)."""
    led: int
    """Satisfied the conditions on realm, horizon and lineage."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known before deciding: entities stored, segments, and realms to skip through (None: too many)."""

    total: int
    segments: int
    realms: int | None


def seeks(query: Query, situation: Situation) -> int | None:
    """How many places of `cov` hold the answer; None if the index doesn't help this query."""
    found = places(query, situation.realms)
    return None if found is None else situation.segments * found


def walk(sample: Sample, wanted: int, ahead: float) -> Costs:
    """Reading on in key order until `wanted` more are found; `ahead` rows are left."""
    rows = min(ahead, wanted / share(sample.hits, sample.rows))
    return Costs("walk", rows, rows * _WALK_ROW)


def cov(query: Query, sample: Sample, situation: Situation, judged_by_row: bool) -> Costs | None:
    """Reading all that realm, horizon and lineage lead to; `judged_by_row`: the rest takes the rows themselves."""
    sought = seeks(query, situation)
    if sought is None:
        return None
    rows = situation.total * share(sample.led, sample.rows)
    fetched = rows if judged_by_row else situation.total * sample.hits / max(sample.rows, 1)
    return Costs(
        "cov", rows + sought, rows * _COV_ROW + fetched * (_FETCHED_ROW if judged_by_row else 0.2) + sought * _SEEK
    )


def links(count: int, sample: Sample | None, wanted: int, segments: int) -> Costs:
    """Reading the keys linked to a target, `count` of them, and judging each by its row."""
    rows = float(count) if sample is None else min(count, wanted / share(sample.hits, sample.rows))
    return Costs("links", rows + segments, rows * _LINK_ROW + segments * _SEEK)


def is_indexed(choice: Costs, wanted: float, total: int) -> bool:
    """Whether the rows visited beyond those wanted are a small part of the store, and few enough to be quick."""
    return is_small_part(choice, wanted, total) and choice.time <= _LONG
