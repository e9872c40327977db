"""Reading back, withdrawal and files, as docs/semantics.md says."""

from __future__ import annotations

import pytest

from stat7.address import digest
from stat7.entity import Entity
from stat7.errors import Corrupt, Gone, InvalidEntity, NotFound
from stat7.query import Query
from stat7.record import Record
from stat7.repository import Neighbour, Repository
from stat7.testing.repositories import (
    addresses,
    contents,
    lead_in_a_circle,
    lose_document,
    put_file,
    put_new,
)
from stat7.testing.repository_base import RepositoryBase
from stat7.testing.samples import chain, sample

EVERYTHING = Query()


ALL_VERSIONS = Query(versions="all")


class ReadingSuite(RepositoryBase):
    """Get, history, neighbours, withdrawal and files."""

    def test_get_gives_the_entity_and_its_exact_bytes(self, repo: Repository) -> None:
        record = sample("x", state={"text": "Ω"})
        repo.put(record)
        assert repo.get(record.address) == Entity.from_record(record)
        assert repo.get(record.address).state == {"text": "Ω"}
        assert repo.get_document(record.address) == record.document
        assert repo.current("x") == repo.get(record.address)

    def test_get_of_many_leaves_out_what_is_unknown_and_gives_notices(self, repo: Repository) -> None:
        kept, withdrawn = sample("x"), sample("y")
        put_new(repo, [kept, withdrawn])
        (notice,) = repo.withdraw([withdrawn.address], case="1", reason="r")
        asked = [kept.address, "0" * 64, withdrawn.address]
        assert repo.get_documents(asked) == {kept.address: kept.document, withdrawn.address: notice}
        assert repo.get_many(asked) == {kept.address: Entity.from_record(kept), withdrawn.address: notice}
        assert repo.get_many([]) == {}

    def test_what_is_missing_is_not_found(self, repo: Repository) -> None:
        repo.put(sample("x"))
        for ask in (
            lambda: repo.get("0" * 64),
            lambda: repo.get_document("0" * 64),
            lambda: repo.head("y"),
            lambda: repo.current("y"),
            lambda: repo.history("y"),
            lambda: repo.stat_file("0" * 64),
            lambda: repo.open_file("0" * 64),
            lambda: self.neighbours(repo, "y"),
            lambda: repo.withdraw_versions("y", case="1", reason="r"),
        ):
            with pytest.raises(NotFound):
                ask()

    @pytest.mark.parametrize("at", [0, 50, -1])
    def test_damaged_bytes_are_never_returned(self, repo: Repository, at: int) -> None:
        record, neighbour = sample("x", adjacency=["y"]), sample("y")
        put_new(repo, [record, neighbour])
        damaged = bytearray(record.document)
        damaged[at] ^= 4
        self.damage(repo.store, record.address, bytes(damaged))
        for ask in (
            lambda: repo.get(record.address),
            lambda: repo.get_document(record.address),
            lambda: repo.get_documents([neighbour.address, record.address]),
            lambda: repo.get_many([record.address]),
            lambda: repo.current("x"),
            lambda: list(repo.history("x")),
            lambda: self.neighbours(repo, "x"),
        ):
            with pytest.raises(Corrupt) as caught:
                ask()
            assert caught.value.address == record.address
        assert repo.get(neighbour.address).id == "y"

    def test_a_document_under_the_address_of_another_is_corrupt(self, repo: Repository) -> None:
        record = sample("x")
        repo.put(record)
        self.damage(repo.store, record.address, sample("y").document)
        with pytest.raises(Corrupt):
            repo.get(record.address)

    def test_history_is_newest_first(self, repo: Repository) -> None:
        versions = chain("x", 4)
        put_new(repo, versions)
        assert [version.address for version in repo.history("x")] == addresses(versions[::-1])

    def test_history_ends_at_the_first_version_that_is_not_stored(self, repo: Repository) -> None:
        versions = chain("x", 4)
        put_new(repo, versions[2:])
        assert [version.address for version in repo.history("x")] == addresses([versions[3], versions[2]])

    def test_notices_that_lead_in_a_circle_end_a_history(self, repo: Repository) -> None:
        circling, notices = lead_in_a_circle(repo, "x", sample("x"))
        assert list(circling.history("x")) == notices
        assert circling.withdraw_versions("x", case="2", reason="r") == notices

    def test_history_does_not_wander_into_another_id(self, repo: Repository) -> None:
        other = chain("y", 2)
        thief = sample("x", previous=other[1].address)
        put_new(repo, [*other, thief])
        assert [version.address for version in repo.history("x")] == [thief.address]
        repo.withdraw_versions("x", case="1", reason="r")
        assert [version.address for version in repo.history("y")] == addresses(other[::-1])

    def test_neighbours_are_those_named_then_those_that_name(self, repo: Repository) -> None:
        hero = sample("hero", adjacency=["nowhere", "town", "friend"])
        friend, town, pilgrim = (
            sample("friend", adjacency=["hero"]),
            sample("town"),
            sample("pilgrim", adjacency=["hero"]),
        )
        put_new(repo, [hero, friend, town, pilgrim])
        assert self.neighbours(repo, "hero") == [
            Neighbour("friend", friend.address, outgoing=True, incoming=True),
            Neighbour("nowhere", None, outgoing=True, incoming=False),
            Neighbour("town", town.address, outgoing=True, incoming=False),
            Neighbour("pilgrim", pilgrim.address, outgoing=False, incoming=True),
        ]
        assert self.neighbours(repo, "nowhere") == [Neighbour("hero", hero.address, outgoing=False, incoming=True)]

    def test_neighbours_are_those_of_current_versions(self, repo: Repository) -> None:
        old = sample("x", adjacency=["a"])
        new = sample("x", adjacency=["b"], previous=old.address)
        a, b = sample("a", adjacency=["x"]), sample("b")
        put_new(repo, [old, new, a, b, sample("a", previous=a.address)])
        assert self.neighbours(repo, "x") == [Neighbour("b", b.address, outgoing=True, incoming=False)]

    def test_a_withdrawn_head_still_has_those_that_name_it(self, repo: Repository) -> None:
        hero, pilgrim = sample("hero", adjacency=["town"]), sample("pilgrim", adjacency=["hero"])
        put_new(repo, [hero, pilgrim])
        repo.withdraw([hero.address], case="1", reason="r")
        assert [neighbour.id for neighbour in self.neighbours(repo, "hero")] == ["pilgrim"]
        assert self.neighbours(repo, "pilgrim") == [Neighbour("hero", hero.address, outgoing=True, incoming=False)]

    def test_withdrawal_leaves_a_notice_with_id_and_previous_in_place_of_the_document(self, repo: Repository) -> None:
        old, new = chain("x", 2)
        put_new(repo, [old, new])
        (notice,) = repo.withdraw([new.address], case="2026-17", reason="personal data")
        assert (notice.address, notice.id, notice.previous) == (new.address, "x", old.address)
        assert (notice.case, notice.reason) == ("2026-17", "personal data")
        with pytest.raises(Gone) as caught:
            repo.get(new.address)
        assert caught.value.notice == notice
        assert contents(repo)[0] == {old.address: old.document, new.address: notice}

    def test_after_withdrawal_of_the_head_the_id_is_gone_and_its_history_remains(self, repo: Repository) -> None:
        versions = chain("x", 3)
        put_new(repo, versions)
        (notice,) = repo.withdraw([versions[2].address], case="1", reason="r")
        assert repo.head("x") == versions[2].address
        with pytest.raises(Gone):
            repo.current("x")
        assert list(repo.history("x")) == [notice, *(Entity.from_record(version) for version in versions[1::-1])]

    def test_history_goes_through_the_notice_of_a_version_in_the_middle(self, repo: Repository) -> None:
        versions = chain("x", 3)
        put_new(repo, versions)
        (notice,) = repo.withdraw([versions[1].address], case="1", reason="r")
        found = list(repo.history("x"))
        assert found == [Entity.from_record(versions[2]), notice, Entity.from_record(versions[0])]

    def test_withdrawing_twice_keeps_the_first_notice(self, repo: Repository) -> None:
        record = sample("x")
        repo.put(record)
        first = repo.withdraw([record.address], case="1", reason="first")
        assert repo.withdraw([record.address], case="2", reason="second") == first

    def test_what_was_never_seen_can_be_withdrawn_ahead(self, repo: Repository) -> None:
        record = sample("x")
        (notice,) = repo.withdraw([record.address], case="1", reason="r")
        assert (notice.id, notice.previous) == (None, None)
        with pytest.raises(Gone):
            repo.get(record.address)

    def test_all_versions_of_an_id_are_withdrawn_at_once(self, repo: Repository) -> None:
        versions = chain("x", 3)
        put_new(repo, [*versions, sample("y")])
        notices = repo.withdraw_versions("x", case="1", reason="r")
        assert [notice.address for notice in notices] == addresses(versions[::-1])
        assert self.found(repo, ALL_VERSIONS) == [sample("y").address]

    @pytest.mark.parametrize("text", ["", "  ", "two\nlines", "\ud800", "\x1b[31m"])
    def test_case_and_reason_are_one_line_of_text(self, repo: Repository, text: str) -> None:
        for case, reason in ((text, "r"), ("1", text)):
            with pytest.raises(InvalidEntity, match="one line of text"):
                repo.withdraw(["0" * 64], case=case, reason=reason)
            with pytest.raises(InvalidEntity, match="one line of text"):
                repo.withdraw_files(["0" * 64], case=case, reason=reason)
        assert contents(repo) == ({}, {})

    def test_files_are_stored_once_and_read_back_whole_or_in_part(self, repo: Repository) -> None:
        data = bytes(range(256)) * 5000
        stored = repo.put_file(data)
        assert (stored.sha256, stored.size) == (digest(data), len(data))
        assert repo.put_file(data, sha256=stored.sha256).sha256 == stored.sha256
        assert b"".join(repo.open_file(stored.sha256)) == data
        assert b"".join(repo.open_file(stored.sha256, 1000, 2000)) == data[1000:2000]
        assert repo.stat_file(stored.sha256).size == len(data)
        assert len(repo.files.scan(None, 10).items) == 1

    def test_damaged_files_are_never_returned(self, repo: Repository) -> None:
        data = b"some bytes of a file"
        stored = repo.put_file(data)
        self.damage_file(repo.files, stored.sha256, b"some bytes of a fill")
        for start, end in ((0, None), (2, 5)):
            with pytest.raises(Corrupt):
                b"".join(repo.open_file(stored.sha256, start, end))

    def test_withdrawn_files_are_erased_at_once_and_refused_and_documents_stay(self, repo: Repository) -> None:
        file = put_file(repo, b"secret")
        record = sample("x", files=[file])
        repo.put(record)
        (notice,) = repo.withdraw_files([file.sha256], case="2026-18", reason="copyright")
        assert notice.address == file.sha256
        for ask in (
            lambda: repo.open_file(file.sha256),
            lambda: repo.stat_file(file.sha256),
            lambda: repo.put_file(b"secret"),
        ):
            with pytest.raises(Gone, match="2026-18"):
                ask()
        assert repo.get(record.address).files == (file,)
        again = repo.withdraw_files([file.sha256], case="other", reason="r")
        assert again == [notice]

    def test_entities_are_found_by_an_attached_file(self, repo: Repository) -> None:
        file = put_file(repo, b"data")
        record = sample("x", files=[file])
        put_new(repo, [record, sample("y")])
        assert self.found(repo, Query(file=file.sha256)) == [record.address]

    def test_a_lost_document_is_not_found_though_its_head_is(self, repo: Repository) -> None:
        record: Record = sample("x")
        repo.put(record)
        lose_document(repo, record.address)
        assert repo.head("x") == record.address
        with pytest.raises(NotFound):
            repo.current("x")
        assert list(repo.history("x")) == []
