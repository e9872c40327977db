"""How often one may ask: token buckets, in this process or shared by several gateways through Redis.

A bucket holds up to `burst` requests and gains `per_second` of them. Shared, a gateway takes several at once from the
common bucket and hands them out itself, so that not every request costs a round trip; what it doesn't use within a
second is lost, never the other way round.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol

from stat7.gateway.settings import Rate

MOST_BUCKETS: Final = 50_000
"""Buckets kept at once; the oldest are forgotten, which fills them up."""

_SHARE: Final = 0.02
_ROUNDING: Final = 1e-9
_LEASE_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class LocalRates:
    """Token buckets of this process alone."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._now = now

    def take_now(self, who: str, kind: str, rate: Rate) -> float | None:
        """Seconds until the next request of this kind is taken; 0.0: this one is. None where others must be asked."""
        now, name = self._now(), (who, kind)
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(rate.burst, now)
            if len(self._buckets) > MOST_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
        tokens = min(rate.burst, bucket.tokens + (now - bucket.at) * rate.per_second)
        bucket.at = now
        if tokens >= 1.0 - _ROUNDING:
            bucket.tokens = tokens - 1.0
            return 0.0
        bucket.tokens = tokens
        return (1.0 - tokens) / rate.per_second if rate.per_second > 0 else inf


class Shared(Protocol):
    """A common place of buckets."""

    async def take(self, who: str, kind: str, rate: Rate, count: int) -> tuple[int, float]:
        """Take up to `count`: how many there were, and if none the seconds until one is. OSError if it's down."""
        ...


@dataclass(slots=True)
class _Lease:
    left: int = 0
    until: float = 0.0
    refused_until: float = 0.0
    waiting: int = 0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class SharedRates:
    """Token buckets shared with other gateways; while those can't be reached, buckets of this process.

    `local` tells whether that is so now; `on_loss` hears when it begins.
    """

    def __init__(self, shared: Shared, now: Callable[[], float] = time.monotonic) -> None:
        self._shared = shared
        self._own = LocalRates(now)
        self._leases: dict[tuple[str, str], _Lease] = {}
        self._now = now
        self._retry_at = -inf
        self.local = False

    def take_now(self, who: str, kind: str, rate: Rate) -> float | None:
        """0.0 if a request could be taken from what is leased already; None if Redis must be asked: `take`."""
        lease = self._leases.get((who, kind))
        if lease is not None and lease.left > 0 and self._now() < lease.until:
            lease.left -= 1
            return 0.0
        return None

    async def take(self, who: str, kind: str, rate: Rate) -> float:
        """Seconds until the next request of this kind is taken; 0.0: this one is."""
        name = (who, kind)
        lease = self._leases.get(name)
        if lease is None:
            lease = self._leases[name] = _Lease()
            if len(self._leases) > MOST_BUCKETS:
                del self._leases[next(iter(self._leases))]
        lease.waiting += 1
        try:
            async with lease.asking:
                # Whoever asked before may have leased enough for all who wait.
                wait = self.take_now(who, kind, rate)
                return await self._lease(lease, who, kind, rate) if wait is None else wait
        finally:
            lease.waiting -= 1

    async def _lease(self, lease: _Lease, who: str, kind: str, rate: Rate) -> float:
        now = self._now()
        if now < self._retry_at:
            return self._own.take_now(who, kind, rate) or 0.0
        if now < lease.refused_until:
            return lease.refused_until - now
        try:
            got, wait = await self._shared.take(who, kind, rate, max(lease.waiting, int(rate.per_second * _SHARE)))
        except OSError:
            self.local, self._retry_at = True, now + _LEASE_SECONDS
            return self._own.take_now(who, kind, rate) or 0.0
        self.local = False
        if not got:
            lease.refused_until = now + min(wait, 0.1)
            return wait
        lease.left, lease.until = got - 1, self._now() + _LEASE_SECONDS
        return 0.0
