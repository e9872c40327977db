"""A copy brings everything that is whole, nothing that is not, and goes on where it was cut off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stat7.address import digest
from stat7.errors import Gone, InvalidQuery, Unavailable
from stat7.files.base import Source, StoredFile
from stat7.operations import copy as copy_module
from stat7.operations import resuming
from stat7.operations.copy import CopyProblem, CopyResult, copy
from stat7.operations.digest import digest as take_digest
from stat7.operations.resuming import MARK, fingerprint, read_mark
from stat7.operations.verify import verify
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove, Page
from stat7.testing.samples import chain, forge, random_records, sample, samples
from tests.repositories import (
    DAY_MS,
    KINDS,
    Intercepted,
    addresses,
    age_file,
    contents,
    damage_document,
    damage_file,
    lose_document,
    make_repository,
    missing_file,
    put_file,
    put_new,
    store_below,
    with_files,
    with_store,
)

Make = Callable[[str, str], Repository]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes (or opens again) a repository of a kind under a name."""
    made: list[Repository] = []

    def open_one(kind: str, name: str) -> Repository:
        made.append(make_repository(kind, tmp_path / name))
        return made[-1]

    yield open_one
    for repo in made:
        repo.close()


@pytest.fixture(params=[(source, target) for source in KINDS for target in KINDS], ids="-".join)
def pair(request: pytest.FixtureRequest, make: Make) -> tuple[Repository, Repository]:
    """Source and target, in every combination of stores."""
    source, target = request.param
    return make(source, "source"), make(target, "target")


@pytest.fixture
def source(make: Make) -> Repository:
    """A source in memory."""
    return make("memory", "source")


@pytest.fixture
def target(make: Make) -> Repository:
    """A target in memory."""
    return make("memory", "target")


def run(source: Repository, target: Repository, **options: Any) -> tuple[CopyResult, list[CopyProblem]]:
    """Copy; the result and the problems."""
    problems: list[CopyProblem] = []
    result = copy(source, target, on_problem=problems.append, **options)
    assert result.problems == len(problems)
    assert result.ok == (not problems and result.source == result.target)
    return result, problems


def fill(repo: Repository) -> list[Record]:
    """A little of everything."""
    file, secret = put_file(repo, b"the bytes of a file" * 100), put_file(repo, b"withdrawn")
    records = [*chain("x", 4), sample("filed", files=[file, secret._replace(name="s")], adjacency=["x"]), *samples(8)]
    put_new(repo, records)
    put_file(repo, b"named by nobody")
    repo.withdraw([records[1].address, records[6].address, "0" * 64], case="1", reason="r")
    repo.withdraw_files([secret.sha256, "f" * 64], case="2", reason="r")
    return records


# The whole


