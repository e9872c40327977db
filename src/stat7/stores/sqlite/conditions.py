"""A query as SQL conditions over one row of coordinates, called `c`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from stat7.query import Query
from stat7.stores.conditions import ALWAYS, Condition, holds_nothing, within
from stat7.stores.sqlite.lookup import as_json
from stat7.stores.sqlite.rows import FILES

_LINKED: Final = "EXISTS (SELECT 1 FROM links WHERE segment = {} AND target = ? AND key = c.key)"


class Link(NamedTuple):
    """A neighbour (its id) or file (32 bytes) that must be linked, under one segment or (None) the document's own."""

    segment: int | None
    target: str | bytes


@dataclass(frozen=True, slots=True)
class Conditions:
    """A query taken apart by who can judge which part.

    `lead`: realm, horizon and lineage, by which the index `cov` is sought; `rest`: the reals, which it holds too;
    `row`: type and time, which take the row of coordinates; `links`: the neighbour and the file.
    """

    lead: Condition
    rest: Condition
    row: Condition
    links: tuple[Link, ...]

    @property
    def unlinked(self) -> Condition:
        """All but the links."""
        return self.lead & self.rest & self.row

    @property
    def all(self) -> Condition:
        """Everything."""
        return self.unlinked & _linked(self.links)

    @property
    def all_but_the_first_link(self) -> Condition:
        """Everything that remains to be judged of what the first link led to."""
        return self.unlinked & _linked(self.links[1:])


def conditions_of(query: Query) -> Conditions | None:
    """The conditions of a query; None if a range of it holds nothing."""
    if holds_nothing(query):
        return None
    lead = (
        _among("c.realm", query.realms) & _among("c.horizon", query.horizons) & within("c.lineage", query.lineage, "?")
    )
    rest = ALWAYS
    for name in ("resonance", "velocity", "density"):
        rest &= within(f"c.{name}", getattr(query, name), "?")
    row = _among("c.entity_type", query.entity_types) & within("c.created_at", query.created, "?")
    links = []
    if query.file is not None:
        links.append(Link(FILES, bytes.fromhex(query.file)))
    if query.adjacent_to is not None:
        links.append(Link(None, query.adjacent_to))
    return Conditions(lead, rest, row, tuple(links))


def _linked(links: Sequence[Link]) -> Condition:
    condition = ALWAYS
    for segment, target in links:
        condition &= Condition(_LINKED.format("c.segment" if segment is None else segment), (target,))
    return condition


def _among(column: str, values: Sequence[str] | Sequence[int] | None) -> Condition:
    if values is None:
        return ALWAYS
    if len(values) == 1:
        return Condition(f"{column} = ?", (values[0],))
    return Condition(f"{column} IN (SELECT value FROM json_each(?))", (as_json(values),))
