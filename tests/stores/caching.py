"""Stores behind a real Redis for tests, and looking into that Redis with redis-py itself."""

from __future__ import annotations

import redis

from stat7.registry import open_cache
from stat7.stores.base import Store
from stat7.stores.cached import CachedStore, generations, renew
from stat7.stores.redis.cache import RedisCache

LEASE = 0.15
"""Seconds: long enough to be seen, short enough to be waited for."""


def cached(inner: Store, url: str) -> CachedStore:
    """The store behind that Redis, of which it makes use from the first read on.

    Unless the URL has options, its limit is long enough for a machine that is busy with other things.
    """
    if not generations(inner):
        renew(inner, 0.0)
    return CachedStore(inner, open_cache(url if "?" in url else f"{url}?timeout=2"), lease_seconds=LEASE)


def cache_of(store: CachedStore) -> RedisCache:
    """Its cache."""
    assert isinstance(store.cache, RedisCache)
    return store.cache


def documents_in(url: str) -> dict[bytes, bytes]:
    """What Redis holds under addresses, by key."""
    with redis.Redis.from_url(url) as client:
        keys = [key for key in client.scan_iter(count=1000) if len(key) == 56]
        values = client.mget(keys) if keys else []
    return {key: value for key, value in zip(keys, values, strict=True) if value is not None}


def overwrite(url: str, address: str, value: bytes) -> None:
    """Put other bytes in place of a cached document."""
    with redis.Redis.from_url(url) as client:
        (key,) = (key for key in documents_in(url) if key.endswith(bytes.fromhex(address)))
        client.set(key, value)
