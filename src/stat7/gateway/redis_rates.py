"""The common token buckets of several gateways, in Redis."""

from __future__ import annotations

from typing import Final

from redis.exceptions import RedisError

from stat7.gateway.gather import Pool
from stat7.gateway.problems import Problem
from stat7.gateway.settings import Rate
from stat7.stores.redis.connection import Client
from stat7.stores.redis.server import Server

_PREFIX: Final = "stat7:rate:"
_SECONDS: Final = 0.25
"""Most that a request waits for Redis before this gateway counts by itself."""

# KEYS: the bucket; ARGV: tokens a second, burst, tokens wanted. Time is that of Redis, whatever gateways' clocks say.
# Returns how many were taken, and the milliseconds until there is one.
_TAKE: Final = """\
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1e6
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local taken = math.min(wanted, math.floor(tokens))
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens - taken), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return {taken, math.ceil(math.max(0, 1 - tokens) / rate * 1000)}
"""


class RedisBuckets:
    """Token buckets that every gateway with the same Redis takes from."""

    def __init__(self, server: Server) -> None:
        self._client = Client(server)
        self._pool = Pool(4, 10 * _SECONDS, "limits")

    async def take(self, who: str, kind: str, rate: Rate, count: int) -> tuple[int, float]:
        """See rates.Shared.take. Raises OSError if Redis can't be asked."""
        command = ("EVAL", _TAKE, 1, f"{_PREFIX}{kind}:{who}", repr(rate.per_second), repr(rate.burst), count)
        try:
            (answer,) = await self._pool.call(self._client.exchange, lambda run_id: [command], _SECONDS)
        except (RedisError, Problem) as error:
            raise ConnectionError(str(error)) from None
        taken, wait = answer
        return int(taken), int(wait) / 1000

    def ping(self) -> None:
        """Raises OSError if Redis doesn't answer. Blocks."""
        try:
            self._client.exchange(lambda run_id: [("PING",)], _SECONDS)
        except RedisError as error:
            raise ConnectionError(str(error)) from None

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()
        self._client.close()
