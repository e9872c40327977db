"""A repository on Cassandra: its suite, the command line, and everything copied there and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stat7.address import Address
from stat7.files.base import FileStore
from stat7.files.memory import MemoryFiles
from stat7.stores.base import Store
from stat7.stores.retrying import RetryingStore
from stat7.testing import RepositorySuite
from stat7.testing.servers import Cassandra
from tests.stores.cassandra import Hooks, empty_store

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
