"""Walks from shard to shard: ranges are in address order, so what each shard gives in order is in order altogether.

A cursor is the walk's name, the set, the number of a shard and the cursor that this shard gave (none: its beginning).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from stat7.contracts import Page
from stat7.errors import InvalidQuery
from stat7.query import Query
from stat7.stores.base import Match, Store
from stat7.stores.sharded.shard import Shard

Item = TypeVar("Item")

Fetch = Callable[[Store, str | None, int], Page[Item]]
"""Gets a page of one shard by its own cursor."""

_PLACE: Final = re.compile(r"([0-9a-f]{8})\.([0-9]{1,3})\.([!-~]*)")


class Place(NamedTuple):
    """Where a walk goes on: at this shard, after what its own cursor `inner` says (None: from its beginning)."""

    shard: int
    inner: str | None


class Places:
    """Writes and reads places in a set of `count` shards; `name` is the set's, so that no other set's are taken."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name[:8]
        self._count = count

    def write(self, shard: int, inner: str | None) -> str | None:
        """The place as text; None behind the last shard."""
        return None if shard >= self._count else f"{self._name}.{shard}.{inner or ''}"

    def read(self, text: str) -> Place:
        """The place that `write` wrote. Raises InvalidQuery for any other text."""
        found = _PLACE.fullmatch(text)
        if found is None or found[1] != self._name or int(found[2]) >= self._count:
            raise InvalidQuery("cursor", "is not one that this store returned; drop it to begin anew")
        return Place(int(found[2]), found[3] or None)


class Walk:
    """A walk over all shards, one after the other; `kind` tells its cursors from those of other walks."""

    def __init__(self, shards: Sequence[Shard], places: Places, kind: str) -> None:
        self._shards = shards
        self._places = places
        self._kind = f"{kind}."

    def filled(self, fetch: Fetch[Item], cursor: str | None, limit: int) -> Page[Item]:
        """The next page, filled from as many shards as it takes."""
        at, inner = self._begin(cursor)
        items: list[Item] = []
        while at < len(self._shards) and len(items) < limit:
            page = self._fetch(fetch, at, inner, limit - len(items))
            items += page.items
            at, inner = _after(at, page)
        return Page(items, self._cursor(at, inner))

    def step(self, fetch: Fetch[Item], cursor: str | None, limit: int) -> tuple[int, Page[Item]]:
        """One call of one shard, its number and what it gave, for walks whose calls are long whatever they give."""
        at, inner = self._begin(cursor)
        page = self._fetch(fetch, at, inner, limit)
        return at, Page(page.items, self._cursor(*_after(at, page)))

    def _begin(self, cursor: str | None) -> Place:
        if cursor is None:
            return Place(0, None)
        # Without its kind the text is no place, and so is that of another walk with all of it.
        return self._places.read(cursor.removeprefix(self._kind) if cursor.startswith(self._kind) else "")

    def _fetch(self, fetch: Fetch[Item], at: int, inner: str | None, limit: int) -> Page[Item]:
        return self._shards[at].run(lambda store: fetch(store, inner, limit))

    def _cursor(self, at: int, inner: str | None) -> str | None:
        place = self._places.write(at, inner)
        return None if place is None else self._kind + place


def _after(at: int, page: Page[Item]) -> Place:
    return Place(at + 1, None) if page.cursor is None else Place(at, page.cursor)


def find(shards: Sequence[Shard], places: Places, query: Query, cursor: str | None, limit: int) -> Page[Match]:
    """The next page of matches: of the shard that the cursor is at and, if that isn't enough, of all behind it at once.

    A shard that is down is missed only if the page isn't full without it.
    """
    at, inner = Place(0, None) if cursor is None else places.read(query.position(cursor))
    items: list[Match] = []
    begun = at
    while at == begun and len(items) < limit:
        page = shards[at].run(lambda store: store.find(query, inner, limit - len(items)))  # noqa: B023 - run at once
        items += page.items
        at, inner = _after(at, page)
    if len(items) < limit and at < len(shards):
        at, inner = _find_behind(shards[at:], query, limit, items)
    place = places.write(at, inner)
    return Page(items, None if place is None else query.cursor(place))


def _find_behind(shards: Sequence[Shard], query: Query, limit: int, items: list[Match]) -> Place:
    """Fill `items` up to `limit` from these shards, asked at the same time; where the next page begins."""
    room = limit - len(items)
    asked = [shard.submit(lambda store: store.find(query, None, room)) for shard in shards[1:]]
    try:
        for shard in shards:
            left = limit - len(items)
            if shard is shards[0]:
                page = shard.run(lambda store: store.find(query, None, room))
            else:
                page = asked.pop(0).result()
            if len(page.items) > left:
                # Others have filled the page meanwhile: a cursor stands only behind the last of what is asked for.
                page = shard.run(lambda store: store.find(query, None, left))  # noqa: B023 - run at once
            items += page.items
            if page.cursor is not None or len(items) == limit:
                return _after(shard.number, page)
        return Place(shards[-1].number + 1, None)
    finally:
        for future in asked:
            future.cancel()
