"""What the suites share can fail too: walks that go wrong, races that raise, hooks that are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from stat7.errors import Unavailable
from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import Capabilities, HeadMove, Outcome, Page
from stat7.stores.memory import MemoryStore
from stat7.testing.samples import samples
from stat7.testing.store_suite import StoreSuite, find_all, put_all, race, walk


class Durable(MemoryStore):
    """Says that it is durable."""

    capabilities = Capabilities(name="durable", max_batch=2)


def test_a_suite_needs_a_store(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="make_store"):
        StoreSuite().make_store(tmp_path)


def test_a_missing_hook_skips_and_says_which() -> None:
    suite, store = StoreSuite(), MemoryStore()
    with pytest.raises(pytest.skip.Exception, match="`reopen`"):
        suite.reopen(store)
    with pytest.raises(pytest.skip.Exception, match="`raw_document`"):
        suite.raw_document(store, "0" * 64)
    with pytest.raises(pytest.skip.Exception, match="`damage`"):
        suite.damage(store, "0" * 64, b"")
    with pytest.raises(pytest.skip.Exception, match="`damage_index`"):
        suite.damage_index(store, "0" * 64)
    suite.settle(store)
    assert not suite.can_reopen


def test_a_durable_store_without_a_way_to_reopen_it_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match="durable needs the hook `reopen`"):
        StoreSuite().reopen(Durable())


def test_puts_keep_to_the_batches_that_a_store_allows() -> None:
    sizes: list[int] = []

    class Counting(Durable):
        def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
            sizes.append(len(records))
            return super().put(records, moves)

    assert len(put_all(Counting(), samples(5))) == 5
    assert sizes == [2, 2, 1]


def test_a_walk_begins_at_a_cursor_and_follows_short_pages() -> None:
    pages = {None: Page([1, 2], "a"), "a": Page([], "b"), "b": Page([3], None)}
    assert list(walk(pages.__getitem__, 2)) == [1, 2, 3]


def test_a_walk_in_circles_fails() -> None:
    with pytest.raises(AssertionError, match="in circles"):
        list(walk(lambda cursor: Page([1], "again"), 2))


def test_a_page_over_the_limit_fails() -> None:
    with pytest.raises(AssertionError, match="3 items where 2"):
        list(walk(lambda cursor: Page([1, 2, 3], None), 2))


def test_a_race_gives_results_in_order_and_raises_what_a_thread_raised() -> None:
    assert race(4, lambda number: number * number) == [0, 1, 4, 9]

    def fail(number: int) -> int:
        if number == 2:
            raise Unavailable("busy")
        return number

    with pytest.raises(Unavailable):
        race(4, fail)


def test_a_find_continues_after_a_cursor() -> None:
    store = MemoryStore()
    store.put(samples(5))
    page = store.find(Query(), None, 2)
    assert page.items + find_all(store, Query(), 2, page.cursor) == find_all(store, Query())
