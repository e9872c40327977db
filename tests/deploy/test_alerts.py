"""Every alert of deploy/ fires for a real fault and clears after the repair; every query of the dashboard is answered.

Real are the gateways, their stores, Prometheus and Alertmanager, their configuration and every fault. Three things
differ from a deployment. Durations are divided by 400 (`deployment.scaled`; no range is shorter than six scrapes), so
that an hour is nine seconds. A read is slow beyond 0.5 s, not 0.1 s. And both disk alerts ask for a share of free disk
just below what this machine has, so that one file undercuts it: a test can't fill a disk that others use. What they
write meanwhile may do the same, but for the 2 GiB that are left to them (less on a small disk).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import apsw
import pytest
import redis as driver

from stat7.testing.required import need, need_driver
from stat7.testing.servers import PostgreSQL
from tests.deploy import deployment
from tests.deploy.live import System, Watched, repeated, running, wait_until
from tests.gateway.conftest import document

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no way here to fill a disk at once")


@pytest.fixture(scope="module")
def system(postgres_server: PostgreSQL) -> Iterator[System]:
    """The deployment, for all tests of this module; each leaves it in order."""
    for name in ("redis", "prometheus", "alertmanager"):
        need(name)
    need_driver("gateway", "granian")
    need_driver("redis", "redis")
    with running(postgres_server) as made:
        yield made


def damage(watched: Watched) -> bytes:
    """Put other bytes in place of its document, below the store; returns what they were."""
    address = bytes.fromhex(watched.address)
    with closing(apsw.Connection(str(watched.gateway.folder / "library.db"))) as raw:
        ((held,),) = list(raw.execute("SELECT document FROM documents WHERE address = ?", (address,)))
        raw.execute("UPDATE documents SET document = ? WHERE address = ?", (b"damaged", address))
    return bytes(held)


def poison(system: System) -> None:
    """Put other bytes in place of every document in the cache."""
    with closing(driver.Redis.from_url(system.redis.url)) as client:
        for key in client.scan_iter(match=b"stat7:1:*"):
            # The keys of documents end with their addresses; the shorter one says which entries are of today.
            if len(key) == len(b"stat7:1:") + 16 + 32:
                client.set(key, b"poisoned")


def answers(system: System, expression: str) -> bool:
    """Whether a query gives at least one number."""
    found: list[dict[str, Any]] = system.prometheus.query(expression)
    return any(not math.isnan(float(each["value"][1])) for each in found)


def test_every_query_of_the_dashboard_has_an_answer_while_all_is_well(system: System) -> None:
    system.await_quiet()
    for panel, expression in deployment.queries():
        wait_until(f"{panel}: {expression}", partial(answers, system, expression))


def test_damage_strangers_at_the_cache_floods_and_a_slow_store_are_told_until_they_are_over(system: System) -> None:
    shared, local = system.shared, system.local
    held = damage(local)
    with ExitStack() as faults:
        faults.enter_context(system.filled_disk())
        faults.enter_context(repeated(lambda: local.client.get("/explain", params={"realm": "data"}), 0.01))
        faults.enter_context(repeated(lambda: poison(system), 0.5))
        system.line.latency(to_client=0.7)
        faults.enter_context(shared.crowd(30))
        system.await_firing(
            ("Stat7CorruptionSeen", local), ("Stat7DiskFilling", local), ("Stat7DiskNearlyFull", local),
            ("Stat7RateLimitStorm", local), ("Stat7CachePoisoned", shared), ("Stat7LatencyBurnFast", shared),
            ("Stat7LatencyBurnSlow", shared), ("Stat7PoolExhausted", shared),
        )  # fmt: skip
        assert all(answers(system, expression) for expression in deployment.marks())
    system.line.heal()
    local.client.post("/repairs/entities", content=held).raise_for_status()
    assert local.client.get(f"/entities/{local.address}").status_code == 200
    system.await_quiet()


def test_a_gateway_a_store_and_a_cache_that_are_away_are_told_until_they_are_back(system: System) -> None:
    shared, local = system.shared, system.local
    local.gateway.kill()
    system.redis.kill()
    system.line.refuse()
    system.await_firing(
        ("Stat7GatewayDown", local), ("Stat7CacheDown", shared), ("Stat7StoreDown", shared),
        ("Stat7KeysStale", shared), ("Stat7ErrorRatio", shared), ("Stat7ScrubOverdue", shared),
    )  # fmt: skip
    # What follows from the store's absence is shown, but nobody is told of it.
    wait_until("inhibited", lambda: system.firing()["Stat7ErrorRatio", shared.instance]["status"]["inhibitedBy"])
    heard = system.receiver.heard
    wait_until("on-call to be told", lambda: ("/on-call", "firing", "Stat7GatewayDown") in heard)
    wait_until("operators to be told", lambda: ("/operators", "firing", "Stat7CacheDown") in heard)
    system.line.heal()
    system.redis.start()
    local.gateway.start()
    system.await_quiet()
    wait_until("on-call to be told of the end", lambda: ("/on-call", "resolved", "Stat7GatewayDown") in heard)


def test_an_audit_log_that_cannot_be_written_is_told_until_it_can(system: System) -> None:
    local = system.local
    usual = local.gateway.options
    for options in ((*usual, "--audit", "/dev/full"), usual):
        local.gateway.kill()
        local.gateway.options = options
        local.gateway.start()
        local.client.post("/entities", json=document("watched/noted")).raise_for_status()
        if options is not usual:
            system.await_firing(("Stat7AuditLost", local))
    system.await_quiet()


def test_all_alerts_there_are_were_tried() -> None:
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    assert {name for name in deployment.alerts() if f'("{name}", ' not in text} == set()
