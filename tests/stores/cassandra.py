"""What the tests of the Cassandra store share: one keyspace for many tests, since changes of the schema are slow."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from stat7.address import Address
from stat7.stores.base import Store
from stat7.stores.cassandra import CassandraStore, Settings
from stat7.stores.cassandra.schema import TABLES
from stat7.stores.cassandra.session import Connection
from stat7.testing.servers import Cassandra

_made: dict[tuple[str, int], list[str]] = {}


def settings_for(cluster: Cassandra, keyspace: str, **given: Any) -> Settings:
    """Settings for that keyspace, each row kept on every node."""
    replication: Mapping[str, int] = {"replication_factor": len(cluster.nodes)}
    return Settings(tuple(cluster.contact_points), cluster.port, keyspace, **{"replication": replication} | given)


def empty_store(cluster: Cassandra, number: int = 0, **given: Any) -> CassandraStore:
    """A store in the keyspace of that number, emptied."""
    made = _made.setdefault((cluster.contact_points[0], cluster.port), [])
    while len(made) <= number:
        made.append(cluster.keyspace())
    store = CassandraStore(settings_for(cluster, made[number], **given))
    empty(store)
    return store


def empty(store: Store) -> None:
    """Leave nothing in the tables but the schema's version."""
    raw = below(store)
    for table in TABLES[1:]:
        if raw.run(f"SELECT * FROM $.{table} LIMIT 1"):
            raw.define(f"TRUNCATE $.{table}")
    for kind in ("mark", "realm"):
        raw.run("DELETE FROM $.names WHERE kind = ?", kind)


def below(store: Store) -> Connection:
    """What the store's own statements go through."""
    inner: Any = store
    with suppress(AttributeError):
        while True:
            inner = inner.inner
    assert isinstance(inner, CassandraStore)
    return inner._connection


class Hooks:
    """The suites' hooks for looking below a store."""

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        """See StoreSuite."""
        rows = below(store).run("SELECT document FROM $.entities WHERE address = ?", bytes.fromhex(address))
        return rows[0][0] if rows else None

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        """See StoreSuite."""
        below(store).run("UPDATE $.entities SET document = ? WHERE address = ?", data, bytes.fromhex(address))

    def damage_index(self, store: Store, address: Address) -> None:
        """See StoreSuite."""
        raw = bytes.fromhex(address)
        rows = below(store).run("SELECT realm, horizon, lineage FROM $.entities WHERE address = ?", raw)
        realm, horizon, lineage = rows[0]
        delete = "DELETE FROM $.cells WHERE realm = ? AND horizon = ? AND bucket = ? AND lineage = ? AND address = ?"
        below(store).run(delete, realm, horizon, raw[0] * below(store).buckets >> 8, lineage, raw)
