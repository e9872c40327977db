"""What doctor says of a cache: alive, how fast, whether it forgets as it should, what it was good for."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import redis

from stat7.contracts import Check
from stat7.stores.redis.cache import Counts, RedisCache
from stat7.stores.redis.connection import Client
from stat7.stores.redis.health import diagnose
from stat7.stores.redis.server import Server
from stat7.testing.servers import FaultProxy, Redis
from stat7.testing.servers import Server as TestServer


def checks_on(port: int, **options: str) -> dict[str, Check]:
    """What is said of the Redis at this port, by name."""
    return {check.name: check for check in RedisCache(Server("127.0.0.1", port, **options)).diagnose()}  # type: ignore[arg-type]


def test_a_redis_without_limit_is_warned_of(redis_server: Redis, redis_url: str) -> None:
    checks = checks_on(redis_server.port)
    assert [(name, check.status) for name, check in checks.items()] == [
        ("cache", "ok"),
        ("cache memory", "warn"),
        ("cache hits", "ok"),
    ]
    assert re.search(r"Redis \d+\.\d+\.\d+, answers in \d+\.\d ms", checks["cache"].text)
    assert "set maxmemory (256mb, say) and maxmemory-policy allkeys-lru" in checks["cache memory"].text


def test_the_policy_decides(start_server: Callable[[Redis], Redis]) -> None:
    server = start_server(Redis({"maxmemory": "16mb", "maxmemory-policy": "allkeys-lru"}))
    check = checks_on(server.port)["cache memory"]
    assert check.status == "ok"
    assert "of 16.00M used, policy allkeys-lru" in check.text
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory-policy", "volatile-lru")
    check = checks_on(server.port)["cache memory"]
    assert check.status == "warn"
    assert "policy volatile-lru; set maxmemory" in check.text


def test_a_user_who_may_not_run_scripts_is_told_so(start_server: Callable[[Redis], Redis]) -> None:
    server = start_server(Redis())
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "ada", "on", ">pw", "~*", "+@all", "-eval")
    (check,) = checks_on(server.port, user="ada", password="pw").values()
    assert check.status == "fail"
    assert "forbids a command" in check.text
    assert "allow its user mget, set, get, eval, del and info" in check.text


def test_one_that_is_down_or_no_redis_fails_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (check,) = checks_on(port).values()
    assert (check.name, check.status) == ("cache", "fail")
    assert "does not answer" in check.text


def test_a_slow_one_is_warned_of(
    redis_server: Redis, redis_url: str, fault_proxy: Callable[[TestServer | tuple[str, int]], FaultProxy]
) -> None:
    proxy = fault_proxy(redis_server)
    proxy.latency(to_client=0.05)
    check = checks_on(proxy.port)["cache"]
    assert check.status == "warn"
    assert "slower than most stores" in check.text


def test_hits_and_poison_are_told(redis_server: Redis, redis_url: str) -> None:
    client = Client(Server("127.0.0.1", redis_server.port))
    with redis.Redis.from_url(redis_url) as driver:
        driver.config_resetstat()
        assert diagnose(client, Counts())[2].text.startswith("nothing asked for, ")
        driver.config_resetstat()
        driver.set("a", "b")
        driver.mget("a", "a", "a", "none")
    check = diagnose(client, Counts(hits=1, misses=1))[2]
    assert check.status == "ok"
    assert re.fullmatch(r"\d+\.\d% of the keys asked for were there, 0 evicted; of ours 50\.0%", check.text)
    check = diagnose(client, Counts(hits=1, poisoned=2))[2]
    assert check.status == "warn"
    assert "2 entries did not hash to their address" in check.text
    client.close()
