"""PostgreSQLStore passes the published suites on a real server, each store in an empty database of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import psycopg
import pytest

from stat7.address import Address
from stat7.stores.base import Store
from stat7.stores.postgresql import PostgreSQLStore, Settings
from stat7.testing import EntityStoreSuite, HeadStoreSuite


class TestPostgreSQLStore(EntityStoreSuite, HeadStoreSuite):
    """The conformance suites, looking below the store with psycopg itself."""

    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self.url = postgres_url

    def make_store(self, tmp_path: Path) -> Store:
        schema = f"s{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]}"
        return PostgreSQLStore(Settings(self.url, schema=schema))

    def reopen(self, store: Store) -> Store:
        store.close()
        return PostgreSQLStore(_settings(store))

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        with _below(store) as raw:
            rows = raw.execute("SELECT document FROM entities WHERE address = %s", (bytes.fromhex(address),)).fetchall()
        return rows[0][0] if rows else None

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        with _below(store) as raw:
            raw.execute("UPDATE entities SET document = %s WHERE address = %s", (data, bytes.fromhex(address)))

    def damage_index(self, store: Store, address: Address) -> None:
        with _below(store) as raw:
            raw.execute(
                "UPDATE entities SET realm = 'other', lineage = NULL, links = NULL WHERE address = %s",
                (bytes.fromhex(address),),
            )


def _settings(store: Store) -> Settings:
    assert isinstance(store, PostgreSQLStore)
    return store.settings


def _below(store: Store) -> psycopg.Connection:
    return psycopg.connect(_settings(store).conninfo(), autocommit=True)
