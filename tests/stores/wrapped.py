"""The published suites through a wrapper, around SQLite (looking below it with apsw itself) or around memory."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw

from stat7.address import Address
from stat7.stores.base import Store
from stat7.stores.memory import MemoryStore
from stat7.stores.sqlite import SQLiteStore
from stat7.stores.wrapping import StoreWrapper
from stat7.testing import EntityStoreSuite, HeadStoreSuite


class WrappedSQLite(EntityStoreSuite, HeadStoreSuite):
    """Subclass it in a test module and give `wrap`."""

    def wrap(self, inner: Store) -> StoreWrapper:
        """The wrapper around a store that was just opened."""
        raise NotImplementedError

    def make_store(self, tmp_path: Path) -> Store:
        """A new database, wrapped."""
        return self.wrap(SQLiteStore(tmp_path / "store.db"))

    def reopen(self, store: Store) -> Store:
        """The same database, wrapped anew."""
        path = path_of(store)
        store.close()
        return self.wrap(SQLiteStore(path))

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        """From its row."""
        statement = "SELECT document FROM documents WHERE address = ?"
        with closing(apsw.Connection(path_of(store))) as raw:
            for (document,) in raw.execute(statement, (bytes.fromhex(address),)):
                assert isinstance(document, bytes)
                return document
        return None

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        """In its row."""
        damage(store, address, data)


class WrappedMemory(EntityStoreSuite, HeadStoreSuite):
    """The same around a store in memory, a tenth of the time."""

    def wrap(self, inner: Store) -> StoreWrapper:
        """The wrapper around a store that was just opened."""
        raise NotImplementedError

    def make_store(self, tmp_path: Path) -> Store:
        """A named one, which stands for one that is reopened."""
        return self.wrap(MemoryStore(str(tmp_path)))

    def reopen(self, store: Store) -> Store:
        """The same name."""
        name = below(store).name
        store.close()
        return self.wrap(MemoryStore(name))

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        """From its dict."""
        return below(store).contents().documents.get(address)

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        """In its dict."""
        below(store).contents().documents[address] = data

    def damage_index(self, store: Store, address: Address) -> None:
        """In its dict."""
        del below(store).contents().files[address]


def below(store: Store) -> MemoryStore:
    """The store in memory under any number of wrappers."""
    while isinstance(store, StoreWrapper):
        store = store.inner
    assert isinstance(store, MemoryStore)
    return store


def damage(store: Store, address: Address, data: bytes) -> None:
    """Put other bytes in place of a document, below the store."""
    with closing(apsw.Connection(path_of(store))) as raw:
        raw.execute("UPDATE documents SET document = ? WHERE address = ?", (data, bytes.fromhex(address)))


def path_of(store: Store) -> str:
    """Where the database is: wrappers pass `path` on."""
    return str(getattr(store, "path"))  # noqa: B009 - no part of the contract
