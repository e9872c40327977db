"""Stores on servers that are wrong on purpose, each in one way: for the experiments with PostgreSQL and Cassandra.

All are wrappers for Subject.wrap, which wrap the repository that workers open.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from stat7.address import Address
from stat7.record import Notice
from stat7.repository import Repository
from stat7.stores.base import Store
from stat7.stores.wrapping import StoreWrapper

WAITS: Final = 12.0
"""Seconds that a client which hangs waits for a dead server."""

_NO_INDEX: Final = {
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
    "enable_seqscan": "on",
}
_LOOK: Final = 0.2


def unindexed(repository: Repository) -> Repository:
    """A PostgreSQL store whose connections may not use an index."""
    from psycopg.conninfo import conninfo_to_dict

    from stat7.stores.postgresql import PostgreSQLStore

    settings = _beneath(repository, PostgreSQLStore).settings
    options = str(conninfo_to_dict(settings.conninfo())["options"])
    options += "".join(f" -c {name}={value}" for name, value in _NO_INDEX.items())
    slow = PostgreSQLStore(replace(settings, libpq={**settings.libpq, "options": options}))
    repository.store.close()
    return Repository(slow, repository.files)


def one_by_one(repository: Repository) -> Repository:
    """A repository that gets the documents of a batch one after the other."""
    return _OneByOne(repository.store, repository.files)


def stale(repository: Repository) -> Repository:
    """A repository over a store that keeps showing the head of an id as it was when it was first asked for."""
    return Repository(_Stale(repository.store), repository.files)


def one_is_enough(repository: Repository) -> Repository:
    """A repository on Cassandra that takes the word of one node for that of a quorum, in reads and in writes."""
    from cassandra import ConsistencyLevel

    from stat7.stores.cassandra import CassandraStore

    session = _beneath(repository, CassandraStore)._connection.session
    for profile in session.cluster.profile_manager.profiles.values():
        profile.consistency_level = ConsistencyLevel.ONE
    return repository


def hanging(repository: Repository) -> Repository:
    """A repository that, before each operation, waits for servers that are dead, for WAITS seconds at most."""
    return _Hanging(repository.store, repository.files)


class _OneByOne(Repository):
    """Knows no batches."""

    def get_documents(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """One round trip for each."""
        return {address: self.get_document(address) for address in addresses}


class _Stale(StoreWrapper):
    """Remembers heads, and that there were none."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._seen: dict[str, Address | None] = {}

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """As they were seen first."""
        unknown = [id for id in ids if id not in self._seen]
        found = self.inner.heads(unknown) if unknown else {}
        self._seen.update((id, found.get(id)) for id in unknown)
        return {id: head for id in ids if (head := self._seen[id]) is not None}


class _Hanging(Repository):
    """Holds that a server which is gone will be back in a moment."""

    checked = 0.0

    def get_document(self, address: Address) -> bytes:
        """Wait, then read."""
        self._wait()
        return super().get_document(address)

    def put(self, document: Any) -> Address:
        """Wait, then put."""
        self._wait()
        return super().put(document)

    def head(self, id: str) -> Address:
        """Wait, then look."""
        self._wait()
        return super().head(id)

    def _wait(self) -> None:
        if time.monotonic() - self.checked < _LOOK:
            return
        until = time.monotonic() + WAITS
        while not all(_listens(place) for place in _places(self)) and time.monotonic() < until:
            time.sleep(_LOOK)
        self.checked = time.monotonic()


def _places(repository: Repository) -> list[tuple[str, int]]:
    """Hosts and ports of the nodes, or of the shards."""
    from stat7.stores.cassandra import CassandraStore
    from stat7.stores.sharded import ShardedStore

    store = _beneath(repository, CassandraStore, ShardedStore)
    if isinstance(store, CassandraStore):
        return [(host, store.settings.port) for host in store.settings.hosts]
    hosts = [shard.where.partition("@")[2].partition("/")[0].rpartition(":") for shard in store._shards]
    return [(host, int(port)) for host, _, port in hosts]


def _listens(place: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(place, timeout=_LOOK):
            return True
    except OSError:
        return False


def _beneath(repository: Repository, *kinds: type) -> Any:
    """The store of one of these kinds beneath all wrappers."""
    store: Any = repository.store
    while not isinstance(store, kinds):
        store = store.inner
    return store
