"""MemoryStore passes the published suites, and keeps its own promises: names, size, honest plans."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from stat7.address import Address
from stat7.errors import InvalidQuery
from stat7.query import Query
from stat7.stores.base import HeadMove, Plan, Store
from stat7.stores.memory import Contents, MemoryStore
from stat7.testing import EntityStoreSuite, HeadStoreSuite
from stat7.testing.samples import FILES, attached, notice, sample, samples


class TestMemoryStore(EntityStoreSuite, HeadStoreSuite):
    """The conformance suites, with a named store to stand for one that is reopened."""

    def make_store(self, tmp_path: Path) -> Store:
        return MemoryStore(str(tmp_path))

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, MemoryStore)
        name = store.name
        store.close()
        return MemoryStore(name)

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        return _contents(store).documents.get(address)

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        _contents(store).documents[address] = data

    def damage_index(self, store: Store, address: Address) -> None:
        del _contents(store).files[address]


def _contents(store: Store) -> Contents:
    assert isinstance(store, MemoryStore)
    return store.contents()


def test_a_named_store_is_shared_and_others_are_not() -> None:
    first, second, other = MemoryStore("test_memory"), MemoryStore("test_memory"), MemoryStore()
    first.put([sample()])
    first.close()
    assert second.count() == 1
    assert other.count() == MemoryStore("").count() == 0


def test_an_entity_costs_little_more_than_its_document() -> None:
    """Documents are kept as bytes without the buffers they were written in, and nothing of them is kept parsed."""
    store, documents = MemoryStore(), 0
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for batch in range(5):
        records = samples(1000, f"entity {batch}")
        documents += sum(len(record.document) for record in records)
        store.put(records, [HeadMove(record.id, None, record.address) for record in records])
        del records
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert store.count() == 5000
    assert used < documents + 400 * 5000


def test_plans_say_when_everything_is_read() -> None:
    store = MemoryStore()
    records = [sample(f"{n}", lineage=n % 10, files=[attached(FILES[n % 2])] if n < 20 else []) for n in range(500)]
    store.put(records)
    plan = store.explain(Query(lineage=3))
    assert (plan.method, plan.indexed, plan.rows, plan.matches) == ("walk", False, 500, 50)
    assert store.explain(Query()) == Plan(
        "walk", False, 100, 500, "reads 100 of 500 documents in address order, in memory"
    )
    by_file = store.explain(Query(file=FILES[0], lineage=4))
    assert (by_file.method, by_file.indexed, by_file.rows, by_file.matches) == ("file", True, 10, 2)


def test_a_neighbour_that_spells_out_coordinates_misleads_no_query() -> None:
    trap = '","density":1,"horizon":"peak","lineage":1,"realm":"void","resonance":1,"velocity":1},"created_at":'
    store = MemoryStore()
    store.put([sample(adjacency=[trap], realm="data")])
    assert store.find(Query(realm="void"), None, 10).items == []
    assert store.find(Query(realm="data", density=0), None, 10).items != []


def test_numbers_written_with_exponents_are_read_exactly() -> None:
    store = MemoryStore()
    store.put([sample(resonance=1e-8, velocity=-1e-8, density=1.5e-7)])
    assert store.find(Query(resonance=1e-8, velocity=-1e-8, density=1.5e-7), None, 10).items != []
    assert store.find(Query(resonance="0.00000002.."), None, 10).items == []


def test_a_page_needs_a_size() -> None:
    store = MemoryStore()
    walks: tuple[Callable[[], object], ...] = (
        lambda: store.find(Query(), None, 0),
        lambda: store.scan(None, 0),
        lambda: store.scan_heads(None, -1),
        lambda: store.check(None, 0),
    )
    for walk in walks:
        with pytest.raises(InvalidQuery, match="limit: must be at least 1"):
            walk()


def test_check_names_what_the_index_lacks_and_what_it_has_too_much() -> None:
    store = MemoryStore()
    lacking, excessive, garbage = (sample(id, files=[attached(FILES[0])]) for id in ("a", "b", "c"))
    store.put([lacking, excessive, garbage])
    kept = store.contents()
    kept.naming[FILES[0]].discard(lacking.address)
    kept.files[excessive.address] = (FILES[0], FILES[1])
    kept.naming[FILES[1]] = {excessive.address}
    kept.documents[garbage.address] = b"{"
    found = {(finding.kind, finding.subject): finding.detail for finding in store.check(None, 10).items}
    assert found == {
        ("index", lacking.address): f"the index of files lacks {FILES[0]}, which the document names",
        ("index", excessive.address): f"the index of files has {FILES[1]}, which the document doesn't name",
        ("document", garbage.address): "the stored bytes can't be read as an entity",
    }


def test_withdrawing_a_document_that_cannot_be_read_leaves_the_notice_as_given() -> None:
    store, record = MemoryStore(), sample()
    store.put([record])
    store.contents().documents[record.address] = b"garbage"
    store.withdraw([notice(record.address)])
    assert store.get([record.address]) == {record.address: notice(record.address)}


def test_doctor_is_told_that_nothing_is_kept() -> None:
    store = MemoryStore()
    assert [check.status for check in store.diagnose()] == ["warn"]
    assert store.disk_bytes() == 0


def test_documents_that_cannot_be_read_are_passed_over_by_find() -> None:
    """Damage before the coordinates, and behind them."""
    store, (first, second) = MemoryStore(), samples(2)
    store.put([first, second])
    store.contents().documents[first.address] = b"garbage"
    store.contents().documents[second.address] = second.document[:-1]
    assert store.find(Query(), None, 10).items == []
