"""A store over several: each holds the addresses of one range, and the heads of the ids whose SHA-256 lies in it.

Which range is whose says the map (shard_map.py), which every shard keeps as a mark; a shard is used only once its map
was found to be ours (shard.py). Sets are made by making.py, where the engine can it refuses rows of other ranges.
"""

from stat7.stores.sharded.shard_map import ShardMap
from stat7.stores.sharded.store import ShardedStore

__all__ = ["ShardMap", "ShardedStore"]
