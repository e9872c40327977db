"""The published strategies give valid values only, and hostile ones among them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from stat7.canonical import canonicalize, parse_canonical
from stat7.query import Query
from stat7.record import Notice, Record, check_file_name, check_id, normalise, parse_time, read_canonical
from stat7.testing import strategies
from stat7.testing.samples import random_records

_UNSHRUNK = settings(database=None, max_examples=2000, deadline=None, phases=[Phase.generate])


@given(strategies.records())
def test_records_are_valid_and_canonical(record: Record) -> None:
    assert read_canonical(record.document) == record


@given(strategies.json_values())
def test_json_values_can_be_written_and_read_back(value: object) -> None:
    written = canonicalize(value)
    assert canonicalize(parse_canonical(written)) == written
    assert canonicalize(json.loads(written)) == written


@given(strategies.ids(), strategies.file_names(), strategies.times())
def test_names_and_times_keep_their_rules(id: str, name: str, time: str) -> None:
    assert check_id(id) == id
    assert check_file_name(name) == name
    assert parse_time(time) is not None


@given(strategies.queries(), strategies.queries(random_records(1, 5)), strategies.records())
def test_queries_can_be_asked_of_any_record(free: Query, near: Query, record: Record) -> None:
    assert free.matches(record) in (True, False)
    assert near.matches(record) in (True, False)


def test_queries_around_records_often_match_them() -> None:
    records = random_records(1, 5)
    assert find(strategies.queries(records), lambda query: any(map(query.matches, records)), settings=_UNSHRUNK)


@given(strategies.notices("a" * 64), strategies.notices())
def test_notices_are_for_the_given_address_or_any(given_one: Notice, free: Notice) -> None:
    assert given_one.address == "a" * 64
    assert len(free.address) == 64


@pytest.mark.parametrize(
    "shows",
    [
        lambda record: not record.id.isascii(),
        lambda record: any(ord(character) > 0xFFFF for name in record.adjacency for character in name),
        lambda record: record.lineage == 2**53 - 1,
        lambda record: -100 < record.resonance < 0,
        lambda record: record.created_at is not None and record.created_at < -(10**13),
        lambda record: len(record.files) > 1,
        lambda record: b"e-" in record.document,
        lambda record: record.previous is not None,
    ],
)
def test_hostile_records_are_among_them(shows: Callable[[Record], bool]) -> None:
    assert find(strategies.records(), shows, settings=_UNSHRUNK)


@given(st.data())
def test_documents_come_in_forms_that_need_normalising(data: st.DataObject) -> None:
    document = data.draw(strategies.documents())
    record = normalise(document)
    assert record.id == document["id"]
    assert set(record.adjacency) == set(document["coordinates"]["adjacency"])
