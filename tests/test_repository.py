"""The façade: get, history, find, withdrawal and files as docs/semantics.md says, on each pair of stores.

Put and find have modules of their own: test_putting, test_putting_files and test_repository_find.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stat7.address import Address, digest
from stat7.entity import Entity
from stat7.errors import Corrupt, Gone, InvalidEntity, InvalidQuery, NotFound, Unavailable
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.repository import Neighbour, Repository
from stat7.testing.samples import chain, sample, samples
from tests.repositories import (
    KINDS,
    Clock,
    Intercepted,
    addresses,
    contents,
    damage_document,
    damage_file,
    lose_document,
    make_repository,
    put_file,
    put_new,
    with_store,
)

EVERYTHING = Query()
ALL_VERSIONS = Query(versions="all")


@pytest.fixture(params=KINDS)
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    """An empty repository on each pair of stores."""
    with make_repository(request.param, tmp_path / "repository") as made:
        yield made


def found(repo: Repository, query: Query, limit: int | None = None) -> list[Address]:
    """The addresses of what `find` gives, sorted; `find_addresses` must give the same."""
    entities = [entity.address for entity in repo.find(query, limit)]
    assert entities == list(repo.find_addresses(query, limit))
    return sorted(entities)


# Get


def test_get_gives_the_entity_and_its_exact_bytes(repo: Repository) -> None:
    record = sample("x", state={"text": "Ω"})
    repo.put(record)
    assert repo.get(record.address) == Entity.from_record(record)
    assert repo.get(record.address).state == {"text": "Ω"}
    assert repo.get_document(record.address) == record.document
    assert repo.current("x") == repo.get(record.address)


def test_get_of_many_leaves_out_what_is_unknown_and_gives_notices(repo: Repository) -> None:
    kept, withdrawn = sample("x"), sample("y")
    put_new(repo, [kept, withdrawn])
    (notice,) = repo.withdraw([withdrawn.address], case="1", reason="r")
    asked = [kept.address, "0" * 64, withdrawn.address]
    assert repo.get_documents(asked) == {kept.address: kept.document, withdrawn.address: notice}
    assert repo.get_many(asked) == {kept.address: Entity.from_record(kept), withdrawn.address: notice}
    assert repo.get_many([]) == {}


def test_what_is_missing_is_not_found(repo: Repository) -> None:
    repo.put(sample("x"))
    for ask in (
        lambda: repo.get("0" * 64),
        lambda: repo.get_document("0" * 64),
        lambda: repo.head("y"),
        lambda: repo.current("y"),
        lambda: repo.history("y"),
        lambda: repo.stat_file("0" * 64),
        lambda: repo.open_file("0" * 64),
        lambda: repo.neighbours("y"),
        lambda: repo.withdraw_versions("y", case="1", reason="r"),
    ):
        with pytest.raises(NotFound):
            ask()


@pytest.mark.parametrize("at", [0, 50, -1])
def test_damaged_bytes_are_never_returned(repo: Repository, at: int) -> None:
    record, neighbour = sample("x", adjacency=["y"]), sample("y")
    put_new(repo, [record, neighbour])
    damaged = bytearray(record.document)
    damaged[at] ^= 4
    damage_document(repo, record.address, bytes(damaged))
    for ask in (
        lambda: repo.get(record.address),
        lambda: repo.get_document(record.address),
        lambda: repo.get_documents([neighbour.address, record.address]),
        lambda: repo.get_many([record.address]),
        lambda: repo.current("x"),
        lambda: list(repo.history("x")),
        lambda: list(repo.neighbours("x")),
    ):
        with pytest.raises(Corrupt) as caught:
            ask()
        assert caught.value.address == record.address
    assert repo.get(neighbour.address).id == "y"


def test_a_document_under_the_address_of_another_is_corrupt(repo: Repository) -> None:
    record = sample("x")
    repo.put(record)
    damage_document(repo, record.address, sample("y").document)
    with pytest.raises(Corrupt):
        repo.get(record.address)


# History


def test_history_is_newest_first(repo: Repository) -> None:
    versions = chain("x", 4)
    put_new(repo, versions)
    assert [version.address for version in repo.history("x")] == addresses(versions[::-1])


def test_history_ends_at_the_first_version_that_is_not_stored(repo: Repository) -> None:
    versions = chain("x", 4)
    put_new(repo, versions[2:])
    assert [version.address for version in repo.history("x")] == addresses([versions[3], versions[2]])


def test_history_does_not_wander_into_another_id(repo: Repository) -> None:
    other = chain("y", 2)
    thief = sample("x", previous=other[1].address)
    put_new(repo, [*other, thief])
    assert [version.address for version in repo.history("x")] == [thief.address]
    repo.withdraw_versions("x", case="1", reason="r")
    assert [version.address for version in repo.history("y")] == addresses(other[::-1])


def test_history_raises_not_found_before_the_first_step(repo: Repository) -> None:
    with pytest.raises(NotFound):
        repo.history("x")


# Neighbours


def test_neighbours_are_those_named_then_those_that_name(repo: Repository) -> None:
    hero = sample("hero", adjacency=["nowhere", "town", "friend"])
    friend, town, pilgrim = sample("friend", adjacency=["hero"]), sample("town"), sample("pilgrim", adjacency=["hero"])
    put_new(repo, [hero, friend, town, pilgrim])
    assert list(repo.neighbours("hero")) == [
        Neighbour("friend", friend.address, outgoing=True, incoming=True),
        Neighbour("nowhere", None, outgoing=True, incoming=False),
        Neighbour("town", town.address, outgoing=True, incoming=False),
        Neighbour("pilgrim", pilgrim.address, outgoing=False, incoming=True),
    ]
    assert list(repo.neighbours("nowhere")) == [Neighbour("hero", hero.address, outgoing=False, incoming=True)]


def test_neighbours_are_those_of_current_versions(repo: Repository) -> None:
    old = sample("x", adjacency=["a"])
    new = sample("x", adjacency=["b"], previous=old.address)
    a, b = sample("a", adjacency=["x"]), sample("b")
    put_new(repo, [old, new, a, b, sample("a", previous=a.address)])
    assert list(repo.neighbours("x")) == [Neighbour("b", b.address, outgoing=True, incoming=False)]


def test_a_withdrawn_head_still_has_those_that_name_it(repo: Repository) -> None:
    hero, pilgrim = sample("hero", adjacency=["town"]), sample("pilgrim", adjacency=["hero"])
    put_new(repo, [hero, pilgrim])
    repo.withdraw([hero.address], case="1", reason="r")
    assert [neighbour.id for neighbour in repo.neighbours("hero")] == ["pilgrim"]
    assert list(repo.neighbours("pilgrim")) == [Neighbour("hero", hero.address, outgoing=True, incoming=False)]


# Withdrawal


def test_withdrawal_leaves_a_notice_with_id_and_previous_in_place_of_the_document(tmp_path: Path) -> None:
    clock = Clock()
    old, new = chain("x", 2)
    for kind in KINDS:
        with make_repository(kind, tmp_path / kind, clock) as repo:
            put_new(repo, [old, new])
            (notice,) = repo.withdraw([new.address], case="2026-17", reason="personal data")
            assert (notice.address, notice.id, notice.previous) == (new.address, "x", old.address)
            assert (notice.case, notice.reason) == ("2026-17", "personal data")
            with pytest.raises(Gone) as caught:
                repo.get(new.address)
            assert caught.value.notice == notice
            assert contents(repo)[0] == {old.address: old.document, new.address: notice}


def test_after_withdrawal_of_the_head_the_id_is_gone_and_its_history_remains(repo: Repository) -> None:
    versions = chain("x", 3)
    put_new(repo, versions)
    (notice,) = repo.withdraw([versions[2].address], case="1", reason="r")
    assert repo.head("x") == versions[2].address
    with pytest.raises(Gone):
        repo.current("x")
    assert list(repo.history("x")) == [notice, *(Entity.from_record(version) for version in versions[1::-1])]


def test_history_goes_through_the_notice_of_a_version_in_the_middle(repo: Repository) -> None:
    versions = chain("x", 3)
    put_new(repo, versions)
    (notice,) = repo.withdraw([versions[1].address], case="1", reason="r")
    found = list(repo.history("x"))
    assert found == [Entity.from_record(versions[2]), notice, Entity.from_record(versions[0])]


def test_withdrawing_twice_keeps_the_first_notice(repo: Repository) -> None:
    record = sample("x")
    repo.put(record)
    first = repo.withdraw([record.address], case="1", reason="first")
    assert repo.withdraw([record.address], case="2", reason="second") == first


def test_what_was_never_seen_can_be_withdrawn_ahead(repo: Repository) -> None:
    record = sample("x")
    (notice,) = repo.withdraw([record.address], case="1", reason="r")
    assert (notice.id, notice.previous) == (None, None)
    with pytest.raises(Gone):
        repo.get(record.address)


def test_all_versions_of_an_id_are_withdrawn_at_once(repo: Repository) -> None:
    versions = chain("x", 3)
    put_new(repo, [*versions, sample("y")])
    notices = repo.withdraw_versions("x", case="1", reason="r")
    assert [notice.address for notice in notices] == addresses(versions[::-1])
    assert found(repo, ALL_VERSIONS) == [sample("y").address]


def test_more_is_withdrawn_than_the_store_takes_in_one_call(repo: Repository) -> None:
    class Small(Intercepted):
        capabilities = replace(repo.store.capabilities, max_batch=2)

        def withdraw(self, notices: Sequence[Notice]) -> None:
            assert len(notices) <= 2
            self.inner.withdraw(notices)

    records = samples(5)
    put_new(repo, records)
    notices = with_store(repo, Small(repo.store)).withdraw(addresses(records), case="1", reason="r")
    assert [notice.address for notice in notices] == addresses(records)


def test_only_addresses_can_be_withdrawn(repo: Repository) -> None:
    for wrong in ("", "x", "A" * 64, "0" * 63):
        with pytest.raises(InvalidQuery, match="64 lowercase hex"):
            repo.withdraw(["0" * 64, wrong], case="1", reason="r")
        with pytest.raises(InvalidQuery, match="64 lowercase hex"):
            repo.withdraw_files([wrong], case="1", reason="r")
    assert contents(repo) == ({}, {})


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "\ud800", "\x1b[31m"])
def test_case_and_reason_are_one_line_of_text(repo: Repository, text: str) -> None:
    for case, reason in ((text, "r"), ("1", text)):
        with pytest.raises(InvalidEntity, match="one line of text"):
            repo.withdraw(["0" * 64], case=case, reason=reason)
        with pytest.raises(InvalidEntity, match="one line of text"):
            repo.withdraw_files(["0" * 64], case=case, reason=reason)
    assert contents(repo) == ({}, {})


@pytest.mark.parametrize("id", ["", "\ud800", "a\x00b", "x" * 257, "e\u0301"])
def test_what_cannot_be_an_id_is_an_invalid_query(repo: Repository, id: str) -> None:
    for ask in (lambda: repo.head(id), lambda: repo.current(id), lambda: repo.history(id), lambda: repo.neighbours(id)):
        with pytest.raises(InvalidQuery, match="id: "):
            ask()


# Files


def test_files_are_stored_once_and_read_back_whole_or_in_part(repo: Repository) -> None:
    data = bytes(range(256)) * 5000
    stored = repo.put_file(data)
    assert (stored.sha256, stored.size) == (digest(data), len(data))
    assert repo.put_file(data, sha256=stored.sha256).sha256 == stored.sha256
    assert b"".join(repo.open_file(stored.sha256)) == data
    assert b"".join(repo.open_file(stored.sha256, 1000, 2000)) == data[1000:2000]
    assert repo.stat_file(stored.sha256).size == len(data)
    assert len(repo.files.scan(None, 10).items) == 1


def test_damaged_files_are_never_returned(repo: Repository) -> None:
    data = b"some bytes of a file"
    stored = repo.put_file(data)
    damage_file(repo, stored.sha256, b"some bytes of a fill")
    for start, end in ((0, None), (2, 5)):
        with pytest.raises(Corrupt):
            b"".join(repo.open_file(stored.sha256, start, end))


def test_withdrawn_files_are_erased_at_once_and_refused_and_documents_stay(repo: Repository) -> None:
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


def test_entities_are_found_by_an_attached_file(repo: Repository) -> None:
    file = put_file(repo, b"data")
    record = sample("x", files=[file])
    put_new(repo, [record, sample("y")])
    assert found(repo, Query(file=file.sha256)) == [record.address]


# The whole


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    versions = chain("x", 2)
    with make_repository("sqlite", tmp_path / "r") as repo:
        file = put_file(repo, b"data")
        put_new(repo, [*versions, sample("y", files=[file])])
        repo.withdraw([versions[0].address], case="1", reason="r")
        before = contents(repo)
    with make_repository("sqlite", tmp_path / "r") as repo:
        assert contents(repo) == before
        assert b"".join(repo.open_file(file.sha256)) == b"data"


def test_a_closed_repository_is_unavailable_and_closing_twice_is_harmless(repo: Repository) -> None:
    record = sample("x")
    repo.put(record)
    repo.close()
    repo.close()
    with pytest.raises(Unavailable):
        repo.get(record.address)


def test_closing_closes_the_files_even_if_the_store_fails(repo: Repository) -> None:
    closed = []

    class Stubborn(Intercepted):
        def close(self) -> None:
            raise Unavailable("can't close")

    class Noted(Intercepted):
        def close(self) -> None:
            closed.append(True)

    stubborn = with_store(repo, Stubborn(repo.store))
    stubborn.files = Noted(repo.files)
    with pytest.raises(Unavailable), stubborn:
        pass
    assert closed == [True]


def test_times_come_from_the_given_clock(tmp_path: Path) -> None:
    repo = make_repository("memory", tmp_path)
    fixed = Repository(repo.store, repo.files, clock=lambda: 1767225600.5)
    assert fixed.now_ms() == 1767225600500
    (notice,) = fixed.withdraw(["0" * 64], case="1", reason="r")
    assert notice.withdrawn_at == "2026-01-01T00:00:00.500Z"


def test_a_lost_document_is_not_found_though_its_head_is(repo: Repository) -> None:
    record: Record = sample("x")
    repo.put(record)
    lose_document(repo, record.address)
    assert repo.head("x") == record.address
    with pytest.raises(NotFound):
        repo.current("x")
    assert list(repo.history("x")) == []
