"""A query as SQL conditions: what the stores that speak SQL share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stat7.query import ANY, Interval, Query

_FARTHEST: Final = 2**62
"""No stored integer is as far from 0, and 64 bits hold it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """An SQL expression and its parameters, in order."""

    sql: str
    values: tuple[object, ...] = ()

    def __and__(self, other: Condition) -> Condition:
        if not self or not other:
            return self or other
        return Condition(f"{self.sql} AND {other.sql}", self.values + other.values)

    def __bool__(self) -> bool:
        """Whether it can be False."""
        return self is not ALWAYS


ALWAYS: Final = Condition("TRUE")


def holds_nothing(query: Query) -> bool:
    """Whether a range of the query is turned round, so that nothing can match."""
    ranges = (query.lineage, query.resonance, query.velocity, query.density, query.created)
    return any(low is not None and high is not None and low > high for low, high in ranges)


def within(column: str, interval: Interval, mark: str) -> Condition:
    """That a column of integers lies in a closed range; `mark` is how the driver writes a parameter."""
    if interval == ANY:
        return ALWAYS
    low, high = interval
    if low is not None and low == high:
        return Condition(f"{column} = {mark}", (clamped(low),))
    condition = ALWAYS
    for sign, bound in ((">=", low), ("<=", high)):
        if bound is not None:
            condition &= Condition(f"{column} {sign} {mark}", (clamped(bound),))
    return condition


def clamped(value: int) -> int:
    """An integer that every engine can hold, on the same side of everything that is stored."""
    return max(-_FARTHEST, min(value, _FARTHEST))
