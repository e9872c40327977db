"""The published suites through all wrappers at once, on the servers that they are for: PostgreSQL, Redis and S3."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stat7.address import Address
from stat7.backoff import Backoff
from stat7.files.base import FileStore
from stat7.files.memory import MemoryFiles
from stat7.files.metered import MeteredFiles
from stat7.files.replicated import ReplicatedFiles
from stat7.metrics import Metrics
from stat7.registry import open_files
from stat7.stores.base import Store
from stat7.stores.memory import MemoryStore
from stat7.stores.metered import MeteredStore
from stat7.stores.postgresql import PostgreSQLStore, Settings
from stat7.stores.replicated import ReplicatedStore
from stat7.stores.retrying import RetryingStore
from stat7.stores.wrapping import StoreWrapper
from stat7.testing import EntityStoreSuite, HeadStoreSuite, RepositorySuite
from stat7.testing.servers import Bucket
from tests.files.buckets import BelowObstore, ObjectFilesSuite, prefix_of
from tests.stores.caching import cached


def open_postgresql(url: str, folder: Path) -> PostgreSQLStore:
    """A store in a schema of its own for each folder."""
    return PostgreSQLStore(Settings(url, schema=f"s{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"))


def connect_below(store: Store) -> psycopg.Connection[Any]:
    """The driver's own connection to what a store keeps, under any number of wrappers."""
    while isinstance(store, StoreWrapper):
        store = store.inner
    assert isinstance(store, PostgreSQLStore)
    return psycopg.connect(store.settings.conninfo(), autocommit=True)


def damage_row(store: Store, address: Address, data: bytes) -> None:
    """Put other bytes in place of a document, below the store."""
    with connect_below(store) as raw:
        raw.execute("UPDATE entities SET document = %s WHERE address = %s", (data, bytes.fromhex(address)))


class TestEveryWrapperOfStores(EntityStoreSuite, HeadStoreSuite):
    """Metrics, cache, replica and retries around PostgreSQL, in the order of `stat7.open`."""

    examples = 10

    @pytest.fixture(autouse=True)
    def _servers(self, postgres_url: str, redis_url: str) -> None:
        self.url, self.cache = postgres_url, redis_url

    def wrap(self, inner: Store) -> Store:
        """All of them; the replica has nothing."""
        return MeteredStore(
            cached(ReplicatedStore(RetryingStore(inner, Backoff()), MemoryStore), self.cache), Metrics()
        )

    def make_store(self, tmp_path: Path) -> Store:
        return self.wrap(open_postgresql(self.url, tmp_path))

    def reopen(self, store: Store) -> Store:
        settings = getattr(store, "settings")  # noqa: B009 - no part of the contract
        store.close()
        return self.wrap(PostgreSQLStore(settings))

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        with connect_below(store) as raw:
            rows = raw.execute("SELECT document FROM entities WHERE address = %s", (bytes.fromhex(address),)).fetchall()
        return rows[0][0] if rows else None

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        damage_row(store, address, data)


class TestEveryWrapperOfFiles(ObjectFilesSuite):
    """Metrics and replica around a bucket of S3."""

    @pytest.fixture(autouse=True)
    def _bucket(self, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        self.use(BelowObstore(s3_bucket), monkeypatch)

    def wrap(self, inner: FileStore) -> FileStore:
        """Both; the replica has nothing."""
        return MeteredFiles(ReplicatedFiles(inner, MemoryFiles), Metrics())

    def make_store(self, tmp_path: Path) -> FileStore:
        return self.wrap(super().make_store(tmp_path))

    def reopen(self, store: FileStore) -> FileStore:
        return self.wrap(super().reopen(store))


class TestPostgreSQLAndABucket(RepositorySuite):
    """What a store of entities and one of files must do together."""

    @pytest.fixture(autouse=True)
    def _servers(self, postgres_url: str, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self.below = postgres_url, BelowObstore(s3_bucket)
        for name, value in s3_bucket.environment.items():
            monkeypatch.setenv(name, value)

    def make_stores(self, tmp_path: Path) -> tuple[Store, FileStore]:
        files = open_files(f"{self.below.bucket.url}/{secrets.token_hex(4)}")
        return open_postgresql(self.url, tmp_path), files

    def damage(self, store: Store, address: Address, data: bytes = b"damaged") -> None:
        damage_row(store, address, data)

    def damage_file(self, files: FileStore, sha256: str, data: bytes) -> None:
        self.below.write(f"{prefix_of(files)}files/{sha256}", data)
        if self.below.read(f"{prefix_of(files)}chunks/{sha256}") is not None:
            self.below.erase(f"{prefix_of(files)}chunks/{sha256}")
