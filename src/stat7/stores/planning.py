"""Choosing how a query is answered: what the planners of the stores share; costs are measured, each engine's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stat7.coordinates import HORIZONS
from stat7.query import ANY, Query

PAGE: Final = 100
"""The first page that `explain` speaks about."""

MANY_REALMS: Final = 32
"""With more realms than these in the store, a query that names none is not answered by skipping through all of them."""

_LARGE_PART: Final = 0.25


@dataclass(frozen=True, slots=True)
class Costs:
    """A way to answer: the rows it will visit and the microseconds it will take, both estimated."""

    method: str
    rows: float
    time: float


def best(choices: list[Costs]) -> Costs:
    """The quickest; of equals the first."""
    return min(choices, key=lambda choice: choice.time)


def is_small_part(choice: Costs, wanted: float, total: float) -> bool:
    """Whether the rows visited beyond those wanted are a small part of the store."""
    return choice.rows - wanted <= total * _LARGE_PART


def share(hits: int, looked_at: int) -> float:
    """The part of all entities that a count in a sample stands for; none seen may still be half a one."""
    return max(hits, 0.5) / max(looked_at, 1)


def needs_realms(query: Query) -> bool:
    """Whether an index led by realm and horizon helps a query only by skipping from realm to realm."""
    return query.realms is None and (query.horizons is not None or query.lineage != ANY)


def places(query: Query, realms: int | None) -> int | None:
    """At how many pairs of realm and horizon such an index is sought; None if it doesn't help this query.

    `realms`: how many there are in the store, None for too many.
    """
    if query.realms is not None:
        realms = len(query.realms)
    elif not needs_realms(query):
        return None
    if realms is None:
        return None
    horizons = 1
    if query.horizons is not None or query.lineage != ANY:
        horizons = len(query.horizons or HORIZONS)
    return max(realms, 1) * horizons
