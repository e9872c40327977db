"""stats counts exactly what can be counted, and says what it estimates from how many."""

from __future__ import annotations

import json

import pytest

from stat7.operations import stats as stats_module
from stat7.operations.stats import stats
from stat7.repository import Repository
from stat7.testing.samples import chain, sample, samples
from tests.repositories import (
    Intercepted,
    damage_document,
    put_file,
    put_new,
    with_files,
    with_store,
)


def test_everything_is_counted(repo: Repository) -> None:
    put_new(repo, [*chain("x", 3), sample("y", realm="void", horizon="peak"), sample("z", realm="void")])
    repo.withdraw([sample("z", realm="void").address], case="1", reason="r")
    put_file(repo, b"12345")
    put_file(repo, b"123")
    repo.withdraw_files([put_file(repo, b"withdrawn").sha256], case="1", reason="r")
    counted = stats(repo)
    assert json.loads(json.dumps(counted)) == counted
    disk = counted.pop("disk_bytes")
    assert counted == {
        "entities": 4,
        "heads": 3,
        "files": {"stored": 2, "bytes": 8, "withdrawn": 1},
        "realms": {"data": 3, "void": 1},
        "horizons": {"genesis": 3, "peak": 1},
        "sampled": 4,
        "kinds": {"store": repo.store.capabilities.name, "files": repo.files.name},
    }
    assert all(isinstance(size, int) for size in disk.values())
    assert list(counted["horizons"]) == ["genesis", "peak"], "in the order of the lifecycle"


def test_nothing_stored_is_counted_as_nothing(repo: Repository) -> None:
    counted = stats(repo)
    assert (counted["entities"], counted["heads"], counted["sampled"]) == (0, 0, 0)
    assert counted["realms"] == counted["horizons"] == {}


def test_shares_of_many_entities_are_estimated_from_a_sample(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats_module, "SAMPLE", 500)
    put_new(repo, [*samples(2400), *(sample(f"void {n}", realm="void") for n in range(600))])
    counted = stats(repo)
    assert counted["entities"] == 3000
    assert counted["sampled"] == 500
    assert sum(counted["realms"].values()) == pytest.approx(3000, abs=2)
    # 20 % of a random 500: five standard deviations are 9 points.
    assert 330 <= counted["realms"]["void"] <= 870


def test_damaged_documents_are_passed_over(repo: Repository) -> None:
    put_new(repo, samples(3))
    damage_document(repo, samples(3)[0].address)
    counted = stats(repo)
    assert (counted["entities"], counted["sampled"]) == (3, 2)


def test_stores_that_cannot_tell_their_size_have_none(repo: Repository) -> None:
    class Silent(Intercepted):
        disk_bytes = None

    silent = with_files(with_store(repo, Silent(repo.store)), Silent(repo.files))
    assert stats(silent)["disk_bytes"] == {"store": None, "files": None}
