"""What a Cassandra store says about itself, how it is made, opened and closed."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from stat7.errors import ConfigError, Unavailable
from stat7.registry import open_store
from stat7.stores.base import Check
from stat7.stores.cassandra import CassandraStore, health
from stat7.stores.cassandra.session import Connection
from stat7.testing.samples import samples
from stat7.testing.servers import Cassandra
from tests.stores.cassandra import below, empty_store


@pytest.fixture
def store(cassandra: Cassandra) -> Iterator[CassandraStore]:
    with empty_store(cassandra) as opened:
        yield opened


def _checks(store: CassandraStore) -> dict[str, Check]:
    return {check.name: check for check in store.diagnose()}


def test_a_sound_node_is_told_with_what_one_node_lacks(store: CassandraStore) -> None:
    checks = _checks(store)
    assert {name for name, check in checks.items() if check.status == "fail"} == set()
    assert checks["cassandra"].text.startswith("Cassandra 5.")
    assert checks["nodes"].text == "all 1 are up"
    assert checks["schema"].status == checks["durability"].status == "ok"
    assert checks["replication"].status == "warn"
    assert "QUORUM" in checks["replication"].text
    assert store.capabilities.durable
    store.put(samples(5))
    size = store.disk_bytes()
    assert size is not None
    assert size >= 0


def test_what_is_wrong_is_told_with_what_to_do(store: CassandraStore, monkeypatch: pytest.MonkeyPatch) -> None:
    on_node = Connection.on_node

    def answering(text: str, rows: list[tuple[Any, ...]]) -> None:
        def answer(connection: Connection, host: Any, asked: str, values: Any = ()) -> Any:
            return rows if asked == text else on_node(connection, host, asked, values)

        monkeypatch.setattr(Connection, "on_node", answer)

    answering(health._SYNC, [("periodic",)])
    assert "cassandra.yaml" in _checks(store)["durability"].text
    assert not health.is_durable(below(store))
    answering(health._TIME, [(time.time() * 1000 - 60_000,)])
    assert _checks(store)["clock"].status == "fail"
    answering(health._VERSION, [("3.11.2", "a")])
    assert "upgrade" in _checks(store)["cassandra"].text
    monkeypatch.setattr("stat7.stores.latency.SLOW_MS", 0.0)
    assert _checks(store)["latency"].status == "warn"
    monkeypatch.setattr(health, "SCHEMA_VERSION", 2)
    assert _checks(store)["schema"].status == "fail"


def test_nodes_that_refuse_to_tell_are_not_durable(store: CassandraStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import cassandra

    def refuse(*_: Any) -> Any:
        raise cassandra.Unauthorized("no")

    monkeypatch.setattr(Connection, "on_node", refuse)
    assert not health.is_durable(below(store))
    assert store.disk_bytes() is None


@pytest.mark.parametrize(
    ("versions", "up", "status"), [({"4.1.0", "5.0.1"}, 3, "warn"), ({"5.0.9"}, 0, "warn"), ({"5.0-beta1"}, 1, "ok")]
)
def test_versions_and_nodes_are_judged(store: CassandraStore, versions: set[str], up: int, status: str) -> None:
    statuses = {health._versions(versions).status, health._nodes(below(store), up).status}
    assert ("warn" in statuses) == (status == "warn")


def test_too_few_nodes_for_the_replication_is_a_failure(cassandra: Cassandra) -> None:
    keyspace = cassandra.keyspace()
    url = f"cassandra://127.0.0.1:{cassandra.port}/{keyspace}?replication=datacenter1:3&timeout=2&retries=0"
    with pytest.raises(Unavailable, match="too few nodes"):
        open_store(url)
    cassandra.execute(f"DROP KEYSPACE {keyspace}")


def test_a_store_of_a_later_version_is_refused(store: CassandraStore) -> None:
    raw = below(store)
    raw.run("INSERT INTO $.names(kind, name, value) VALUES ('about', 'schema', '99')")
    try:
        with pytest.raises(ConfigError, match="update stat7"):
            CassandraStore(store.settings, make=False)
    finally:
        raw.run("INSERT INTO $.names(kind, name, value) VALUES ('about', 'schema', '1')")


def test_a_store_opens_by_its_url_with_all_its_options(store: CassandraStore) -> None:
    settings = store.settings
    url = f"cassandra://{settings.hosts[0]}:{settings.port}/{settings.keyspace}?consistency=local_quorum"
    store.put(samples(3))
    again = open_store(f"{url}&local_dc=datacenter1&timeout=20&connect_timeout=6&in_flight=10&retries=1", make=False)
    assert again.count() == 3
    assert again.put(samples(4))[0][3].value == "new"
    again.close()


def _in_child(store: CassandraStore, queue: Any) -> None:
    queue.put(len(store.get([each.address for each in samples(3)])))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_opens_a_session_of_its_own(store: CassandraStore) -> None:
    store.put(samples(3))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(store, queue))
    child.start()
    assert queue.get(timeout=60) == 3
    child.join(timeout=30)
    if child.is_alive():
        child.kill()
    assert store.count() == 3
