"""A query as SQL conditions over one row of entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stat7.query import ANY, Query
from stat7.stores.conditions import ALWAYS, Condition, clamped, holds_nothing, within
from stat7.stores.postgresql.rows import BUCKETS, Integers, Texts, file_key, neighbour_key

_FEW_LINEAGES: Final = 16


STORED: Final = Condition("realm IS NOT NULL")
"""What tells a document from the bare row of a withdrawn one, in the columns that the indexes have."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """A query taken apart by who can judge which part.

    `lead`: realm, horizon and lineage, by which the index `cov` is sought, and the resonance, if so few lineages are
    asked for that each is sought by itself; `rest`: the other reals, which both indexes hold too; `row`: what takes the
    row itself: type, time, neighbour and file. `sought` is `lead` in the form that the index is sought by, `lineages`
    how many are sought one by one.
    """

    lead: Condition
    rest: Condition
    row: Condition
    sought: Condition
    lineages: int

    @property
    def all(self) -> Condition:
        """Everything."""
        return self.lead & self.rest & self.row


def conditions_of(query: Query) -> Conditions | None:
    """The conditions of a query; None if a range of it holds nothing."""
    if holds_nothing(query):
        return None
    first, lineage = _tokens("realm", query.realms) & _horizons(query.horizons), within("lineage", query.lineage, "%s")
    resonance, rest = within("resonance", query.resonance, "%s"), ALWAYS
    for name in ("velocity", "density"):
        rest &= within(name, getattr(query, name), "%s")
    lineages = single_lineages(query)
    if lineages:
        each = Condition("lineage = ANY(%s)", (Integers(lineages),)) if len(lineages) > 1 else lineage
        lead, sought = first & lineage & resonance, first & each & resonance
    else:
        lead = sought = first & lineage
        rest = resonance & rest
    row = _tokens("entity_type", query.entity_types) & within("created_at", query.created, "%s")
    if query.adjacent_to is not None:
        row &= Condition("%s = ANY(adjacency)", (query.adjacent_to,))
    if query.file is not None:
        row &= Condition("%s = ANY(files)", (bytes.fromhex(query.file),))
    return Conditions(lead, rest, row, sought, len(lineages) or 1)


def opaque(condition: Condition) -> Condition:
    """The same in a form by which no index can be sought, so that the walk stays a walk."""
    return Condition(f"({condition.sql}) IS TRUE", condition.values)


def single_lineages(query: Query) -> tuple[int, ...]:
    """The lineages to be sought one by one, so that the index is entered by the resonance too; none if that's no help.

    Behind a range of one column of an index the next column only filters.
    """
    low, high = query.lineage
    if query.resonance == ANY or high is None or high - (low or 0) >= _FEW_LINEAGES or clamped(high) != high:
        return ()
    return tuple(range(max(low or 0, 0), high + 1))


def linked(query: Query, first: int, last: int) -> Condition | None:
    """What the index `links` is sought by, for addresses whose first hex digit is `first` to `last`.

    None for a query without neighbour or file. A file is rarer than a neighbour as a rule: it leads if there are both.
    """
    if query.file is not None:
        return Condition("links @> %s", (Integers([file_key(query.file)]),))
    if query.adjacent_to is None:
        return None
    keys = Integers(neighbour_key(query.adjacent_to, bucket) for bucket in range(first, last + 1))
    return Condition("links && %s", (keys,))


def buckets_of(query: Query) -> int:
    """In how many parts, in address order, `linked` splits its answer."""
    return 1 if query.file is not None else BUCKETS


def _tokens(column: str, names: Sequence[str] | None) -> Condition:
    if names is None:
        return ALWAYS
    if len(names) == 1:
        return Condition(f"{column} = %s", (names[0],))
    return Condition(f"{column} = ANY(%s)", (Texts(names),))


def _horizons(ranks: Sequence[int] | None) -> Condition:
    if ranks is None:
        return ALWAYS
    if len(ranks) == 1:
        return Condition("horizon = %s", (ranks[0],))
    return Condition("horizon = ANY(%s::int2[])", (list(ranks),))
