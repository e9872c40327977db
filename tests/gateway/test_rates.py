"""Token buckets: in one process, and shared by gateways through Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
import pytest

from stat7.gateway.rates import LocalRates, SharedRates
from stat7.gateway.settings import Rate
from stat7.testing.required import need_driver
from stat7.testing.servers import Gateway, Redis


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    rates, rate = LocalRates(clock), Rate(10.0, 3.0)
    assert [rates.take_now("a", "read", rate) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert rates.take_now("a", "read", rate) == pytest.approx(0.1)
    clock.now += 0.1
    assert rates.take_now("a", "read", rate) == 0.0
    clock.now += 60
    assert [rates.take_now("a", "read", rate) for _ in range(4)].count(0.0) == 3


def test_callers_and_kinds_have_buckets_of_their_own() -> None:
    rates, rate = LocalRates(Clock()), Rate(1.0, 1.0)
    assert rates.take_now("a", "read", rate) == 0.0
    assert rates.take_now("b", "read", rate) == 0.0
    assert rates.take_now("a", "write", rate) == 0.0
    assert rates.take_now("a", "read", rate) == pytest.approx(1.0)


class Common:
    """A common bucket in this process, that can be down."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.asked = 0
        self.down = False

    async def take(self, who: str, kind: str, rate: Rate, count: int) -> tuple[int, float]:
        """See rates.Shared.take."""
        if self.down:
            raise ConnectionError
        self.asked += 1
        got = min(count, self.tokens)
        self.tokens -= got
        return got, 0.0 if got else 0.5


async def _granted(rates: SharedRates, rate: Rate, tries: int) -> int:
    granted = 0
    for _ in range(tries):
        wait = rates.take_now("a", "read", rate)
        if wait is None:
            wait = await rates.take("a", "read", rate)
        granted += wait == 0.0
    return granted


def test_shared_tokens_are_taken_many_at_a_time_and_never_more_than_there_are() -> None:
    common, clock = Common(100), Clock()
    one, other, rate = SharedRates(common, clock), SharedRates(common, clock), Rate(1000.0, 100.0)

    async def both() -> int:
        return await _granted(one, rate, 200) + await _granted(other, rate, 200)

    assert asyncio.run(both()) == 100
    assert common.asked < 20


def test_requests_that_come_at_once_lease_together_and_no_token_is_lost() -> None:
    class Far(Common):
        async def take(self, who: str, kind: str, rate: Rate, count: int) -> tuple[int, float]:
            await asyncio.sleep(0)
            return await super().take(who, kind, rate, count)

    common, rate = Far(300), Rate(1000.0, 300.0)
    rates = SharedRates(common, Clock())

    async def at_once() -> list[float]:
        return await asyncio.gather(*[rates.take("a", "read", rate) for _ in range(200)])

    assert asyncio.run(at_once()) == [0.0] * 200
    assert common.asked == 2
    assert common.tokens == 100


def test_where_the_common_bucket_is_down_a_gateway_counts_by_itself_and_comes_back() -> None:
    common, clock = Common(50), Clock()
    rates, rate = SharedRates(common, clock), Rate(10.0, 5.0)
    common.down = True
    assert asyncio.run(_granted(rates, rate, 20)) == 5
    assert rates.local
    common.down = False
    clock.now += 1.5
    assert asyncio.run(_granted(rates, rate, 10)) == 10
    assert not rates.local


def test_redis_keeps_a_bucket_by_its_own_clock(redis_url: str) -> None:
    need_driver("redis", "redis")
    from stat7.gateway.redis_rates import RedisBuckets
    from stat7.stores.redis.server import Server

    async def ask() -> None:
        buckets = RedisBuckets(Server.parse(redis_url))
        rate = Rate(0.001, 5.0)
        try:
            assert await buckets.take("a", "read", rate, 3) == (3, 0.0)
            assert (await buckets.take("a", "read", rate, 3))[0] == 2
            got, wait = await buckets.take("a", "read", rate, 3)
            assert (got, wait > 100) == (0, True)
            assert (await buckets.take("b", "read", rate, 1))[0] == 1
            assert (await buckets.take("c", "read", Rate(1000.0, 1.0), 1))[0] == 1
            await asyncio.sleep(0.05)
            assert (await buckets.take("c", "read", Rate(1000.0, 1.0), 1))[0] == 1
        finally:
            buckets.close()

    asyncio.run(ask())


def _answered(server: Gateway, tries: int) -> list[httpx.Response]:
    with httpx.Client(base_url=server.url, headers={"X-API-Key": server.keys["all"]}) as client:
        return [client.get("/whoami") for _ in range(tries)]


def test_beyond_its_rate_a_caller_is_told_when_to_come_again(start_server: Callable[[Gateway], Gateway]) -> None:
    server = start_server(Gateway("--rate", "read=0.5/s:3"))
    answers = _answered(server, 6)
    assert [each.status_code for each in answers[:3]] == [200, 200, 200]
    refused = answers[-1]
    assert refused.status_code == 429
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 2
    assert refused.headers["ratelimit-policy"] == '"read";q=3;w=6'
    assert refused.headers["ratelimit"] == f'"read";r=0;t={wait}'
    assert "0.5 requests a second" in refused.json()["detail"]
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    # Who does as told is never refused twice.
    for _ in range(2):
        time.sleep(wait + 0.1)
        (answer,) = _answered(server, 1)
        assert answer.status_code == 200
        wait = 2


@pytest.fixture
def start_redis(start_server: Callable[[Redis], Redis]) -> Callable[[], Redis]:
    """Starts a Redis that may be killed."""
    return lambda: start_server(Redis())


def test_two_gateways_share_a_limit_and_go_on_alone_when_redis_is_gone(
    start_server: Callable[[Gateway], Gateway], start_redis: Callable[[], Redis], tmp_path: object
) -> None:
    need_driver("redis", "redis")
    redis = start_redis()
    store, files = f"sqlite:{tmp_path}/one.db", f"file:{tmp_path}/one-files"
    options = ("--shared-limits", redis.url, "--rate", "read=0.001/s:10")
    one = start_server(Gateway(*options, store=store, files=files))
    other = start_server(Gateway(*options, store=store, files=files))
    other.keys = one.keys
    time.sleep(1.0)
    statuses = [
        each.status_code for pair in zip(_answered(one, 10), _answered(other, 10), strict=True) for each in pair
    ]
    assert statuses.count(200) == 10
    assert "stat7_rate_limits_local 0.0" in httpx.get(one.metrics_url).text
    redis.kill()
    assert [each.status_code for each in _answered(one, 12)].count(200) == 10
    assert "stat7_rate_limits_local 1.0" in httpx.get(one.metrics_url).text
    redis.start()
    time.sleep(1.2)
    assert 429 in {each.status_code for each in [*_answered(one, 12), *_answered(other, 12)]}
    assert "stat7_rate_limits_local 0.0" in httpx.get(one.metrics_url).text
