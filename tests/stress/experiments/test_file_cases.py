"""What is wrong with files and sessions on purpose is caught by the check that is there for it, and nothing else is."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from stat7.files.memory import MemoryFiles
from stat7.query import Query
from stat7.repository import Repository
from stat7.stores.memory import MemoryStore
from stat7.stress.experiments import exp04
from stat7.stress.experiments.file_cases import CASES, FileCase, groups, try_cases
from stat7.stress.results import TestResult, Verdict
from stat7.stress.sabotage import files as sabotage_files
from stat7.stress.tasks.catalogue import Catalogue
from stat7.stress.workload import Workload
from tests.stress.experiments.facts import context

DATA = b"some bytes of a file"


def seldom_is_often(case: FileCase) -> FileCase:
    """What happens to one file in a thousand happens to one in a hundred: the matrix of the self-test has the rest."""
    wrap = case.subject.wrap
    if isinstance(wrap, sabotage_files.LossyFiles | sabotage_files.DamagedFiles):
        return replace(case, subject=replace(case.subject, wrap=replace(wrap, every=100)))
    return case


@pytest.mark.parametrize("cases", groups(), ids=lambda cases: f"{cases[0].experiment}, {cases[0].name}")
def test_it_is_caught(cases: list[FileCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exp04, "TRIAL", exp04.Plan(110, 20, 1))
    cases = [seldom_is_often(case) for case in cases]
    results = try_cases(cases, context(tmp_path, cases[0].subject))
    for case, result in zip(cases, results, strict=True):
        assert case.caught_by(result), f"{result.name} {result.variant}: {result.verdict}: {result.why}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["painted"]


def test_a_check_that_catches_nothing_is_told_from_one_that_does() -> None:
    lossy = next(case for case in CASES if "lost" in case.name)
    found = TestResult("file read", "", 1, "c", Verdict.PASS, "all 3 targets met")
    assert not lossy.caught_by(found)
    assert CASES[0].caught_by(found)
    assert not CASES[0].caught_by(TestResult("file read", "", 1, "c", Verdict.INVALID, "acknowledged puts read back"))


def test_every_subject_can_be_sent_to_a_worker() -> None:
    for case in CASES:
        assert pickle.loads(pickle.dumps(case.subject)) == case.subject  # noqa: S301


def repository() -> Repository:
    return Repository(MemoryStore(), MemoryFiles())


def test_lossy_files_acknowledge_what_they_do_not_store() -> None:
    inside = repository()
    lossy = sabotage_files.LossyFiles(3)(inside)
    stored = [lossy.put_file(DATA + bytes([number])) for number in range(7)]
    assert [inside.files.stat([file.sha256]) != {} for file in stored] == [True, True, False, True, True, False, True]
    assert {file.size for file in stored} == {len(DATA) + 1}


def test_damaged_files_differ_by_a_bit_behind_the_stores_own_check() -> None:
    inside = repository()
    name = inside.put_file(DATA).sha256
    damaged = sabotage_files.DamagedFiles(2)(inside)
    assert b"".join(damaged.open_file(name)) == DATA
    found = b"".join(damaged.open_file(name))
    assert found != DATA
    assert found[1:] == DATA[1:]


def test_hoarding_files_store_a_second_copy() -> None:
    inside = repository()
    hoarding = sabotage_files.hoarding(inside)
    assert hoarding.put_file(DATA)[:2] == inside.stat_file(hoarding.put_file(DATA).sha256)[:2]
    assert len(inside.files.scan(None, 10).items) == 2


def test_shifted_files_are_right_from_the_start_and_wrong_elsewhere() -> None:
    inside = repository()
    name = inside.put_file(DATA).sha256
    shifted = sabotage_files.shifted(inside)
    assert b"".join(shifted.open_file(name)) == DATA
    assert b"".join(shifted.open_file(name, 5, 9)) == DATA[4:8]


def test_slow_files_and_finds_give_the_same_answers() -> None:
    inside = repository()
    name = inside.put_file(DATA).sha256
    assert b"".join(sabotage_files.SlowPerByte(10)(inside).open_file(name)) == DATA
    address = inside.put(Workload(7).record(1))
    page = sabotage_files.SlowFind(0.0)(inside).find_page(Query(), limit=5)
    assert [match.address for match in page.items] == [address]


def test_lost_updates_leave_the_version_and_move_the_head_back() -> None:
    inside, catalogue = repository(), Catalogue(Workload(7), 4, ())
    forgetful = sabotage_files.LostUpdates(1)(inside)
    first = forgetful.put(catalogue.first(1))
    assert inside.head(Workload(7).id(1)) == first
    second = forgetful.put(catalogue.later(1, 1, first))
    assert inside.head(Workload(7).id(1)) == first != second
    assert inside.get_document(second) == catalogue.later(1, 1, first)
