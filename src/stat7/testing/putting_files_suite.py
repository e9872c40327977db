"""Put of documents that name files: they must be stored, and stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from stat7.errors import Gone, InvalidEntity, NotFound, Unavailable
from stat7.files.base import StoredFile
from stat7.record import Notice, Record
from stat7.repository import Repository, Status
from stat7.stores.base import HeadMove
from stat7.testing.repositories import (
    Intercepted,
    contents,
    missing_file,
    put_file,
    put_new,
    statuses,
    with_files,
    with_store,
)
from stat7.testing.repository_base import RepositoryBase
from stat7.testing.samples import chain, sample

DAY_MS: Final = 24 * 3600 * 1000


class Collected(Intercepted):
    """Files that gc erases right after a put has renewed them, as a store that can't look and erase in one step may."""

    def refresh(self, names: Sequence[str]) -> set[str]:
        """See FileStore.refresh."""
        renewed: set[str] = self.inner.refresh(names)
        assert self.inner.delete(list(names)) == renewed
        return renewed


class Aged(Intercepted):
    """Files of which one seems to have been stored nine days ago."""

    def __init__(self, inner: object, sha256: str) -> None:
        super().__init__(inner)
        self.sha256 = sha256

    def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
        """See FileStore.stat."""
        found: dict[str, StoredFile | Notice] = self.inner.stat(names)
        old = found.get(self.sha256)
        if isinstance(old, StoredFile):
            found[self.sha256] = old._replace(stored_at=old.stored_at - 9 * DAY_MS)
        return found


class Renewals(Intercepted):
    """Files that note which of them were renewed."""

    def __init__(self, inner: object) -> None:
        super().__init__(inner)
        self.renewed: list[str] = []

    def refresh(self, names: Sequence[str]) -> set[str]:
        """See FileStore.refresh."""
        self.renewed += names
        renewed: set[str] = self.inner.refresh(names)
        return renewed


