"""A query as filters of DynamoDB, and the same judged here over what a link or the index shows of a document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from stat7.query import ANY, Interval, Query
from stat7.stores.conditions import clamped
from stat7.stores.dynamodb.layout import Item

_MOST_OPERANDS: Final = 90
"""Values that one IN may name (the service takes 100); more are judged here alone."""


@dataclass(slots=True)
class Filter:
    """A FilterExpression under construction, with the names and values that it refers to."""

    parts: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Item] = field(default_factory=dict)

    def within(self, name: str, interval: Interval) -> None:
        """That a number lies in a closed range."""
        if interval == ANY:
            return
        self.names[f"#{name}"] = name
        for sign, mark, bound in ((">=", "a", interval.low), ("<=", "b", interval.high)):
            if bound is not None:
                self.values[f":{name}{mark}"] = {"N": str(clamped(bound))}
                self.parts.append(f"#{name} {sign} :{name}{mark}")

    def among(self, name: str, values: tuple[Any, ...] | None, kind: str) -> None:
        """That an attribute has one of these values."""
        if values is None or len(values) > _MOST_OPERANDS:
            return
        self.names[f"#{name}"] = name
        marks = [f":{name}{number}" for number in range(len(values))]
        self.values |= {mark: {kind: str(value)} for mark, value in zip(marks, values, strict=True)}
        self.parts.append(f"#{name} IN ({','.join(marks)})")


def filter_of_facts(query: Query) -> Filter:
    """What links and the index both show: the reals, the time and the type."""
    made = Filter()
    for name, interval in (("r", query.resonance), ("v", query.velocity), ("y", query.density), ("m", query.created)):
        made.within(name, interval)
    made.among("t", query.entity_types, "S")
    return made


def filter_of_links(query: Query) -> Filter:
    """The same, and realm, horizon and lineage, which links show as they are."""
    made = filter_of_facts(query)
    made.among("e", query.realms, "S")
    made.among("z", query.horizons, "N")
    made.within("l", query.lineage)
    return made


def passes(query: Query, item: Item) -> bool:
    """Whether a link or a row of the index is that of a document that matches, but for neighbour and file."""
    realm, horizon, lineage = _place_in(item)
    return (
        (query.realms is None or realm in query.realms)
        and (query.horizons is None or horizon in query.horizons)
        and query.lineage.holds(lineage)
        and all(_holds(interval, item, name) for name, interval in _intervals(query))
        and (query.entity_types is None or item.get("t", {}).get("S") in query.entity_types)
    )


def _intervals(query: Query) -> tuple[tuple[str, Interval], ...]:
    return ("r", query.resonance), ("v", query.velocity), ("y", query.density), ("m", query.created)


def _holds(interval: Interval, item: Item, name: str) -> bool:
    return interval == ANY or (name in item and interval.holds(_integer(item[name])))


def _integer(value: Item) -> int:
    """A number as the store writes them; what is none, or no integer, lies beyond all of those."""
    text = value.get("N", "")
    return int(text) if text.lstrip("-").isdecimal() else 2**62


def _place_in(item: Item) -> tuple[str, int, int]:
    """Realm, horizon and lineage: of a link its own attributes, in the index what its key tells."""
    if "e" in item:
        return item["e"]["S"], int(item["z"]["N"]), int(item["l"]["N"])
    realm, horizon, _ = item["c"]["S"].split("#")
    return realm, int(horizon), int.from_bytes(item["p"]["B"][:8])