def test_everything_is_copied_and_the_digests_agree(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    fill(source)
    result, problems = run(source, target, verify=True)
    assert problems == []
    assert contents(target) == contents(source)
    assert result.as_dict() == {
        "notices_new": 5,
        "notices_existed": 0,
        "files_new": 2,
        "files_existed": 0,
        "files_withdrawn": 0,
        "documents_new": 11,
        "documents_existed": 0,
        "documents_withdrawn": 0,
        "heads_new": 10,
        "heads_existed": 0,
        "heads_diverged": 0,
        "problems": 0,
        "source_digest": take_digest(source).combined,
        "target_digest": take_digest(source).combined,
        "verified": True,
    }
    assert b"".join(target.open_file(digest(b"named by nobody"))) == b"named by nobody"
    with pytest.raises(Gone):
        target.put_file(b"withdrawn")
    assert verify(target).ok
    assert target.store.marks() == {}


def test_copying_again_is_a_no_op(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    fill(source)
    run(source, target)
    before = contents(target)
    result, problems = run(source, target)
    assert problems == []
    existed = {name: value for name, value in result.as_dict().items() if value}
    assert existed == {"notices_existed": 5, "files_existed": 2, "documents_existed": 11, "heads_existed": 10}
    assert contents(target) == before


def test_a_copy_back_and_forth_keeps_every_byte(make: Make) -> None:
    first, second, third = make("memory", "a"), make("sqlite", "b"), make("memory", "c")
    records = random_records(5, 500)
    first.store.put([r for r in records if not r.files], [])
    run(first, second)
    run(second, third)
    assert contents(third) == contents(first) == contents(second)


def test_nothing_is_copied_from_nothing(pair: tuple[Repository, Repository]) -> None:
    result, _ = run(*pair, verify=True)
    assert result.ok
    assert not any(value for value in result.as_dict().values() if isinstance(value, int) and value is not True)


def test_the_digests_differ_if_the_target_held_more(source: Repository, target: Repository) -> None:
    fill(source)
    put_new(target, [sample("more")])
    result, problems = run(source, target, verify=True)
    assert problems == []
    assert not result.ok
    assert result.as_dict()["verified"] is False


def test_large_batches_go_in_parts_the_target_takes(
    make: Make, monkeypatch: pytest.MonkeyPatch, source: Repository
) -> None:
    put_new(source, samples(1700))
    target = make("sqlite", "t")
    sizes: list[int] = []

    class Small(Intercepted):
        capabilities = replace(target.store.capabilities, max_batch=900)

        def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> object:
            sizes.append(len(records))
            return self.inner.put(records, moves)

    assert run(source, with_store(target, Small(target.store)))[0].documents_new == 1700
    assert max(sizes) <= 900
    assert len(sizes) <= 4
    sizes.clear()
    monkeypatch.setattr(copy_module, "BATCH_BYTES", 1)
    other = make("memory", "o")
    run(source, with_store(other, Small(other.store)))
    assert max(sizes) <= 500


# Notices


def test_what_is_withdrawn_at_the_source_is_withdrawn_at_the_target(source: Repository, target: Repository) -> None:
    records = fill(target)
    file = records[4].files[0]
    run(target, source)
    source.withdraw([records[0].address, records[7].address], case="later", reason="r")
    source.withdraw_files([file.sha256], case="later", reason="r")
    result, problems = run(source, target, verify=True)
    assert (result.notices_new, problems, result.ok) == (3, [], True)
    with pytest.raises(Gone, match="later"):
        target.get(records[0].address)
    with pytest.raises(Gone, match="later"):
        target.stat_file(file.sha256)


def test_what_the_target_withdrew_is_not_brought_back(source: Repository, target: Repository) -> None:
    records = fill(source)
    target.withdraw([records[0].address, records[8].address], case="here", reason="r")
    target.withdraw_files([records[4].files[0].sha256], case="here", reason="r")
    result, problems = run(source, target)
    assert problems == []
    assert (result.documents_withdrawn, result.files_withdrawn) == (2, 1)
    assert target.store.has(addresses(records)) == source.store.has(addresses(records)) - {
        records[0].address,
        records[8].address,
    }
    assert target.head(records[8].id) == records[8].address, "its head leads to the notice"


def test_the_first_notice_is_kept(source: Repository, target: Repository) -> None:
    record = sample("x")
    source.withdraw([record.address], case="there", reason="r")
    (kept,) = target.withdraw([record.address], case="here", reason="r")
    run(source, target)
    assert contents(target)[0] == {record.address: kept}


# Heads


def test_a_head_that_is_an_ancestor_moves(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    versions = chain("x", 5)
    put_new(source, versions)
    put_new(target, versions[:2])
    result, problems = run(source, target, verify=True)
    assert (result.heads_new, problems, result.ok) == (1, [], True)


def test_a_newer_head_stays(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    versions = chain("x", 5)
    put_new(source, versions[:2])
    put_new(target, versions)
    result, problems = run(source, target)
    assert (result.heads_existed, result.heads_new, problems) == (1, 0, [])
    assert target.head("x") == versions[4].address


def test_a_diverged_head_is_reported_and_left(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    root, theirs = chain("x", 2)
    ours = sample("x", state={"ours": True}, previous=root.address)
    put_new(source, [root, theirs, sample("y")])
    put_new(target, [root, ours])
    result, problems = run(source, target)
    assert (result.heads_diverged, result.heads_new) == (1, 1)
    ((kind, subject, detail),) = problems
    assert (kind, subject) == ("head", "x")
    assert theirs.address in detail
    assert ours.address in detail
    assert str(problems[0]) == f"head x: {detail}"
    assert target.head("x") == ours.address
    assert target.get(theirs.address).id == "x", "the version itself is there"


def test_withdrawn_heads_and_links_are_copied_as_they_are(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    versions = chain("x", 5)
    put_new(source, versions)
    put_new(target, versions[:1])
    source.withdraw([versions[2].address, versions[4].address], case="1", reason="r")
    result, problems = run(source, target, verify=True)
    assert (problems, result.ok) == ([], True)
    assert list(target.history("x")) == list(source.history("x"))


def test_a_head_that_others_move_meanwhile_is_tried_again(source: Repository, target: Repository) -> None:
    versions = chain("x", 3)
    put_new(source, versions)
    put_new(target, versions[:1])

    class Racing(Intercepted):
        raced = False

        def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
            if not self.raced:
                self.raced = True
                target.put(versions[1])
            done: list[bool] = self.inner.swap_heads(moves)
            return done

    result, problems = run(source, with_store(target, Racing(target.store)))
    assert (problems, result.heads_new) == ([], 1)
    assert target.head("x") == versions[2].address


def test_a_head_that_never_stops_moving_is_reported(source: Repository, target: Repository) -> None:
    put_new(source, [sample("x"), sample("y")])

    class Restless(Intercepted):
        def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
            return [move.id != "x" and self.inner.swap_heads([move])[0] for move in moves]

    result, problems = run(source, with_store(target, Restless(target.store)))
    assert [(problem.kind, problem.subject) for problem in problems] == [("head", "x")]
    assert result.heads_new == 1


def test_a_damaged_history_at_the_target_leaves_its_head(source: Repository, target: Repository) -> None:
    versions = chain("x", 4)
    put_new(source, versions)
    put_new(target, versions[:2])
    damage_document(target, versions[1].address)
    _, problems = run(source, target)
    assert problems == [], "the head of the target is met before what is damaged"
    fork = sample("x", state={"fork": True}, previous=versions[3].address)
    other = sample("x", state={"other": True}, previous=versions[3].address)
    put_new(source, [fork])
    put_new(target, [other])
    _, problems = run(source, target)
    assert [problem.kind for problem in problems] == ["head"]
    assert "damaged" in problems[0].detail


# Damage at the source


def test_damaged_documents_are_reported_and_left_out_with_their_heads(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    records = fill(source)
    damage_document(source, records[0].address)
    damage_document(source, records[9].address, b"")
    result, problems = run(source, target)
    assert sorted(problem[:2] for problem in problems) == sorted(
        [("document", records[0].address), ("document", records[9].address), ("head", records[9].id)]
    )
    assert result.documents_new == 9
    expected = contents(source)[0]
    del expected[records[0].address], expected[records[9].address]
    assert contents(target)[0] == expected
    assert verify(target).ok


def test_damage_is_reported_even_where_the_target_has_the_document(source: Repository, target: Repository) -> None:
    records = fill(source)
    run(source, target)
    damage_document(source, records[8].address)
    _, problems = run(source, target)
    assert [problem[:2] for problem in problems] == [("document", records[8].address)]
    assert target.get(records[8].address).id == records[8].id


def test_a_good_document_under_a_wrong_address_does_not_arrive(source: Repository, target: Repository) -> None:
    source.store.put([forge(sample("x"), "f" * 64)])
    _, problems = run(source, target)
    assert [problem[:2] for problem in problems] == [("document", "f" * 64)]
    assert sample("x").address in problems[0].detail
    assert target.store.count() == 0


def test_bytes_that_hash_right_but_are_no_canonical_entity_do_not_arrive(
    source: Repository, target: Repository
) -> None:
    spaced = sample("x").document.replace(b",", b", ")
    source.store.put([forge(sample("x")._replace(document=spaced), digest(spaced))])
    _, problems = run(source, target)
    assert [problem[:2] for problem in problems] == [("document", digest(spaced))]
    assert target.store.count() == 0


def test_damaged_files_are_left_out_with_the_documents_that_name_them(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    records = fill(source)
    bad = records[4].files[0]
    also = sample("also", files=[bad, put_file(source, b"good")._replace(name="good")])
    put_new(source, [also])
    damage_file(source, bad.sha256, b"damaged")
    result, problems = run(source, target)
    assert sorted(problem[:2] for problem in problems) == sorted(
        [
            ("file", bad.sha256),
            ("document", also.address),
            ("document", records[4].address),
            ("head", "also"),
            ("head", "filed"),
        ]
    )
    assert all(bad.sha256 in problem.detail for problem in problems if problem.kind == "document")
    assert result.files_new == 2
    assert verify(target).ok, "no document at the target names a file that isn't there"


def test_after_the_source_was_repaired_the_rest_comes(source: Repository, target: Repository) -> None:
    records = fill(source)
    bad = records[4].files[0]
    damage_file(source, bad.sha256, b"damaged")
    damage_document(source, records[7].address)
    assert not run(source, target)[0].ok
    source.files.replace(bad.sha256, b"the bytes of a file" * 100)
    source.store.replace([records[7]])
    result, problems = run(source, target, verify=True)
    assert (problems, result.ok) == ([], True)
    assert contents(target) == contents(source)


def test_a_document_that_names_a_file_nobody_has_is_left_out(source: Repository, target: Repository) -> None:
    record = sample("x", files=[missing_file()])
    source.store.put([record], [HeadMove("x", None, record.address)])
    _, problems = run(source, target)
    assert [problem[:2] for problem in problems] == [("document", record.address), ("head", "x")]
    assert contents(target) == ({}, {})


def test_no_digest_is_claimed_for_a_damaged_source(source: Repository, target: Repository) -> None:
    records = fill(source)
    damage_document(source, records[8].address)
    result, problems = run(source, target, verify=True)
    assert not result.ok
    assert "verified" not in result.as_dict()
    assert "no digest" in problems[-1].detail


def test_reading_back_finds_damage_at_the_target(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    records = fill(source)
    run(source, target)
    damage_file(target, records[4].files[0].sha256, b"x" * 1900)
    result, problems = run(source, target, verify=True)
    assert [problem[:2] for problem in problems] == [("file", records[4].files[0].sha256)]
    assert not result.ok
    damage_document(target, records[5].address)
    assert {problem.kind for problem in run(source, target, verify=True)[1]} == {"file", "document"}


def test_a_file_of_another_size_at_the_target_is_copied_anew(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    file = fill(source)[4].files[0]
    run(source, target)
    damage_file(target, file.sha256, b"cut")
    assert run(source, target, verify=True)[0].ok


# A source that changes meanwhile


def test_versions_that_came_after_the_documents_were_read_come_with_their_heads(
    source: Repository, target: Repository
) -> None:
    versions = chain("x", 6)
    put_new(source, [*versions[:2], sample("y")])
    late_file = b"put late"

    class Growing(Intercepted):
        def scan_heads(self, cursor: str | None, limit: int) -> object:
            file = put_file(source, late_file)
            source.put_many([*versions[2:], sample("late", files=[file])])
            source.withdraw([versions[3].address], case="late", reason="r")
            return self.inner.scan_heads(cursor, limit)

    result, problems = run(with_store(source, Growing(source.store)), target)
    assert problems == []
    assert result.ok
    assert contents(target) == contents(source)
    assert b"".join(target.open_file(digest(late_file))) == late_file


def test_a_late_version_that_is_damaged_leaves_its_head_out(source: Repository, target: Repository) -> None:
    put_new(source, [sample("y")])
    late = sample("late")

    class Growing(Intercepted):
        def scan_heads(self, cursor: str | None, limit: int) -> object:
            source.put(late)
            damage_document(source, late.address)
            return self.inner.scan_heads(cursor, limit)

    _, problems = run(with_store(source, Growing(source.store)), target)
    assert [problem[:2] for problem in problems] == [("head", "late")]


def test_a_file_that_gc_takes_at_the_source_meanwhile_is_no_problem(source: Repository, target: Repository) -> None:
    fill(source)

    class Collecting(Intercepted):
        def open(self, sha256: str, start: int = 0, end: int | None = None) -> object:
            if sha256 == digest(b"named by nobody"):
                self.inner.delete([sha256])
            return self.inner.open(sha256, start, end)

    result, problems = run(with_files(source, Collecting(source.files)), target)
    assert (problems, result.files_new) == ([], 1)


def test_a_file_withdrawn_at_the_source_meanwhile_is_withdrawn_at_the_target(
    source: Repository, target: Repository
) -> None:
    file = fill(source)[4].files[0]

    class Withdrawing(Intercepted):
        def open(self, sha256: str, start: int = 0, end: int | None = None) -> object:
            source.withdraw_files([file.sha256], case="late", reason="r")
            return self.inner.open(sha256, start, end)

    _, problems = run(with_files(source, Withdrawing(source.files)), target)
    assert problems == []
    with pytest.raises(Gone, match="late"):
        target.stat_file(file.sha256)


def test_old_files_at_the_target_are_renewed_before_documents_name_them(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    file = fill(source)[4].files[0]
    put_file(target, b"the bytes of a file" * 100)
    moment = age_file(target, file.sha256, 9 * DAY_MS)
    run(source, target)
    assert target.stat_file(file.sha256).stored_at > moment


class Collected(Intercepted):
    """Files that gc erases right after they were renewed."""

    def refresh(self, names: Sequence[str]) -> set[str]:
        renewed: set[str] = self.inner.refresh(names)
        self.inner.delete(names)
        return renewed


def test_a_file_that_gc_takes_at_the_target_is_copied_anew(source: Repository, target: Repository) -> None:
    record = fill(source)[4]
    put_file(target, b"the bytes of a file" * 100)
    age_file(target, record.files[0].sha256, 9 * DAY_MS)
    _, problems = run(source, with_files(target, Collected(target.files)))
    assert problems == []
    assert contents(target) == contents(source)
    assert verify(target).ok


def test_a_document_whose_file_gc_takes_again_and_again_is_left_out(source: Repository, target: Repository) -> None:
    record = fill(source)[4]

    class Aging(Collected):
        def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
            stored: StoredFile = self.inner.put(source, sha256=sha256)
            age_file(target, stored.sha256, 9 * DAY_MS)
            return stored

    _, problems = run(source, with_files(target, Aging(target.files)))
    assert [problem[:2] for problem in problems] == [("document", record.address), ("head", "filed")]
    assert record.address not in contents(target)[0]
    assert verify(target).ok


# Going on where it was


class Cut(Exception):
    """What kills a copy in these tests."""


class Killed(Intercepted):
    """A store or file store that dies at the n-th call of one method."""

    def __init__(self, inner: object, method: str, at: int) -> None:
        super().__init__(inner)
        self.method, self.left = method, at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name != self.method:
            return found

        def call(*args: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise Cut
            return found(*args, **options)

        return call


@pytest.fixture
def saved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is written down after every page, and pages are small."""
    monkeypatch.setattr(resuming.Progress.__init__, "__kwdefaults__", {"save_every_s": 0.0})
    monkeypatch.setattr(copy_module, "DOCUMENTS", 10)
    monkeypatch.setattr(copy_module, "BATCH", 10)
    monkeypatch.setattr(copy_module, "NAMES", 2)


STEPS = [("put", 1), ("put", 4), ("swap_heads", 1), ("swap_heads", 3), ("withdraw", 1), ("set_mark", 12)]


@pytest.mark.usefixtures("saved_at_once")
@pytest.mark.parametrize(("method", "at"), STEPS)
def test_a_copy_that_was_killed_is_completed_by_repeating_it(
    pair: tuple[Repository, Repository], method: str, at: int
) -> None:
    source, target = pair
    fill(source)
    put_new(source, samples(60, "more"))
    with pytest.raises(Cut):
        copy(source, with_store(target, Killed(target.store, method, at)))
    result, problems = run(source, target, verify=True)
    assert (problems, result.ok) == ([], True)
    assert target.store.marks() == {}


@pytest.mark.usefixtures("saved_at_once")
def test_it_goes_on_where_it_was(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    fill(source)
    put_new(source, samples(100, "more"))
    with pytest.raises(Cut):
        copy(source, with_store(target, Killed(target.store, "put", 6)))
    fingerprint_, stage, cursor = read_mark(target.store.marks()[MARK])
    assert (fingerprint_, stage) == (fingerprint(source.store), "documents")
    assert cursor is not None
    counted: list[int] = []

    class Counting(Intercepted):
        def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> object:
            counted.append(len(records))
            return self.inner.put(records, moves)

    there = target.store.count()
    assert there >= 40
    result, _ = run(source, with_store(target, Counting(target.store)))
    assert result.documents_new == sum(counted) == 111 - there
    assert result.documents_existed == 0, "nothing before the cursor was read again"
    assert (result.notices_new, result.files_existed) == (0, 0), "and no stage before it"


@pytest.mark.usefixtures("saved_at_once")
def test_a_source_that_changed_meanwhile_is_read_from_the_start(source: Repository, target: Repository) -> None:
    fill(source)
    put_new(source, samples(100, "more"))
    with pytest.raises(Cut):
        copy(source, with_store(target, Killed(target.store, "put", 6)))
    put_new(source, samples(50, "later"))
    there = target.store.count()
    result, _ = run(source, target, verify=True)
    assert result.ok
    assert result.documents_existed == there >= 40


@pytest.mark.usefixtures("saved_at_once")
def test_the_progress_of_a_copy_from_elsewhere_is_not_used(make: Make, target: Repository) -> None:
    one, other = make("memory", "one"), make("memory", "other")
    put_new(one, samples(100, "one"))
    put_new(other, samples(100, "other"))
    with pytest.raises(Cut):
        copy(one, with_store(target, Killed(target.store, "put", 6)))
    assert run(other, target)[0].documents_new == 100
    assert run(one, target)[0].documents_new == 50


@pytest.mark.parametrize(
    "mark",
    [
        "",
        "nonsense",
        "[]",
        "null",
        json.dumps({"source": "FP", "stage": "unknown", "cursor": None}),
        json.dumps({"source": "FP", "stage": "documents", "cursor": 7}),
        json.dumps({"source": "FP", "stage": "documents", "cursor": "no cursor of this store"}),
        json.dumps({"source": "elsewhere", "stage": "heads", "cursor": None}),
    ],
)
def test_a_mark_that_makes_no_sense_is_ignored(pair: tuple[Repository, Repository], mark: str) -> None:
    source, target = pair
    fill(source)
    target.store.set_mark(MARK, mark.replace("FP", fingerprint(source.store)))
    result, problems = run(source, target)
    assert problems == []
    assert result.documents_new == 11
    assert contents(target)[1] == contents(source)[1]
    assert target.store.marks() == {}


def test_a_target_that_fails_ends_the_copy_with_its_error(source: Repository, target: Repository) -> None:
    fill(source)

    class Full(Intercepted):
        def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> object:
            raise Unavailable("the server is gone")

    with pytest.raises(Unavailable):
        run(source, with_store(target, Full(target.store)))


def test_an_error_while_reading_ahead_ends_the_copy(source: Repository, target: Repository) -> None:
    put_new(source, samples(30))

    class Failing(Intercepted):
        scans = 0

        def scan(self, cursor: str | None, limit: int) -> object:
            self.scans += 1
            if self.scans == 3:
                raise Unavailable("the source is gone")
            return self.inner.scan(cursor, limit)

    with pytest.raises(Unavailable, match="the source is gone"):
        run(with_store(source, Failing(source.store)), target)


def test_progress_is_told_for_every_stage(source: Repository, target: Repository) -> None:
    fill(source)
    last: dict[str, tuple[int, int | None]] = {}
    copy(source, target, report=lambda stage, done, total: last.update({stage: (done, total)}))
    assert last == {"notices": (14, 14), "files": (2, None), "documents": (11, 11), "heads": (10, None)}


def test_versions_without_a_head_are_copied_too(source: Repository, target: Repository) -> None:
    stray = sample("stray")
    store_below(source, stray)
    lose = sample("lost")
    put_new(source, [lose])
    lose_document(source, lose.address)
    _, problems = run(source, target)
    assert [problem[:2] for problem in problems] == [("head", "lost")]
    assert contents(target) == ({stray.address: stray.document}, {})


def test_a_cursor_that_the_source_refuses_later_is_an_error(source: Repository, target: Repository) -> None:
    put_new(source, samples(20))

    class Forgetful(Intercepted):
        def scan(self, cursor: str | None, limit: int) -> Page[Any]:
            if cursor is not None:
                raise InvalidQuery("cursor", "expired")
            page: Page[Any] = self.inner.scan(None, 5)
            return page

    with pytest.raises(InvalidQuery):
        run(with_store(source, Forgetful(source.store)), target)


def test_bytes_that_change_on_their_way_are_refused(source: Repository, target: Repository) -> None:
    record = fill(source)[4]

    class Noisy(Intercepted):
        def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
            return iter([b"noise", *self.inner.open(sha256, start, end)])

    class Checking(Intercepted):
        def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
            assert sha256 is not None, "the target must know what to expect"
            stored: StoredFile = self.inner.put(source, sha256=sha256)
            return stored

    result, problems = run(with_files(source, Noisy(source.files)), with_files(target, Checking(target.files)))
    assert ("file", record.files[0].sha256) in [problem[:2] for problem in problems]
    assert result.files_new == 0
