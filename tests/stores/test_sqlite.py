"""SQLiteStore passes the published suites on real files."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw

from stat7.address import Address
from stat7.stores.base import Store
from stat7.stores.sqlite import SQLiteStore
from stat7.testing import EntityStoreSuite, HeadStoreSuite


class TestSQLiteStore(EntityStoreSuite, HeadStoreSuite):
    """The conformance suites, looking below the store with apsw itself."""

    def make_store(self, tmp_path: Path) -> Store:
        return SQLiteStore(tmp_path / "store.db")

    def reopen(self, store: Store) -> Store:
        store.close()
        return SQLiteStore(_path(store))

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        with closing(apsw.Connection(_path(store))) as raw:
            rows = raw.execute("SELECT document FROM documents WHERE address = ?", (bytes.fromhex(address),)).fetchall()
        return rows[0][0] if rows else None

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        with closing(apsw.Connection(_path(store))) as raw:
            raw.execute("UPDATE documents SET document = ? WHERE address = ?", (data, bytes.fromhex(address)))

    def damage_index(self, store: Store, address: Address) -> None:
        with closing(apsw.Connection(_path(store))) as raw:
            raw.execute(
                "DELETE FROM links WHERE segment = -1 AND key IN (SELECT key FROM coordinates WHERE seq = "
                "(SELECT seq FROM documents WHERE address = ?))",
                (bytes.fromhex(address),),
            )
            raw.execute(
                "UPDATE coordinates SET realm = 'other', lineage = NULL WHERE seq = "
                "(SELECT seq FROM documents WHERE address = ?)",
                (bytes.fromhex(address),),
            )


def _path(store: Store) -> str:
    assert isinstance(store, SQLiteStore)
    return store.path
