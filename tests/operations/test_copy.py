"""A copy brings everything that is whole, heads by their history, and says what it did."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from stat7.address import digest
from stat7.contracts import Page
from stat7.errors import Gone, InvalidQuery, Unavailable
from stat7.operations import copy as copy_module
from stat7.operations import transfer as transfer_module
from stat7.operations.copy import copy
from stat7.operations.digest import digest as take_digest
from stat7.operations.verify import verify
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.testing.samples import chain, random_records, sample, samples
from tests.operations.copying import Make, fill, run
from tests.repositories import (
    Intercepted,
    addresses,
    contents,
    damage_document,
    lose_document,
    put_file,
    put_new,
    store_below,
    with_store,
)

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
    put_new(source, [*chain("x", 2), sample("y")])
    put_new(target, chain("x", 1))

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


def test_a_target_that_fails_ends_the_copy_with_its_error(source: Repository, target: Repository) -> None:
    fill(source)

    class Full(Intercepted):
        def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> object:
            raise Unavailable("the server is gone")

    with pytest.raises(Unavailable):
        run(source, with_store(target, Full(target.store)))


def test_an_error_while_reading_ahead_ends_the_copy(
    monkeypatch: pytest.MonkeyPatch, source: Repository, target: Repository
) -> None:
    monkeypatch.setattr(copy_module, "DOCUMENTS", 10)
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
    assert last == {"notices": (5, None), "files": (2, None), "documents": (11, 11), "heads": (10, None)}


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


def test_the_source_is_read_once_if_nothing_comes_between(
    monkeypatch: pytest.MonkeyPatch, source: Repository, target: Repository
) -> None:
    monkeypatch.setattr(copy_module, "DOCUMENTS", 10)
    fill(source)
    put_new(source, samples(45, "more"))

    class Counting(Intercepted):
        scans = 0

        def scan(self, cursor: str | None, limit: int) -> object:
            self.scans += 1
            return self.inner.scan(cursor, limit)

    counted = Counting(source.store)
    result, problems = run(with_store(source, counted), target, verify=True)
    assert (problems, result.ok) == ([], True)
    assert counted.scans == 1 + 6, "one page as a sample, then 56 documents and 3 notices"
    assert result.source == take_digest(source) == take_digest(target)


def test_what_comes_to_the_source_during_the_copy_is_in_the_digest_that_is_compared(
    source: Repository, target: Repository
) -> None:
    put_new(source, samples(20))

    class Growing(Intercepted):
        grown = False

        def scan_heads(self, cursor: str | None, limit: int) -> object:
            if not self.grown:
                put_new(source, chain("late", 3))
            self.grown = True
            return self.inner.scan_heads(cursor, limit)

    result, problems = run(with_store(source, Growing(source.store)), target, verify=True)
    assert (problems, result.ok) == ([], True)
    assert target.store.count() == 23


def test_heads_come_with_the_documents_unless_these_name_files(source: Repository, target: Repository) -> None:
    fill(source)
    counted: list[int] = []

    class Counting(Intercepted):
        def swap_heads(self, moves: Sequence[HeadMove]) -> object:
            counted.append(len(moves))
            return self.inner.swap_heads(moves)

    result, _ = run(source, with_store(target, Counting(target.store)))
    assert sum(counted) == 2, "of the document with files, and of the id whose current version is withdrawn"
    assert (result.heads_new, result.heads_existed) == (10, 0)
    assert contents(target)[1] == contents(source)[1]


def test_documents_that_the_target_has_are_seen_to_be_there_before_they_are_parsed(
    monkeypatch: pytest.MonkeyPatch, source: Repository, target: Repository
) -> None:
    monkeypatch.setattr(copy_module, "DOCUMENTS", 10)
    records = samples(300)
    put_new(source, records)
    put_new(target, records)
    parsed: list[int] = []
    monkeypatch.setattr(transfer_module, "read_canonical", lambda document: parsed.append(len(document)))
    result, problems = run(source, target)
    assert (problems, parsed, result.documents_existed) == ([], [], 300)


def test_an_error_ends_the_copy_of_large_files_under_way(source: Repository, target: Repository) -> None:
    files = [put_file(source, bytes([number]) * 4_000_000) for number in range(4)]
    begun = Event()
    given: list[int] = []

    class Slow(Intercepted):
        def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
            if sha256 == min(file.sha256 for file in files):
                begun.wait(10)
                raise Unavailable("the disk is gone")
            return self.endless()

        def endless(self) -> Iterator[bytes]:
            # Ends by itself only if nobody stops it.
            for _ in range(200):
                begun.set()
                given.append(1)
                time.sleep(0.05)
                yield b"x" * 100

    with pytest.raises(Unavailable, match="the disk is gone"):
        run(Repository(source.store, Slow(source.files)), target)
    assert 0 < len(given) < 200
    assert not target.files.scan(None, 10).items
