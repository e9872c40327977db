"""Locators: where an entity sits, and queries in the same form."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given

from stat7.coordinates import HORIZONS, SCALE
from stat7.errors import InvalidQuery
from stat7.locator import adjacency_digest, locator_of, parse_locator
from stat7.query import Query
from stat7.record import Record
from stat7.testing.samples import sample
from stat7.testing.strategies import records
from tests.hostile import reference


def test_it_names_the_seven_coordinates() -> None:
    record = sample(
        realm="narrative",
        lineage=3,
        adjacency=["town/oxbow"],
        horizon="peak",
        resonance=0.82,
        velocity=-1e-8,
        density=1,
    )
    digest = hashlib.sha256(b'["town/oxbow"]').hexdigest()[:16]
    assert adjacency_digest(["town/oxbow"]) == digest
    assert locator_of(record) == f"stat7://narrative/3/{digest}/peak?r=0.82&v=-1e-8&d=1"


@given(records())
def test_its_numbers_are_those_of_the_canonical_form(record: Record) -> None:
    digest = hashlib.sha256(reference(record.adjacency)).hexdigest()[:16]
    reals = [reference(units / SCALE).decode() for units in (record.resonance, record.velocity, record.density)]
    place = f"stat7://{record.realm}/{record.lineage}/{digest}/{HORIZONS[record.horizon]}"
    assert locator_of(record) == "{}?r={}&v={}&d={}".format(place, *reals)


@given(records())
def test_with_a_star_for_its_neighbours_it_finds_the_entity(record: Record) -> None:
    realm, lineage, _, rest = locator_of(record).removeprefix("stat7://").split("/")
    query = parse_locator(f"stat7://{realm}/{lineage}/*/{rest}")
    assert query.matches(record)
    assert query != Query()


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("stat7://", Query()),
        ("stat7://*/*/*/*?r=*&v=&d=*", Query()),
        ("stat7://data", Query(realm="data")),
        ("stat7://data/", Query(realm="data")),
        ("stat7://data,void/1..3/*/peak..", Query(realm="data,void", lineage="1..3", horizon="peak..")),
        (
            "stat7://narrative/3/*/peak?r=0.5..1",
            Query(realm="narrative", lineage=3, horizon="peak", resonance="0.5..1"),
        ),
        ("stat7://?d=..0.5&r=-0.1..&v=1e-8", Query(density="..0.5", resonance="-0.1..", velocity="1e-8")),
        ("stat7://%2A/%33/%2a/*?r=%2A", Query(lineage=3)),
        ("stat7://data?", Query(realm="data")),
        ("stat7://data?r", Query(realm="data")),
        ("stat7://data?r=-1e+0..%2b1", Query(realm="data")),
    ],
)
def test_parts_may_be_stars_sets_ranges_or_left_out(text: str, query: Query) -> None:
    assert parse_locator(text) == query


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("", "locator", "does not begin with stat7://"),
        ("stat8://data", "locator", "does not begin with"),
        ("x" * 10_000, "locator", "does not begin with"),
        ("stat7://data/3/0123456789abcdef/peak", "locator", "must be `*`"),
        ("stat7://data/3/*/peak/more", "locator", "more than the four parts"),
        ("stat7://data?x=1", "locator", "'x' is unknown or given twice"),
        ("stat7://data?r=1&r=1", "locator", "'r' is unknown or given twice"),
        ("stat7://data?r=*&r=1", "locator", "'r' is unknown or given twice"),
        ("stat7://data?r=1&", "locator", "'' is unknown"),
        ("stat7:////peak", "locator", "must be `*`"),
        ("stat7://Data", "realm", "'Data' is not a token"),
        ("stat7://da%2Fta", "realm", "is not a token"),
        ("stat7://data#x", "realm", "is not a token"),
        ("stat7://data%ff", "realm", "is not a token"),
        ("stat7://data/x", "lineage", "is not an integer"),
        ("stat7://data/3/*/noon", "horizon", "is not one of"),
        ("stat7://data?r=1..0", "resonance", "turned round"),
        ("stat7://data?r=1 0", "resonance", "is not a number"),
    ],
)
def test_anything_else_is_refused_by_the_name_of_the_part(text: str, field: str, reason: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_locator(text)
    assert caught.value.field == field
    assert reason in caught.value.reason
    assert len(str(caught.value)) < 300


def test_the_digest_of_no_neighbours_is_that_of_an_empty_array() -> None:
    assert adjacency_digest([]) == hashlib.sha256(b"[]").hexdigest()[:16]
