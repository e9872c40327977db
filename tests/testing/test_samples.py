"""The ready-made records: valid, repeatable, distinct, and with queries that find some of them."""

from __future__ import annotations

import pytest

from stat7.errors import InvalidEntity
from stat7.record import check_id, read_canonical
from stat7.testing.samples import (
    HOSTILE_IDS,
    attached,
    chain,
    forge,
    notice,
    queries_of_one_predicate,
    random_queries,
    random_records,
    sample,
    samples,
)


def test_hostile_ids_are_allowed_and_distinct() -> None:
    assert [check_id(id) for id in HOSTILE_IDS] == list(HOSTILE_IDS)
    assert len(set(HOSTILE_IDS)) == len(HOSTILE_IDS)


def test_facts_go_where_the_document_has_them() -> None:
    record = sample("x", realm="void", entity_type="badge", files=[attached("a" * 64)], adjacency=["n"])
    assert (record.realm, record.entity_type, record.adjacency) == ("void", "badge", ["n"])
    assert read_canonical(record.document) == record
    with pytest.raises(InvalidEntity):
        sample("x", realm="No Token")


def test_random_records_are_valid_distinct_and_repeatable() -> None:
    records = random_records(1, 200)
    assert [read_canonical(record.document) for record in records] == records
    assert len({record.address for record in records}) == len({record.id for record in records}) == 200
    assert random_records(1, 200) == records != random_records(2, 200)


def test_random_queries_find_some_and_not_all() -> None:
    records = random_records(1, 200)
    hits = [sum(map(query.matches, records)) for query in random_queries(1, 40, records)]
    assert sum(1 for count in hits if 0 < count < 200) >= 30
    assert max(hits) > 20
    assert random_queries(1, 40, records) == random_queries(1, 40, records)


def test_each_predicate_is_asked_alone() -> None:
    records = random_records(1, 20)
    queries = queries_of_one_predicate(records)
    assert len(queries) == 200
    assert {name for query in queries for name in query.as_dict()} >= {"realm", "file", "created", "adjacent_to"}
    assert all(len(query.as_dict()) <= 1 for query in queries)


def test_a_chain_is_linked_by_previous() -> None:
    versions = chain("thing", 3)
    assert [version.previous for version in versions] == [None, versions[0].address, versions[1].address]
    assert {version.id for version in versions} == {"thing"}


def test_a_forged_record_differs_in_its_address_alone() -> None:
    record, address = samples(1)[0], b"\xff" * 32
    assert forge(record, address)._replace(address=record.address) == record
    assert forge(record, address).address == forge(record, "f" * 64).address == "f" * 64
    assert notice("f" * 64, "case").case == "case"
