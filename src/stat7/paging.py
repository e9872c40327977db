"""Pages: how large they are, and walking through everything page by page, so that memory stays the same however much
that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from stat7.contracts import Page
from stat7.errors import InvalidQuery

DOCUMENTS: Final = 500
"""Documents in a page: at most 128 MiB of them, some 200 KiB as a rule."""

NAMES: Final = 2000
"""Matches, heads, files or lines in a page: small things."""

Item = TypeVar("Item")


def walk(fetch: Callable[[str | None, int], Page[Item]], limit: int, cursor: str | None = None) -> Iterator[Page[Item]]:
    """The pages that `fetch(cursor, limit)` gives, from `cursor` (None: the first) to the last."""
    while True:
        page = fetch(cursor, limit)
        yield page
        cursor = page.cursor
        if cursor is None:
            return


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`, the last may be shorter; none is empty."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def at_least_one(limit: int) -> int:
    """`limit`, the most items that a page may hold; raises InvalidQuery if it is under 1."""
    if limit < 1:
        raise InvalidQuery("limit", f"must be at least 1, is {limit}")
    return limit
