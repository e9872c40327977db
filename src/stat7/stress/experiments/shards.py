"""A set of PostgreSQL shards of an experiment's own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from stat7.registry.shards import ShardURL, shards_text
from stat7.stores.sharded import ShardMap
from stat7.stores.sharded.making import make_set


def make_shards(urls: Sequence[str], folder: Path) -> Path:
    """Make empty databases the shards of a new set; the file of its map, which holds their passwords, in `folder`."""
    shard_map = ShardMap.equal(len(urls))
    shards = [ShardURL.read(url) for url in urls]
    with ExitStack() as opened:
        stores = []
        for shard in shards:
            stores.append(shard.config.open(make=True))
            opened.callback(stores[-1].close)
        make_set(stores, shard_map, [shard.place for shard in shards])
    file = folder / "shards.toml"
    file.touch(mode=0o600)
    file.write_text(shards_text(shard_map, urls), "utf-8")
    return file
