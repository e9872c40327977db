"""What the suite for repositories doesn't ask of put: large and empty batches, random histories, bugs of stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.address import Address
from stat7.files.memory import MemoryFiles
from stat7.record import Record
from stat7.repository import Repository, Status
from stat7.stores.base import HeadMove
from stat7.stores.memory import MemoryStore
from stat7.testing.samples import chain, sample, samples
from tests.repositories import (
    Intercepted,
    contents,
    put_new,
    statuses,
    with_store,
)


def test_a_batch_larger_than_the_store_takes_is_split(repo: Repository) -> None:
    sizes: list[int] = []

    class Small(Intercepted):
        capabilities = replace(repo.store.capabilities, max_batch=3)

        def put(self, records: Sequence[Record], moves: Sequence[HeadMove]) -> object:
            sizes.append(len(records))
            return self.inner.put(records, moves)

    small = with_store(repo, Small(repo.store))
    assert statuses(small.put_many(samples(8))) == ["new"] * 8
    assert sizes == [3, 3, 2]


def test_an_empty_batch_has_no_results(repo: Repository) -> None:
    assert repo.put_many([]) == []


@given(order=st.permutations(range(5)))
def test_versions_in_one_batch_are_applied_in_chain_order(order: list[int]) -> None:
    repo = Repository(MemoryStore(), MemoryFiles())
    versions = chain("x", 5)
    put_new(repo, [versions[at] for at in order])
    assert repo.head("x") == versions[4].address


@given(st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=6), min_size=1, max_size=8))
def test_whatever_is_acknowledged_is_reached_from_its_head(batches: list[list[int]]) -> None:
    # A tree of versions for each of two ids: forks, long branches, and batches that bring them in any order.
    tree: list[Record] = []
    for number in range(12):
        id = "xy"[number % 2]
        previous = tree[(number - 2) // 4 * 2 + number % 2].address if number >= 2 else None
        tree.append(sample(id, state={"number": number}, previous=previous))
    repo = Repository(MemoryStore(), MemoryFiles())
    acknowledged: set[Address] = set()
    for batch in batches:
        known = set(contents(repo)[0])
        results = repo.put_many([tree[at] for at in batch])
        acknowledged |= {r.address for r in results if r.address and r.status in (Status.NEW, Status.EXISTED)}
        conflicts = {result.address for result in results if result.status is Status.CONFLICT}
        assert not (conflicts - known) & contents(repo)[0].keys(), "a conflict was stored"
    reached = set()
    for id in repo.store.heads(["x", "y"]):
        reached |= {version.address for version in repo.history(id)}
    assert acknowledged <= reached


def test_other_errors_of_a_store_come_through(repo: Repository) -> None:
    class Broken(Intercepted):
        def heads(self, ids: Sequence[str]) -> Mapping[str, Address]:
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        with_store(repo, Broken(repo.store)).put(sample("x"))
