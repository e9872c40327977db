"""Stores whose `find` has one planted fault each: predicates ignored or misjudged, pages and cursors gone wrong."""

from __future__ import annotations

from typing import Any

from stat7.errors import InvalidQuery
from stat7.query import ANY, Interval, Query
from stat7.record import read_trusted
from stat7.stores.base import Match, Page
from stat7.stores.memory import MemoryStore


def altered(query: Query, **attributes: Any) -> Query:
    """A copy of a query with some attributes set, as no constructor would allow."""
    other = object.__new__(Query)
    for name in Query.__slots__:
        object.__setattr__(other, name, attributes[name] if name in attributes else getattr(query, name))
    return other


class AltersQueries(MemoryStore):
    """Base of those that find by another query than the one asked."""

    def alter(self, query: Query) -> Query:
        """The query that is asked instead."""
        raise NotImplementedError

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """Find by the altered query, with cursors of the one given."""
        asked = self.alter(query)
        inner = None if cursor is None else asked.cursor(query.position(cursor))
        page = super().find(asked, inner, limit)
        return Page(page.items, None if page.cursor is None else query.cursor(asked.position(page.cursor)))


def ignores(attribute: str, value: Any) -> type[AltersQueries]:
    """A store that ignores one predicate."""

    def alter(self: AltersQueries, query: Query) -> Query:
        return altered(query, **{attribute: value})

    return type(f"Ignores_{attribute}", (AltersQueries,), {"alter": alter})


class LeavesOutUpperEnds(AltersQueries):
    """Ranges are half open."""

    def alter(self, query: Query) -> Query:
        """One less at the upper end."""
        names = ("lineage", "resonance", "velocity", "density", "created")
        ranges = {name: getattr(query, name) for name in names}
        lowered = {n: Interval(r.low, r.high - 1) for n, r in ranges.items() if r != ANY and r.high is not None}
        return altered(query, **lowered)


class WrapsLineagesAt32Bits(AltersQueries):
    """Bounds beyond 32 bits overflow."""

    def alter(self, query: Query) -> Query:
        """As a signed machine word takes them."""
        ends = (None if end is None else (end + 2**31) % 2**32 - 2**31 for end in query.lineage)
        return altered(query, lineage=Interval(*ends))


class FindsCurrentOnly(MemoryStore):
    """Takes `versions` upon itself."""

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """Leave out what has a successor."""
        page = super().find(query, cursor, limit)
        if query.versions == "all":
            return page
        stored = self.contents().documents
        replaced = {read_trusted(address, document).previous for address, document in stored.items()}
        return Page([match for match in page.items if match.address not in replaced], page.cursor)


class FoldsCase(MemoryStore):
    """Compares neighbours as a case-insensitive collation does."""

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """One page of everything."""
        if query.adjacent_to is None:
            return super().find(query, cursor, limit)
        rest, wanted = altered(query, adjacent_to=None), query.adjacent_to.casefold()
        found = []
        for match in super().find(rest, None, 10_000).items:
            record = read_trusted(match.address, self.contents().documents[match.address])
            if any(name.casefold() == wanted for name in record.adjacency):
                found.append(match)
        return Page(found, None)


class LosesPageEnds(MemoryStore):
    """Find is off by one at the end of a full page."""

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """Lose the last match of a page that others follow."""
        page = super().find(query, cursor, limit)
        return Page(page.items[:-1] if page.cursor and limit > 1 else page.items, page.cursor)


class LosesTheLastPage(MemoryStore):
    """Find gives no cursor when one match is left."""

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """End too early."""
        page = super().find(query, cursor, limit)
        left = None if page.cursor is None else super().find(query, page.cursor, 2).items
        return Page(page.items, page.cursor if left is None or len(left) > 1 else None)


class RepeatsPageEnds(MemoryStore):
    """Find begins a page with the last match of the one before."""

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """A cursor of the match before the last."""
        page = super().find(query, cursor, limit)
        if page.cursor is None or len(page.items) < 2:
            return page
        return Page(page.items, query.cursor(page.items[-2].address))


class PagesByOffset(MemoryStore):
    """A cursor of find counts the matches seen: what comes meanwhile shifts them."""

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """Skip as many as were seen."""
        position = "0" if cursor is None else query.position(cursor)
        if not position.isdigit():
            raise InvalidQuery("cursor", "is not one of ours")
        items = super().find(query, None, int(position) + limit + 1).items[int(position) :]
        return Page(items[:limit], query.cursor(str(int(position) + limit)) if len(items) > limit else None)


class TakesAnyCursor(MemoryStore):
    """A cursor of another query is taken as a place in this one."""

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """Any cursor will do."""
        try:
            return super().find(query, cursor, limit)
        except InvalidQuery:
            return super().find(query, None, limit)


class CutsStrings(MemoryStore):
    """Answers with ids cut to 200 characters."""

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """Cut."""
        page = super().find(query, cursor, limit)
        return Page([Match(match.address, match.id[:200]) for match in page.items], page.cursor)
