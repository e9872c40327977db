"""Making a set of shards: empty stores get their ranges, which the engine enforces if it can, and the map as a mark."""

from __future__ import annotations

from collections.abc import Sequence

from stat7.errors import ConfigError
from stat7.stores.base import Store
from stat7.stores.sharded.shard_map import MARK, ShardMap


def make_set(stores: Sequence[Store], shard_map: ShardMap, names: Sequence[str]) -> None:
    """Make these stores the shards of the map, in its order. Raises ConfigError if one holds data already.

    All are looked at before the first is changed. Repeating it after it was cut off is harmless, also with another map.
    """
    for store, name in zip(stores, names, strict=True):
        _must_be_empty(store, name)
    for number, store in enumerate(stores):
        restrict = getattr(store, "restrict", None)
        if restrict is not None:
            restrict(*shard_map.range_of(number))
        store.set_mark(MARK, shard_map.mark(number))
    for number, (store, name) in enumerate(zip(stores, names, strict=True)):
        if shard_map.objection(number, store.marks().get(MARK)) is not None:
            raise ConfigError(f"{name} is named twice; each shard needs a schema or database of its own")


def _must_be_empty(store: Store, name: str) -> None:
    if store.scan(None, 1).items or store.scan_heads(None, 1).items:
        advice = "name an empty schema by ?schema=NAME, and copy its contents by `stat7 copy` when the shards are made"
        raise ConfigError(f"{name} holds data already; {advice}")
