"""Verified gets through a Redis cache, 100 at a time, against bare MGET and hashlib on the same Redis.

Ours goes through the repository, a store in SQLite behind the cache: every hit is hashed by the cache and once more by
the repository. The baseline asks redis-py for the same documents by keys of the same length and hashes each once. A
further line says what the cache gains over the store itself, in this one process with everything in memory.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import redis
from _entities import filled_store
from _measure import compare, options, report_rate

from stat7.files.memory import MemoryFiles
from stat7.registry import open_cache
from stat7.repository import Repository
from stat7.stores.cached import CachedStore, renew
from stat7.stores.redis.cache import RedisCache
from stat7.testing.servers import Redis

TOGETHER = 100
GETS = 5_000
"""Gets in a round."""


def ours(repository: Repository, addresses: Sequence[str]) -> None:
    """Get documents TOGETHER at a time."""
    for at in range(0, len(addresses), TOGETHER):
        held = repository.get_documents(addresses[at : at + TOGETHER])
        assert len(held) == TOGETHER


def bare(client: redis.Redis, addresses: Sequence[str]) -> None:
    """The same with nothing but redis-py and hashlib."""
    for at in range(0, len(addresses), TOGETHER):
        part = addresses[at : at + TOGETHER]
        values: Any = client.mget([b"x" * 24 + bytes.fromhex(address) for address in part])
        for address, value in zip(part, values, strict=True):
            if hashlib.sha256(value).hexdigest() != address:
                raise AssertionError(address)


def fill(client: redis.Redis, repository: Repository, addresses: Sequence[str]) -> None:
    """Put the same documents under plain keys, and read all of them once through the cache."""
    for at in range(0, len(addresses), 500):
        held: dict[str, Any] = {**repository.get_documents(addresses[at : at + 500])}
        client.mset({b"x" * 24 + bytes.fromhex(address): document for address, document in held.items()})
        repository.get_documents(addresses[at : at + 500])


def main() -> None:
    """Fill the store and Redis, then run and print the comparisons."""
    quick = options(__doc__).quick
    count, rounds = (5_000, 5) if quick else (50_000, 41)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, Redis() as server:
        store, addresses = filled_store(Path(name) / "ours.db", count)
        renew(store, 0.0)
        cache = open_cache(f"{server.url}?timeout=2")
        assert isinstance(cache, RedisCache)
        with (
            Repository(CachedStore(store, cache), MemoryFiles()) as repository,
            redis.Redis.from_url(server.url, protocol=2) as client,
        ):
            fill(client, repository, addresses)
            random.Random(1).shuffle(addresses)
            parts = [addresses[at : at + GETS] for at in range(0, count, GETS)]
            mine, theirs, direct = cycle(parts), cycle(parts), cycle(parts)
            uncached = Repository(store, MemoryFiles())
            misses = cache.counts.misses
            note = f"median of {rounds} rounds of {GETS:,} random gets of {count:,}"
            cached = compare(
                lambda: ours(repository, next(mine)), lambda: bare(client, next(theirs)), rounds=rounds, warm_up=3
            )
            report_rate(
                f"cached verified get, {TOGETHER} a batch, against bare MGET and hashlib",
                cached,
                GETS,
                target=0.8,
                note=note,
            )
            assert cache.counts.misses == misses
            gain = compare(lambda: ours(repository, next(mine)), lambda: ours(uncached, next(direct)), rounds=rounds)
            report_rate(
                f"cached verified get, {TOGETHER} a batch, against the same from SQLite without a cache",
                gain,
                GETS,
                target=0.0,
                note=f"for information: a store on this machine needs no cache; {note}",
            )


if __name__ == "__main__":
    main()