class PuttingFilesSuite(RepositoryBase):
    """Files that a document names: stored, old, collected meanwhile."""

    def test_a_document_may_name_files_that_are_stored(self, repo: Repository) -> None:
        files = [put_file(repo, b"one", "a"), put_file(repo, b"two", "b")]
        put_new(repo, [sample("x", files=files)])

    def test_a_document_that_names_a_missing_file_is_refused_naming_it(self, repo: Repository) -> None:
        there, missing = put_file(repo, b"there", "a"), missing_file()._replace(name="b")
        results = repo.put_many([sample("x", files=[there, missing]), sample("y", files=[there])])
        assert statuses(results) == ["refused", "new"]
        assert isinstance(results[0].error, InvalidEntity)
        assert results[0].error.path == "files[1].sha256"
        assert missing.sha256 in results[0].error.reason
        assert repo.store.heads(["x"]) == {}
        assert repo.store.count() == 1

    def test_a_document_that_states_another_size_is_refused(self, repo: Repository) -> None:
        wrong = put_file(repo, b"12345")._replace(size=6)
        with pytest.raises(InvalidEntity, match=r"files\[0\]\.size: says 6, the stored file has 5 bytes"):
            repo.put(sample("x", files=[wrong]))

    def test_a_document_that_names_a_withdrawn_file_answers_gone(self, repo: Repository) -> None:
        file = put_file(repo, b"secret")
        repo.withdraw_files([file.sha256], case="2026-18", reason="copyright")
        with pytest.raises(Gone, match="2026-18"):
            repo.put(sample("x", files=[file]))
        assert contents(repo) == ({}, {})

    def test_a_withdrawn_document_is_gone_even_if_its_file_is_too(self, repo: Repository) -> None:
        file = put_file(repo, b"data")
        record = sample("x", files=[file])
        repo.put(record)
        repo.withdraw([record.address], case="the document", reason="r")
        repo.files.delete([file.sha256])
        with pytest.raises(Gone, match="the document"):
            repo.put(record)

    def test_a_file_store_that_fails_acknowledges_nothing(self, repo: Repository) -> None:
        class Away(Intercepted):
            def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
                raise Unavailable("the file server is gone")

        record = sample("x", files=[put_file(repo, b"data")])
        assert statuses(with_files(repo, Away(repo.files)).put_many([record, sample("y")])) == ["unavailable"] * 2
        assert statuses(repo.put_many([record, sample("y")])) == ["new"] * 2

    @pytest.mark.parametrize(("age", "renewed"), [(3 * DAY_MS, True), (DAY_MS + 60_000, True), (DAY_MS // 2, False)])
    def test_a_put_renews_files_older_than_a_day(self, repo: Repository, age: int, renewed: bool) -> None:
        file = put_file(repo, b"data")
        watched = Renewals(repo.files)
        self.later(with_files(repo, watched), age).put(sample("x", files=[file]))
        assert watched.renewed == ([file.sha256] if renewed else [])

    def test_putting_it_again_renews_the_files_too(self, repo: Repository) -> None:
        record = sample("x", files=[put_file(repo, b"data")])
        repo.put(record)
        watched = Renewals(repo.files)
        self.later(with_files(repo, watched), 9 * DAY_MS).put(record)
        assert watched.renewed == [record.files[0].sha256]

    def test_a_file_that_gc_erased_before_it_was_renewed_is_missing(self, repo: Repository) -> None:
        class Quick(Intercepted):
            def refresh(self, names: Sequence[str]) -> set[str]:
                self.inner.delete(list(names))
                renewed: set[str] = self.inner.refresh(names)
                return renewed

        file = put_file(repo, b"data")
        repo = self.later(repo, 9 * DAY_MS)
        results = with_files(repo, Quick(repo.files)).put_many([sample("x", files=[file]), sample("y")])
        assert statuses(results) == ["refused", "new"]
        assert "is not stored" in str(results[0].error)

    def test_a_document_whose_file_gc_erased_meanwhile_is_taken_back(self, repo: Repository) -> None:
        file, young = put_file(repo, b"old"), put_file(repo, b"young")
        lost, kept = sample("x", files=[file]), sample("y", files=[young])
        results = with_files(repo, Collected(Aged(repo.files, file.sha256))).put_many([lost, kept, lost])
        assert statuses(results) == ["refused", "new", "refused"]
        assert file.sha256 in str(results[0].error)
        assert contents(repo) == ({kept.address: kept.document}, {"y": kept.address})
        put_file(repo, b"old")
        assert statuses(repo.put_many([lost])) == ["new"], "and it can be put again, with its file"

    @pytest.mark.parametrize("order", [(1, 2), (2, 1)])
    def test_taking_back_versions_leaves_the_head_where_it_was(self, repo: Repository, order: tuple[int, int]) -> None:
        versions = [sample("x")]
        file = put_file(repo, b"old")
        for number in range(2):
            versions.append(sample("x", files=[file], state={"n": number}, previous=versions[-1].address))
        put_new(repo, versions[:1])
        repo = self.later(repo, 9 * DAY_MS)
        results = with_files(repo, Collected(repo.files)).put_many([versions[at] for at in order])
        assert statuses(results) == ["refused", "refused"]
        assert contents(repo) == ({versions[0].address: versions[0].document}, {"x": versions[0].address})

    def test_taking_back_a_version_under_a_newer_one_leaves_the_newer_head(self, repo: Repository) -> None:
        file = put_file(repo, b"old")
        below = sample("x", files=[file])
        above = sample("x", previous=below.address)
        repo = self.later(repo, 9 * DAY_MS)
        results = with_files(repo, Collected(repo.files)).put_many([below, above])
        assert statuses(results) == ["refused", "new"]
        assert contents(repo) == ({above.address: above.document}, {"x": above.address})

    def test_taking_back_never_points_a_head_at_another_id(self, repo: Repository) -> None:
        other = sample("y")
        put_new(repo, [other])
        file = put_file(repo, b"old")
        repo = self.later(repo, 9 * DAY_MS)
        thief = sample("x", files=[file], previous=other.address)
        assert statuses(with_files(repo, Collected(repo.files)).put_many([thief])) == ["refused"]
        assert contents(repo)[1] == {"y": other.address}

    def test_a_head_that_others_moved_on_meanwhile_is_left(self, repo: Repository) -> None:
        file = put_file(repo, b"old")
        mine = sample("x", files=[file])
        successor = sample("x", previous=mine.address)
        repo = self.later(repo, 9 * DAY_MS)

        class Busy(Intercepted):
            def put(self, records: Sequence[Record], moves: Sequence[HeadMove]) -> object:
                answer = self.inner.put(records, moves)
                self.inner.put([successor], [HeadMove("x", mine.address, successor.address)])
                return answer

        racing = with_files(with_store(repo, Busy(repo.store)), Collected(repo.files))
        assert statuses(racing.put_many([mine])) == ["refused"]
        assert contents(repo) == ({successor.address: successor.document}, {"x": successor.address})

    def test_a_document_that_was_there_before_is_not_taken_back(self, repo: Repository) -> None:
        file = put_file(repo, b"old")
        record = sample("x", files=[file])
        put_new(repo, [record])
        repo = self.later(repo, 9 * DAY_MS)
        result = with_files(repo, Collected(repo.files)).put_many([record])[0]
        assert result.status is Status.REFUSED, "its file is gone, so it can't be acknowledged"
        assert contents(repo)[0].keys() == {record.address}, "but it isn't this put's to remove"

    def test_if_the_second_look_fails_only_what_depends_on_it_is_not_acknowledged(self, repo: Repository) -> None:
        class Leaves(Intercepted):
            looks = 0

            def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
                self.looks += 1
                if self.looks == 2:
                    raise Unavailable("the file server is gone")
                found: dict[str, StoredFile | Notice] = self.inner.stat(names)
                return found

        old, young = put_file(repo, b"old"), put_file(repo, b"young")
        records = [sample("x", files=[old]), sample("y", files=[young]), sample("z"), sample("x")]
        results = with_files(repo, Leaves(Aged(repo.files, old.sha256))).put_many(records)
        assert statuses(results) == ["unavailable", "new", "new", "conflict"]
        assert statuses(repo.put_many(records[:3])) == ["existed"] * 3

    def test_a_damaged_version_below_does_not_keep_the_head_from_being_put_back(self, repo: Repository) -> None:
        first, _ = chain("x", 2)
        put_new(repo, [first])
        file = put_file(repo, b"old")
        repo = self.later(repo, 9 * DAY_MS)
        second = sample("x", files=[file], previous=first.address)

        class Damaging(Intercepted):
            def get(self, addresses: Sequence[str]) -> dict[str, bytes | Notice]:
                held: dict[str, bytes | Notice] = self.inner.get(addresses)
                return {address: b"damaged" if address == first.address else item for address, item in held.items()}

        racing = with_files(with_store(repo, Damaging(repo.store)), Collected(repo.files))
        assert statuses(racing.put_many([second])) == ["refused"]
        assert repo.head("x") == first.address

    def test_a_file_withdrawn_between_is_no_reason_to_take_back(self, repo: Repository) -> None:
        class Withdrawn(Intercepted):
            def refresh(self, names: Sequence[str]) -> set[str]:
                renewed: set[str] = self.inner.refresh(names)
                self.inner.withdraw([Notice(name, "1", "r", "2026-01-01T00:00:00.000Z") for name in names])
                return renewed

        file = put_file(repo, b"old")
        repo = self.later(repo, 9 * DAY_MS)
        record = sample("x", files=[file])
        assert statuses(with_files(repo, Withdrawn(repo.files)).put_many([record])) == ["new"]
        with pytest.raises(Gone):
            repo.stat_file(file.sha256)
        with pytest.raises(NotFound):
            repo.stat_file("0" * 64)
