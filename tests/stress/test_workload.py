"""The workload: distinct, realistic, the same everywhere, and canonical by a template of its own."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from stat7.record import normalise, normalise_json, read_canonical
from stat7.stress.workload import Workload

INDEXES = st.integers(0, 2**62)


@given(index=INDEXES, seed=st.integers(-(2**62), 2**62))
def test_the_template_agrees_with_the_canonical_form_of_the_product(index: int, seed: int) -> None:
    workload = Workload(seed)
    record = workload.record(index)
    assert normalise_json(workload.line(index)) == record
    assert normalise(workload.document(index)) == record
    assert read_canonical(record.document) == record


def test_a_prefix_starts_every_id_and_neighbour() -> None:
    record = Workload(3, "stress/ab/").record(500)
    assert record.id == "stress/ab/badge/000000500"
    assert record.adjacency
    assert all(id.startswith("stress/ab/") for id in record.adjacency)
    assert normalise_json(Workload(3, "stress/ab/").line(500)) == record


def test_entities_differ_from_each_other_and_between_seeds() -> None:
    addresses = {Workload(seed).record(index).address for seed in (1, 2) for index in range(500)}
    assert len(addresses) == 1000


def test_documents_are_of_about_400_bytes_and_cover_what_documents_have() -> None:
    records = [Workload(7).record(index) for index in range(2000)]
    sizes = [len(record.document) for record in records]
    assert 380 < sum(sizes) / len(sizes) < 500
    assert len({record.realm for record in records}) == 7
    assert len({record.horizon for record in records}) == 5
    assert any(record.created_at is None for record in records)
    assert any(record.created_at is not None for record in records)
    assert any(not record.document.isascii() for record in records)
    assert {len(record.adjacency) for record in records} >= set(range(6))


def test_lines_are_not_in_canonical_order() -> None:
    assert list(orjson.loads(Workload(7).line(9)))[:2] == ["stat7", "id"]


def test_lean_entities_have_no_neighbours_and_differ_in_nothing_else() -> None:
    full, lean = Workload(7).document(500), Workload(7, lean=True).document(500)
    assert full["coordinates"].pop("adjacency")
    assert lean["coordinates"].pop("adjacency") == []
    assert full == lean
    assert normalise_json(Workload(7, lean=True).line(500)) == Workload(7, lean=True).record(500)


def test_neighbours_are_earlier_entities() -> None:
    known = {Workload(7).id(index) for index in range(300)}
    assert all(set(Workload(7).record(index).adjacency) <= known for index in range(301))
