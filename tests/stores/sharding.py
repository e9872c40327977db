"""What the tests of sharded stores share: sets in memory and on PostgreSQL, ids and records of a chosen shard."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from stat7.record import Record
from stat7.stores.base import Store
from stat7.stores.memory import MemoryStore
from stat7.stores.postgresql import PostgreSQLStore, Settings
from stat7.stores.sharded import ShardedStore, ShardMap
from stat7.stores.sharded.making import make_set
from stat7.testing.samples import sample


def over(stores: Sequence[Store], shard_map: ShardMap | None = None) -> ShardedStore:
    """A new set over these open and empty stores."""
    shard_map = shard_map or ShardMap.equal(len(stores))
    make_set(stores, shard_map, [f"store {number}" for number in range(len(stores))])
    openers: list[Callable[[], Store]] = [partial(_same, store) for store in stores]
    return ShardedStore(openers, shard_map)


def _same(store: Store) -> Store:
    return store


def open_memory(name: str, shard_map: ShardMap) -> ShardedStore:
    """The set whose shards are memory stores of this name and their number; opened once more it is the same."""
    return ShardedStore([partial(MemoryStore, f"{name}/{n}") for n in range(shard_map.count)], shard_map)


def make_memory(name: str, count: int) -> ShardedStore:
    """Make such a set."""
    shard_map = ShardMap.equal(count)
    stores = [MemoryStore(f"{name}/{n}") for n in range(count)]
    make_set(stores, shard_map, [store.name for store in stores])
    return open_memory(name, shard_map)


def schemas(url: str, prefix: str, count: int) -> list[Settings]:
    """Where the shards of a set are that lie in one database."""
    return [Settings(url, schema=f"{prefix}_{number}", pool=12) for number in range(count)]


def open_postgresql_set(places: Sequence[Settings], shard_map: ShardMap) -> ShardedStore:
    """A set on PostgreSQL that was made before."""
    openers = [partial(PostgreSQLStore, place, make=False) for place in places]
    return ShardedStore(openers, shard_map, [f"{place.where()}/{place.schema}" for place in places])


def make_postgresql_set(places: Sequence[Settings]) -> ShardedStore:
    """Make a set on PostgreSQL, with its CHECKs."""
    with ThreadPoolExecutor(len(places)) as pool:
        return over(list(pool.map(PostgreSQLStore, places)))


def shard_at(store: Store, number: int) -> Any:
    """The store of one shard."""
    assert isinstance(store, ShardedStore)
    return store._shards[number].store


def ids_at(shard_map: ShardMap, number: int) -> Iterator[str]:
    """Ids whose heads live on this shard."""
    return (id for id in map("id-{}".format, itertools.count()) if shard_map.home_of(id) == number)


def records_at(shard_map: ShardMap, number: int, prefix: str = "record", head: int | None = None) -> Iterator[Record]:
    """Records that live on this shard and, if `head` is given, whose ids' heads live on that one."""
    for n in itertools.count():
        id = f"{prefix}-{n}"
        if head is None or shard_map.home_of(id) == head:
            record = sample(id)
            if shard_map.shard_of(record.address) == number:
                yield record
