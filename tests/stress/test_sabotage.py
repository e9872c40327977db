"""Every sabotage is caught by the check that is there for it, and nothing is caught where nothing is wrong."""

from __future__ import annotations

import pickle
from typing import Final

import pytest

from stat7.errors import Corrupt
from stat7.files.memory import MemoryFiles
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.memory import MemoryStore
from stat7.stress.results import TestResult, Verdict
from stat7.stress.sabotage import stores
from stat7.stress.sabotage.load import CoarseClock
from stat7.stress.self_test import CASES, Case, as_dict, judged, try_case
from stat7.stress.workload import Workload

RECORDS: Final = [Workload(7).record(index) for index in range(6000)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}, by {case.test}")
def test_the_named_check_catches_it(case: Case) -> None:
    caught = try_case(case)
    assert caught.as_expected, f"{caught.verdict}: {caught.why}"


def test_each_kind_of_sabotage_is_in_the_matrix() -> None:
    names = {case.name for case in CASES if not case.sound}
    assert len(names) >= 8
    for word in (
        "48 bits",
        "id only",
        "coordinate left out",
        "random",
        "loses",
        "flipped",
        "sleeps",
        "stale",
        "swaps two ids",
        "leak",
        "stalls",
        "skips late",
        "saturated",
        "clock",
    ):
        assert any(word in name for name in names), word


def test_a_check_that_catches_nothing_fails_the_self_test() -> None:
    case = next(case for case in CASES if case.name == "random addresses")
    result = TestResult("collisions", "", 1, "c", Verdict.PASS, "all targets met")
    caught = judged(case, result)
    assert not caught.as_expected
    matrix = as_dict([judged(CASES[0], result), caught])
    assert [entry["as_expected"] for entry in matrix["cases"]] == [True, False]
    assert matrix["all_as_expected"] is False
    assert matrix["cases"][1]["expected"] == ["FAIL"]


def test_every_subject_can_be_sent_to_a_worker() -> None:
    for case in CASES:
        assert pickle.loads(pickle.dumps(case.subject)) == case.subject  # noqa: S301


def chosen() -> list[Record]:
    return [record for record in RECORDS if int(record.address[:8], 16) % stores.ONE_IN == 0]


def repository() -> Repository:
    return Repository(MemoryStore(), MemoryFiles())


def test_the_lossy_store_says_new_and_has_lost_some() -> None:
    inside = repository()
    lossy = stores.lossy(inside)
    moves = [HeadMove(record.id, None, record.address) for record in RECORDS]
    assert lossy.store.put(RECORDS, moves) == ([Outcome.NEW] * 6000, [True] * 6000)
    lost = {record.address for record in chosen()}
    assert 1 <= len(lost) < 30
    assert inside.store.has([record.address for record in RECORDS]) == {
        record.address for record in RECORDS if record.address not in lost
    }
    assert not inside.store.heads([record.id for record in chosen()])


def test_damage_below_the_repository_is_noticed_by_it_and_damage_above_it_is_not() -> None:
    inside = repository()
    inside.put_many(RECORDS)
    address = chosen()[0].address
    with pytest.raises(Corrupt):
        stores.damaging_store(inside).get_document(address)
    above = stores.damaging_repository(inside)
    assert above.get_document(address) != inside.get_document(address)
    assert above.get_documents([address]) != inside.get_documents([address])
    other = next(record for record in RECORDS if record not in chosen())
    assert above.get_document(other.address) == other.document


def test_the_coarse_clock_moves_in_steps() -> None:
    clock = CoarseClock(1_000_000)
    assert {clock() % 1_000_000 for _ in range(100)} == {0}
