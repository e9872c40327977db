"""Repair brings back what another repository has whole, nothing that is withdrawn, and claims no more than it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from stat7.errors import Gone
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.stores.memory import MemoryStore
from stat7.testing.samples import chain, forge, sample
from tests.operations.verifying import fill, findings
from tests.repositories import (
    Intercepted,
    contents,
    damage_document,
    damage_file,
    damage_index,
    lose_document,
    lose_file,
    lose_head,
    make_repository,
    missing_file,
    put_file,
    put_new,
    store_below,
    with_store,
)


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Repository]:
    """Another, to repair from."""
    with make_repository("memory", tmp_path / "replica") as made:
        yield made


def test_damaged_documents_are_replaced_and_verified_again(repo: Repository, replica: Repository) -> None:
    records = fill(repo, replica)
    for record in records:
        damage_document(repo, record.address)
    result, found = findings(repo, replica)
    assert sorted(found) == sorted(("document", record.address, True) for record in records)
    assert result.ok
    assert findings(repo) == findings(replica)
    assert contents(repo) == contents(replica)


def test_missing_documents_are_fetched_with_all_that_lay_behind(repo: Repository, replica: Repository) -> None:
    records = fill(repo, replica)
    for record in records[:5]:
        lose_document(repo, record.address)
    result, found = findings(repo, replica)
    assert result.ok
    assert {subject for kind, subject, _ in found if kind == "head"} == {"x", "filed"}
    assert all(repaired for _, _, repaired in found)
    assert findings(repo)[1] == []
    assert contents(repo) == contents(replica)


def test_missing_links_are_fetched_and_then_nothing_is_unreferenced(repo: Repository, replica: Repository) -> None:
    records = fill(repo, replica)
    lose_document(repo, records[2].address)
    lose_document(repo, records[1].address)
    assert findings(repo, replica)[1] == [
        ("missing-version", records[2].address, True),
        ("missing-version", records[1].address, True),
    ]
    assert contents(repo) == contents(replica)


def test_damaged_and_missing_files_are_fetched(repo: Repository, replica: Repository) -> None:
    records = fill(repo, replica)
    file, other = records[4].files[0], put_file(replica, b"other")
    put_file(repo, b"other")
    damage_file(repo, other.sha256, b"othex")
    lose_file(repo, file.sha256)
    assert sorted(findings(repo, replica)[1]) == [("file", other.sha256, True), ("missing-file", file.sha256, True)]
    assert findings(repo)[1] == []
    assert b"".join(repo.open_file(other.sha256)) == b"other"


def test_index_rows_are_made_anew(repo: Repository, replica: Repository) -> None:
    record = fill(repo)[4]
    damage_index(repo, record.address, record.files[0].sha256)
    result, found = findings(repo, replica)
    assert {(kind, repaired) for kind, _, repaired in found} == {("index", True)}
    assert result.ok
    assert findings(repo)[1] == []


def test_a_head_that_points_to_nothing_anybody_has_goes_where_the_replicas_does(
    repo: Repository, replica: Repository
) -> None:
    fill(repo, replica)
    head = chain("x", 4)[3].address
    repo.store.swap_heads([HeadMove("x", head, "0" * 64)])
    assert ("head", "x", True) in findings(repo, replica)[1]
    assert repo.head("x") == head


def test_a_head_is_not_led_to_a_damaged_version(repo: Repository, replica: Repository) -> None:
    fill(repo, replica)
    head = chain("x", 4)[3].address
    repo.store.swap_heads([HeadMove("x", head, "0" * 64)])
    for damaged in (repo, replica):
        damage_document(damaged, head)
    assert ("head", "x", False) in findings(repo, replica)[1]
    assert repo.head("x") == "0" * 64


def test_a_lost_head_is_given_back(repo: Repository, replica: Repository) -> None:
    fill(repo, replica)
    lose_head(repo, "x")
    assert findings(repo)[0].notes == 4
    assert sorted(findings(repo, replica)[1]) == sorted(
        ("unreferenced", version.address, True) for version in chain("x", 4)
    )
    assert contents(repo) == contents(replica)


def test_a_lost_head_goes_to_the_replicas_newest_version_even_if_that_must_be_fetched(
    repo: Repository, replica: Repository
) -> None:
    versions = chain("x", 5)
    fill(repo, replica)
    put_new(replica, versions[4:])
    lose_head(repo, "x")
    lose_document(repo, versions[3].address)
    found = findings(repo, replica)[1]
    assert ("missing-version", versions[3].address, True) in found
    assert all(repaired for _, _, repaired in found)
    assert contents(repo) == contents(replica)


def test_a_head_under_a_damaged_id_is_removed_and_the_right_one_given_back(
    repo: Repository, replica: Repository
) -> None:
    # What a flipped bit in the id of a head looks like.
    records = fill(repo, replica)
    lose_head(repo, "filed")
    repo.store.swap_heads([HeadMove("filee", None, records[4].address)])
    assert sorted(findings(repo)[1]) == sorted([("head", "filee", False), ("unreferenced", records[4].address, False)])
    assert sorted(findings(repo, replica)[1]) == sorted(
        [("head", "filee", True), ("unreferenced", records[4].address, True)]
    )
    assert contents(repo) == contents(replica)


def test_a_head_that_leads_to_nothing_anybody_knows_is_left_as_it_is(repo: Repository, replica: Repository) -> None:
    lost = sample("lost")
    put_new(repo, [lost])
    lose_document(repo, lost.address)
    store_below(repo, sample("stray"))
    assert sorted(findings(repo, replica)[1]) == sorted(
        [("head", "lost", False), ("unreferenced", sample("stray").address, False)]
    )
    assert repo.head("lost") == lost.address


def test_what_the_replica_has_not_or_has_damaged_stays_a_finding(repo: Repository, replica: Repository) -> None:
    records = fill(repo, replica)
    unknown, file = sample("unknown"), records[4].files[0]
    put_new(repo, [unknown])
    damage_document(repo, unknown.address)
    damage_document(repo, records[5].address)
    damage_document(replica, records[5].address)
    damage_file(repo, file.sha256, b"x")
    damage_file(replica, file.sha256, b"y")
    lose_document(repo, records[3].address)
    lose_document(replica, records[3].address)
    result, found = findings(repo, replica)
    assert sorted(found)[:4] == sorted(
        [
            ("document", unknown.address, False),
            ("document", records[5].address, False),
            ("file", file.sha256, False),
            ("head", "x", False),
        ]
    )
    assert result.findings == 4


def test_a_missing_file_that_the_replica_lacks_too_stays_a_finding(repo: Repository, replica: Repository) -> None:
    record = sample("x", files=[missing_file()])
    repo.store.put([record], [HeadMove("x", None, record.address)])
    assert findings(repo, replica)[1] == [("missing-file", record.files[0].sha256, False)]


def test_what_is_withdrawn_here_is_never_brought_back(repo: Repository, replica: Repository) -> None:
    records = fill(repo, replica)
    repo.withdraw([records[2].address, records[5].address], case="1", reason="r")
    repo.withdraw_files([records[4].files[0].sha256], case="1", reason="r")
    before = contents(repo)
    assert findings(repo, replica)[1] == []
    assert contents(repo) == before
    with pytest.raises(Gone):
        repo.get(records[5].address)


def test_what_is_withdrawn_at_the_replica_is_withdrawn_here_instead_of_repaired(
    repo: Repository, replica: Repository
) -> None:
    records = fill(repo, replica)
    file = records[4].files[0]
    replica.withdraw([records[2].address, records[3].address, records[5].address], case="there", reason="r")
    replica.withdraw_files([file.sha256], case="there", reason="r")
    lose_document(repo, records[3].address)
    lose_document(repo, records[2].address)
    damage_document(repo, records[5].address)
    lose_file(repo, file.sha256)
    found = findings(repo, replica)[1]
    assert sorted(found) == sorted(
        [
            ("document", records[5].address, True),
            ("head", "x", True),
            ("missing-file", file.sha256, True),
            ("missing-version", records[2].address, True),
        ]
    )
    assert contents(repo) == contents(replica)
    assert findings(repo)[1] == []


def test_good_bytes_under_a_damaged_address_are_moved_home(replica: Repository) -> None:
    # What a flipped bit in the address column looks like: the document is good, and the address beside it is not.
    record = sample("x")
    wrong = "f" * 64

    class Misplaced(Intercepted):
        def replace(self, records: Sequence[Record]) -> None:
            self.inner.discard([wrong])
            self.inner.replace(records)

    store = MemoryStore()
    store.put([forge(record, wrong)], [HeadMove("x", None, record.address)])
    harmed = with_store(replica, Misplaced(store))
    assert ("document", wrong, False) in findings(harmed)[1]
    assert ("document", wrong, True) in findings(harmed, replica)[1]
    assert findings(harmed)[1] == []


def test_a_document_whose_repair_does_not_last_stays_a_finding(replica: Repository, tmp_path: Path) -> None:
    repo = make_repository("memory", tmp_path)
    records = fill(repo, replica)
    damage_document(repo, records[5].address)

    class Stubborn(Intercepted):
        def replace(self, records: Sequence[Record]) -> None:
            pass

    assert ("document", records[5].address, False) in findings(with_store(repo, Stubborn(repo.store)), replica)[1]


def test_index_rows_are_made_anew_from_the_documents_that_are_here(repo: Repository) -> None:
    records = fill(repo)
    before = contents(repo)
    damage_index(repo, records[4].address, records[4].files[0].sha256)
    assert not findings(repo)[0].ok
    result, found = findings(repo, repair=True)
    assert result.ok
    assert {(kind, repaired) for kind, _, repaired in found} == {("index", True)}
    assert findings(repo)[1] == []
    assert contents(repo) == before


def test_what_needs_a_good_copy_is_left_as_it_is_without_one(repo: Repository) -> None:
    records = fill(repo)
    damage_document(repo, records[0].address)
    lose_head(repo, "filed")
    result, found = findings(repo, repair=True)
    assert not result.ok
    assert ("document", records[0].address, False) in found
    assert findings(repo)[1] == found


def test_a_head_that_is_not_found_again_after_it_was_mended_is_not_called_mended(
    repo: Repository, replica: Repository
) -> None:
    fill(repo, replica)
    lose_head(repo, "filed")
    forgetful = with_store(repo, _Forgetful(repo.store))
    _, found = findings(forgetful, replica)
    assert [repaired for kind, _, repaired in found if kind == "unreferenced"] == [False]


class _Forgetful(Intercepted):
    """A store whose heads take moves and aren't found, as in a damaged index."""

    def heads(self, ids: Sequence[str]) -> dict[str, str]:
        return {id: address for id, address in self.inner.heads(ids).items() if id != "filed"}
