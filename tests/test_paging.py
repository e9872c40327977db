"""Walking asks for page after page, and batches lose nothing."""

from __future__ import annotations

import pytest

from stat7.contracts import Page
from stat7.errors import InvalidQuery
from stat7.paging import at_least_one, in_batches, walk


def test_walking_follows_cursors_over_empty_pages_to_the_end() -> None:
    pages: dict[str | None, Page[int]] = {None: Page([1, 2], "a"), "a": Page([], "b"), "b": Page([3], None)}
    asked: list[tuple[str | None, int]] = []

    def fetch(cursor: str | None, limit: int) -> Page[int]:
        asked.append((cursor, limit))
        return pages[cursor]

    assert [page.items for page in walk(fetch, 2)] == [[1, 2], [], [3]]
    assert asked == [(None, 2), ("a", 2), ("b", 2)]
    assert [page.items for page in walk(fetch, 2, "b")] == [[3]]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (9, [3, 3, 3])])
def test_batches_hold_everything_in_order(count: int, sizes: list[int]) -> None:
    batches = list(in_batches(iter(range(count)), 3))
    assert [len(batch) for batch in batches] == sizes
    assert [item for batch in batches for item in batch] == list(range(count))


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_holds_at_least_one_item(limit: int) -> None:
    assert at_least_one(1) == 1
    with pytest.raises(InvalidQuery, match="at least 1"):
        at_least_one(limit)
