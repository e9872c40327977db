"""Changes and spellings: what they try, and that faults of an addresser come to light by their names."""

from __future__ import annotations

import json
import random

import pytest

from stat7.record import COORDINATES, FILE_MEMBERS, MEMBERS, normalise, normalise_json
from stat7.stress.injectivity import changes, check, spellings
from stat7.stress.sabotage.addresses import CoordinateLeftOut, HashOfTheIdOnly, RandomAddresses
from stat7.stress.subject import CanonicalAddresser
from stat7.stress.workload import Workload

WORKLOAD = Workload(7)


def test_the_product_passes() -> None:
    found = check(CanonicalAddresser(), WORKLOAD, 20)
    assert found.kept == []
    assert found.moved == []
    assert found.changes >= 20 * 20
    assert found.spellings >= 20 * 5
    assert found.examples == {}


def test_every_member_of_a_document_is_changed_by_some_change() -> None:
    document = WORKLOAD.document(4) | {
        "files": [{"name": "a", "media_type": "image/png", "size": 1, "sha256": "a" * 64}]
    }
    names = [name for name, _ in changes(document)]
    assert {name.partition(".")[0].partition(",")[0] for name in names} >= set(MEMBERS) - {"stat7", "coordinates"}
    assert set(COORDINATES) <= set(names)
    assert sum(name.startswith("files, ") for name in names) > len(FILE_MEMBERS)


@pytest.mark.parametrize("index", range(12))
def test_each_change_is_a_valid_document_that_differs_from_all_others(index: int) -> None:
    document = WORKLOAD.document(index) | {
        "files": [{"name": "a", "media_type": "image/png", "size": 1, "sha256": "a" * 64}]
    }
    texts = {json.dumps(changed, sort_keys=True) for _, changed in changes(document)}
    assert len(texts) == len(list(changes(document)))
    assert len({normalise(changed).address for _, changed in changes(document)}) == len(texts)


def test_each_spelling_is_another_text_of_the_same_facts() -> None:
    document = WORKLOAD.document(11)
    written = list(spellings(document, random.Random(1)))
    assert len({text for _, text in written}) == len(written)
    assert {normalise_json(text).address for _, text in written} == {normalise(document).address}


def test_a_hash_of_the_id_alone_is_named_by_all_that_it_misses() -> None:
    found = check(HashOfTheIdOnly(), WORKLOAD, 3)
    assert len(found.kept) == found.changes - 3
    assert "id" not in found.examples["unchanged_by"]
    assert "coordinates" not in found.examples


@pytest.mark.parametrize("name", ["resonance", "velocity", "density"])
def test_a_coordinate_left_out_is_named(name: str) -> None:
    found = check(CoordinateLeftOut(name), WORKLOAD, 3)
    assert found.examples == {"unchanged_by": [name]}
    assert len(found.kept) == 3


def test_addresses_that_change_with_the_spelling_are_named() -> None:
    found = check(RandomAddresses(), WORKLOAD, 2)
    assert found.kept == []
    assert len(found.moved) == found.spellings
