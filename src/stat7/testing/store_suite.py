"""What the suites for stores share: the hooks that a backend gives them, and walks over all pages of an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from stat7.address import Address
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.stores.base import Finding, Match, Outcome, Page, Store

Item = TypeVar("Item")


class StoreSuite:
    """Base of the suites. Subclass one in a test module as `class TestYours(EntityStoreSuite)` and give `make_store`.

    The other hooks are optional; tests that need one you can't give are skipped and say which.
    """

    threads = 8
    """Threads that race in each of the concurrency tests."""
    examples = 30
    """Hypothesis examples of the state machine, each on a fresh store."""
    steps = 30
    """Steps of each example."""

    def make_store(self, tmp_path: Path) -> Store:
        """A store with nothing in it. `tmp_path` is an empty folder of its own that may hold its data."""
        raise NotImplementedError("a conformance suite needs make_store(tmp_path)")

    def reopen(self, store: Store) -> Store:
        """Close this handle and open the same data again, as after a restart of the program (durable stores must)."""
        if store.capabilities.durable:
            pytest.fail("a store that calls itself durable needs the hook `reopen`, which shows it")
        _skip("reopen")

    def settle(self, store: Store) -> None:
        """Wait until what was put can be found, where `capabilities.consistent_find` is False."""

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        """The document's bytes as they stand below the store (read by other means than `get`), None if erased."""
        _skip("raw_document")

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        """Put other bytes in place of a stored document, below the store, leaving its index rows as they are."""
        _skip("damage")

    def damage_index(self, store: Store, address: Address) -> None:
        """Remove or falsify, below the store, an index row of this document, which has neighbours and files."""
        _skip("damage_index")

    @property
    def can_reopen(self) -> bool:
        """Whether the backend gives the hook `reopen`."""
        return type(self).reopen is not StoreSuite.reopen

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """A fresh store for one test, closed behind it."""
        folder = tmp_path / "store"
        folder.mkdir()
        store = self.make_store(folder)
        yield store
        store.close()


def _skip(hook: str) -> NoReturn:
    pytest.skip(f"this backend gives no hook `{hook}`")


def put_all(store: Store, records: Sequence[Record]) -> list[Outcome]:
    """Put any number of records in batches that the store allows; the outcomes in order."""
    size = store.capabilities.max_batch
    return [outcome for at in range(0, len(records), size) for outcome in store.put(records[at : at + size])[0]]


def find_all(store: Store, query: Query, size: int = 100, start: str | None = None) -> list[Match]:
    """Every match (after the cursor `start`, if given), walking pages of `size`."""
    return list(walk(lambda cursor: store.find(query, cursor or start, size), size))


def scan_all(store: Store, size: int = 100) -> list[tuple[Address, bytes | Notice]]:
    """Everything stored, walking pages of `size`."""
    return list(walk(lambda cursor: store.scan(cursor, size), size))


def scan_all_heads(store: Store, size: int = 100) -> list[tuple[str, Address]]:
    """Every head, walking pages of `size`."""
    return list(walk(lambda cursor: store.scan_heads(cursor, size), size))


def check_all(store: Store) -> list[Finding]:
    """Every finding of `check`."""
    return list(walk(lambda cursor: store.check(cursor, 50), None))


def walk(fetch: Callable[[str | None], Page[Item]], size: int | None) -> Iterator[Item]:
    """The items of all pages, fetched as they are asked for. Fails on pages over `size` and cursors that come again."""
    page = fetch(None)
    seen: set[str] = set()
    while True:
        assert size is None or len(page.items) <= size, f"a page of {len(page.items)} items where {size} were asked for"
        yield from page.items
        if page.cursor is None:
            return
        assert page.cursor not in seen, "the walk goes round in circles"
        seen.add(page.cursor)
        page = fetch(page.cursor)


def race(threads: int, work: Callable[[int], Item]) -> list[Item]:
    """Run `work(number)` in that many threads that start together; their results in order. Errors are raised."""
    barrier = threading.Barrier(threads)

    def run(number: int) -> Item:
        barrier.wait(timeout=30)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))
