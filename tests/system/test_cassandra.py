"""A repository on Cassandra: its suite, the command line, and everything copied there and back."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import stat7
from stat7.address import Address
from stat7.files.base import FileStore
from stat7.files.memory import MemoryFiles
from stat7.operations.copy import copy
from stat7.operations.digest import digest
from stat7.operations.verify import verify
from stat7.stores.base import Store
from stat7.stores.retrying import RetryingStore
from stat7.testing import RepositorySuite
from stat7.testing.samples import random_queries
from stat7.testing.servers import Cassandra
from tests.stores.cassandra import Hooks, empty_store
from tests.system import test_across_stores

ENTITIES = 2_500


class TestRepositoryOnCassandra(RepositorySuite):
    """The rules of a repository, with retries as `stat7.open` has them."""

    @pytest.fixture(autouse=True)
    def _cluster(self, cassandra: Cassandra) -> None:
        self.cluster = cassandra

    def make_stores(self, tmp_path: Path) -> tuple[Store, FileStore]:
        return RetryingStore(empty_store(self.cluster)), MemoryFiles()

    def damage(self, store: Store, address: Address, data: bytes = b"damaged") -> None:
        Hooks().damage(store, address, data)


def _url(cluster: Cassandra) -> str:
    store = empty_store(cluster)
    store.close()
    return f"cassandra://127.0.0.1:{cluster.port}/{store.settings.keyspace}"


def test_everything_survives_a_journey_to_cassandra_and_back(
    tmp_path: Path, cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_across_stores, "ENTITIES", ENTITIES)
    journey = [
        (f"sqlite:{tmp_path / 'first.db'}", f"file:{tmp_path / 'first'}"),
        (_url(cassandra), f"file:{tmp_path / 'second'}"),
        (f"sqlite:{tmp_path / 'last.db'}", f"file:{tmp_path / 'last'}"),
    ]
    repos = [stat7.open(store, files=files) for store, files in journey]
    records = test_across_stores._fill(repos[0])
    queries = random_queries(5, 20, records)
    expected = [sorted(repos[0].find_addresses(query)) for query in queries]
    digests = [digest(repos[0])]
    for source, target in pairwise(repos):
        result = copy(source, target, verify=True)
        assert result.ok, result
        assert result.target is not None
        digests.append(result.target)
        assert [sorted(target.find_addresses(query, allow_scan=True)) for query in queries] == expected
    assert digests == [digests[0]] * len(journey)
    findings: list[object] = []
    verify(repos[1], on_finding=lambda finding, repaired: findings.append(finding))
    assert findings == []
    for repo in repos:
        repo.close()


def test_the_command_line_on_cassandra(tmp_path: Path, cassandra: Cassandra) -> None:
    options = ["--store", _url(cassandra), "--files", f"file:{tmp_path / 'files'}"]

    def run(*words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "stat7", *words, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert "cassandra" in run("init").lower()
    assert "Cassandra 5" in run("doctor")
    assert "cells" in run("explain", "--realm", "data")
    assert "allow-scan" in run("find", "--velocity", "0.5..", code=2)
    run("find", "--velocity", "0.5..", "--allow-scan")
    assert "entities" in run("stats").lower()
