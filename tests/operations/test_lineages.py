"""Versions that no head leads to and links that are missing are listed, and only those."""

from __future__ import annotations

from stat7.contracts import Page
from stat7.repository import Repository
from stat7.testing.samples import chain, sample, samples
from tests.operations.verifying import fill, findings
from tests.repositories import (
    Intercepted,
    damage_document,
    lose_document,
    put_new,
    store_below,
    with_store,
)


def test_versions_that_their_head_does_not_lead_to_are_listed(repo: Repository) -> None:
    records = fill(repo)
    fork = sample("x", state={"lost": "a race"}, previous=records[1].address)
    follower = sample("x", previous=fork.address)
    headless = chain("headless", 2)
    store_below(repo, fork, follower, *headless)
    result, found = findings(repo)
    assert sorted(found) == sorted(("unreferenced", record.address, False) for record in (fork, follower, *headless))
    assert result.ok


def test_a_version_without_any_head_is_completed_by_putting_it_again(repo: Repository) -> None:
    headless = chain("headless", 2)
    store_below(repo, *headless)
    assert len(findings(repo)[1]) == 2
    repo.put_many(headless)
    assert findings(repo)[1] == []


def test_versions_behind_a_missing_link_are_listed_with_the_link(repo: Repository) -> None:
    versions = chain("x", 4)
    put_new(repo, versions)
    lose_document(repo, versions[2].address)
    assert sorted(findings(repo)[1]) == sorted(
        [
            ("missing-version", versions[2].address, False),
            ("unreferenced", versions[0].address, False),
            ("unreferenced", versions[1].address, False),
        ]
    )


def test_history_that_arrived_out_of_order_is_no_harm(repo: Repository) -> None:
    versions = chain("x", 4)
    put_new(repo, [versions[3]])
    result, found = findings(repo)
    assert found == [("missing-version", versions[2].address, False)]
    assert result.ok
    for version in versions[2::-1]:
        put_new(repo, [version])
    assert findings(repo)[1] == []


def test_withdrawn_versions_carry_history_on(repo: Repository) -> None:
    versions = chain("x", 4)
    put_new(repo, versions)
    repo.withdraw([versions[1].address, versions[3].address], case="1", reason="r")
    assert findings(repo)[1] == []


def test_a_previous_of_another_id_is_neither_missing_nor_followed(repo: Repository) -> None:
    versions = chain("y", 2)
    thief = sample("x", previous=versions[1].address)
    put_new(repo, [*versions, thief])
    assert findings(repo)[1] == []


def test_a_stray_version_that_goes_away_while_verify_runs_is_no_finding(repo: Repository) -> None:
    withdrawn, damaged, discarded = strays = samples(3, "stray")
    store_below(repo, *strays)

    class Changing(Intercepted):
        def scan_heads(self, cursor: str | None, limit: int) -> object:
            repo.withdraw([withdrawn.address], case="1", reason="r")
            damage_document(repo, damaged.address)
            lose_document(repo, discarded.address)
            return self.inner.scan_heads(cursor, limit)

    assert findings(with_store(repo, Changing(repo.store)))[1] == []


def test_a_head_that_moves_while_verify_runs_is_no_finding(repo: Repository) -> None:
    versions = chain("x", 3)
    put_new(repo, versions[:2])

    class Moving(Intercepted):
        scans = 0

        def scan_heads(self, cursor: str | None, limit: int) -> object:
            page = self.inner.scan_heads(cursor, limit)
            self.scans += 1
            repo.put(versions[2])
            gone = [("x", "0" * 64), ("went", "0" * 64)] if self.scans == 1 else []
            return Page([*gone, *page.items], page.cursor)

    assert findings(with_store(repo, Moving(repo.store)))[1] == []
