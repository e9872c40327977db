"""What is damaged, missing or changed at the source or the target while a copy runs never leads to a broken target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from stat7.address import digest
from stat7.errors import Gone
from stat7.files.base import Source, StoredFile
from stat7.operations.verify import verify
from stat7.record import Notice
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.testing.samples import chain, forge, sample, samples
from tests.operations.copying import fill, run
from tests.repositories import (
    DAY_MS,
    Bounded,
    Intercepted,
    age_file,
    contents,
    damage_document,
    damage_file,
    lead_in_a_circle,
    missing_file,
    put_file,
    put_new,
    with_files,
    with_store,
)

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


def test_bytes_that_hash_right_but_are_no_entity_are_reported_where_both_have_them(
    source: Repository, target: Repository
) -> None:
    nonsense = b'{"files":[1]}'
    for repo in (source, target):
        repo.store.put([forge(sample("x")._replace(document=nonsense), digest(nonsense))])
    put_new(source, samples(3))
    result, problems = run(source, target, verify=True)
    assert {problem[:2] for problem in problems} == {("document", digest(nonsense))}
    assert result.documents_new == 3


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


@pytest.mark.parametrize("late", [False, True])
def test_notices_that_lead_in_a_circle_are_copied(pair: tuple[Repository, Repository], late: bool) -> None:
    source, target = pair
    fill(source)
    first, second = chain("circle", 2)
    circling, notices = lead_in_a_circle(source, "circle", *([first] if late else []))
    if late:
        put_new(target, [first, second])
    result, problems = run(circling, with_store(target, Bounded(target.store)))
    assert target.store.get([notice.address for notice in notices]) == {n.address: n for n in notices}
    assert [problem.subject for problem in problems] == (["circle"] if late else [])
    assert result.heads_diverged == late


def test_a_source_that_answers_with_notices_of_other_addresses_is_not_followed_for_ever(
    source: Repository, target: Repository
) -> None:
    asked, other = "a" * 64, "b" * 64

    class Lying(Bounded):
        def get(self, addresses: Sequence[str]) -> dict[str, bytes | Notice]:
            lies = {asked: Notice(other, "1", "r", "2026-01-01T00:00:00.000Z", "x", asked)}
            return super().get(addresses) | {address: lies[address] for address in addresses if address in lies}

    source.store.swap_heads([HeadMove("x", None, asked)])
    _, problems = run(with_store(source, Lying(source.store)), target)
    assert [problem[:2] for problem in problems] == [("head", "x")]
