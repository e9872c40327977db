"""Verify finds every kind of harm, says nothing about health, changes nothing, and repairs from another repository."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from stat7.address import digest
from stat7.contracts import Page
from stat7.errors import Corrupt
from stat7.files.base import Source, StoredFile
from stat7.operations.verify import VerifyResult, verify, verify_files
from stat7.record import Notice, read_canonical
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.testing.samples import chain, forge, random_records, sample, samples
from tests.operations.verifying import fill, findings
from tests.repositories import (
    Intercepted,
    contents,
    damage_document,
    damage_file,
    damage_index,
    lose_document,
    lose_file,
    make_repository,
    put_file,
    put_new,
    with_files,
    with_store,
)


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Repository]:
    """Another, to repair from."""
    with make_repository("memory", tmp_path / "replica") as made:
        yield made


# Health


def test_a_healthy_repository_has_no_findings(repo: Repository) -> None:
    fill(repo)
    put_new(repo, samples(1200, "more"))
    repo.withdraw([chain("x", 4)[1].address, "0" * 64], case="1", reason="r")
    repo.withdraw_files([put_file(repo, b"withdrawn").sha256], case="1", reason="r")
    result, found = findings(repo)
    assert found == []
    assert result.as_dict() == {
        "entities": 1206,
        "notices": 3,
        "files": 1,
        "heads": 1204,
        "findings": 0,
        "repaired": 0,
        "notes": 0,
    }


def test_nothing_stored_is_healthy(repo: Repository) -> None:
    assert findings(repo) == (VerifyResult(), [])


def test_awkward_records_are_healthy(repo: Repository) -> None:
    records = random_records(3, 300)
    repo.store.put(records, [HeadMove(record.id, None, record.address) for record in records])
    kinds = {kind for kind, _, _ in findings(repo)[1]}
    assert kinds == {"missing-file", "missing-version"}, "they name files and versions that nobody stored"


def test_verify_changes_nothing(repo: Repository) -> None:
    records = fill(repo)
    damage_document(repo, records[1].address)
    lose_document(repo, records[3].address)
    damage_index(repo, records[4].address, records[4].files[0].sha256)
    before, first = contents(repo), findings(repo)
    assert findings(repo) == first
    assert contents(repo) == before


# Harm


@pytest.mark.parametrize("at", [0, 60, -1])
def test_a_flipped_bit_in_a_document_is_found(repo: Repository, at: int) -> None:
    record = fill(repo)[5]
    damaged = bytearray(record.document)
    damaged[at] ^= 1
    damage_document(repo, record.address, bytes(damaged))
    assert ("document", record.address, False) in findings(repo)[1]
    assert findings(repo)[0].findings >= 1


def test_bytes_that_hash_right_but_are_no_canonical_entity_are_found(repo: Repository) -> None:
    spaced = sample("spaced").document.replace(b",", b", ")
    forged = read_canonical(sample("spaced").document)._replace(document=spaced)
    forged = forge(forged, digest(spaced))
    repo.store.put([forged], [HeadMove("spaced", None, forged.address)])
    assert ("document", forged.address, False) in findings(repo)[1]


def test_every_damaged_document_is_reported_once(repo: Repository) -> None:
    fill(repo)
    harmed = samples(30, "harmed")
    put_new(repo, harmed)
    for record in harmed:
        damage_document(repo, record.address)
    documents = [subject for kind, subject, _ in findings(repo)[1] if kind == "document"]
    assert sorted(documents) == sorted(record.address for record in harmed)


def test_a_head_without_its_document_is_found(repo: Repository) -> None:
    record = fill(repo)[5]
    lose_document(repo, record.address)
    assert findings(repo)[1] == [("head", record.id, False)]


def test_a_head_that_points_to_another_id_is_found(repo: Repository) -> None:
    records = fill(repo)
    repo.store.swap_heads([HeadMove("filed", records[4].address, records[5].address)])
    assert findings(repo)[1] == [("head", "filed", False), ("unreferenced", records[4].address, False)]


def test_a_head_that_points_to_a_notice_is_well(repo: Repository) -> None:
    records = fill(repo)
    repo.withdraw([records[3].address, records[5].address], case="1", reason="r")
    assert findings(repo)[1] == []


def test_a_head_that_points_to_the_notice_of_another_id_is_found(repo: Repository) -> None:
    records = fill(repo)
    repo.store.swap_heads([HeadMove("filed", records[4].address, records[5].address)])
    repo.withdraw([records[5].address], case="1", reason="r")
    assert ("head", "filed", False) in findings(repo)[1]


def test_damage_to_a_file_is_found(repo: Repository) -> None:
    file = fill(repo)[4].files[0]
    damage_file(repo, file.sha256, b"the bytes of a filf")
    assert findings(repo)[1] == [("file", file.sha256, False)]
    damage_file(repo, file.sha256, b"cut")
    assert findings(repo)[1] == [("file", file.sha256, False)], "its size differs too, and that is told once"


def test_a_file_that_a_document_names_and_nobody_has_is_found(repo: Repository) -> None:
    file = fill(repo)[4].files[0]
    lose_file(repo, file.sha256)
    assert findings(repo)[1] == [("missing-file", file.sha256, False)]


def test_a_withdrawn_file_is_not_missing(repo: Repository) -> None:
    file = fill(repo)[4].files[0]
    repo.withdraw_files([file.sha256], case="1", reason="r")
    assert findings(repo)[1] == []


def test_a_document_that_states_another_size_than_its_files_is_found(repo: Repository) -> None:
    file = put_file(repo, b"12345")
    wrong = sample("wrong", files=[file._replace(size=6)])
    repo.store.put([wrong], [HeadMove("wrong", None, wrong.address)])
    assert findings(repo)[1] == [("document", wrong.address, False)]


def test_an_index_row_that_is_missing_is_found(repo: Repository) -> None:
    record = fill(repo)[4]
    damage_index(repo, record.address, record.files[0].sha256)
    assert {kind for kind, _, _ in findings(repo)[1]} == {"index"}


# Stores that fail to read


def test_damage_that_stops_one_part_is_a_finding_and_the_others_go_on(repo: Repository) -> None:
    records = fill(repo)
    damage_file(repo, records[4].files[0].sha256, b"x")

    class Broken(Intercepted):
        def scan_heads(self, cursor: str | None, limit: int) -> object:
            raise Corrupt("heads", "the page can't be read")

    assert findings(with_store(repo, Broken(repo.store)))[1] == [
        ("store", "heads", False),
        ("file", records[4].files[0].sha256, False),
    ]


def test_a_document_that_the_store_cannot_read_does_not_stop_the_rest(tmp_path: Path) -> None:
    repo = make_repository("memory", tmp_path)
    records = fill(repo)

    class Unreadable(Intercepted):
        def get(self, addresses: Sequence[str]) -> object:
            if records[3].address in addresses:
                raise Corrupt(records[3].address, "the page can't be read")
            return self.inner.get(addresses)

        def scan(self, cursor: str | None, limit: int) -> object:
            page = self.inner.scan(cursor, limit)
            return Page([(a, b"" if a == records[3].address else held) for a, held in page.items], page.cursor)

    damage_document(repo, records[5].address)
    found = findings(with_store(repo, Unreadable(repo.store)))[1]
    assert ("document", records[3].address, False) in found
    assert ("document", records[5].address, False) in found


def test_damage_that_the_index_check_finds_again_is_told_once(tmp_path: Path) -> None:
    repo = make_repository("memory", tmp_path)
    record = fill(repo)[5]
    damage_document(repo, record.address, b"not JSON")
    assert [kind for kind, _, _ in findings(repo)[1]] == ["document"]


def test_files_alone_can_be_verified(repo: Repository) -> None:
    records = fill(repo)
    damage_document(repo, records[0].address)
    assert verify_files(repo) == VerifyResult(files=1)
    damage_file(repo, records[4].files[0].sha256, b"x")
    assert not verify_files(repo).ok


def test_a_file_erased_while_verify_runs_is_no_finding(repo: Repository) -> None:
    unnamed = put_file(repo, b"garbage")
    fill(repo)

    class Erasing(Intercepted):
        def scan(self, cursor: str | None, limit: int) -> Page[StoredFile | Notice]:
            page: Page[StoredFile | Notice] = self.inner.scan(cursor, limit)
            self.inner.delete([unnamed.sha256])
            return page

        def replace(self, sha256: str, source: Source) -> StoredFile:
            raise AssertionError("nothing is to be repaired")

    assert findings(with_files(repo, Erasing(repo.files)))[1] == []


def test_progress_is_told_for_every_stage(repo: Repository) -> None:
    fill(repo)
    last: dict[str, tuple[int, int | None]] = {}
    verify(repo, report=lambda stage, done, total: last.update({stage: (done, total)}))
    assert last.pop("index")[1] is None
    assert last == {"entities": (7, 7), "heads": (4, None), "files": (1, None)}
