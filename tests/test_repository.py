"""What the suite for repositories doesn't ask of the façade: wrong arguments, large withdrawals, closing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stat7.errors import InvalidQuery, NotFound, Unavailable
from stat7.record import Notice
from stat7.repository import Repository
from stat7.testing.samples import chain, sample, samples
from tests.repositories import (
    Intercepted,
    addresses,
    contents,
    make_repository,
    put_file,
    put_new,
    with_store,
)


def test_history_raises_not_found_before_the_first_step(repo: Repository) -> None:
    with pytest.raises(NotFound):
        repo.history("x")


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


@pytest.mark.parametrize("id", ["", "\ud800", "a\x00b", "x" * 257, "e\u0301"])
def test_what_cannot_be_an_id_is_an_invalid_query(repo: Repository, id: str) -> None:
    for ask in (lambda: repo.head(id), lambda: repo.current(id), lambda: repo.history(id), lambda: repo.neighbours(id)):
        with pytest.raises(InvalidQuery, match="id: "):
            ask()


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
