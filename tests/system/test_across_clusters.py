"""From one machine to Cassandra, DynamoDB and shards, and back: the same contents, the same answers at every stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stat7.testing.servers import Cassandra, DynamoDB
from tests.system.test_across_stores import travel

pytest.importorskip("boto3")
pytest.importorskip("cassandra")

from tests.stores.cassandra import empty_store
from tests.stores.dynamodb import url_for
from tests.system.test_sharded_servers import make_shards


def test_everything_survives_a_journey_through_all_clusters(
    tmp_path: Path,
    cassandra: Cassandra,
    dynamodb: DynamoDB,
    new_postgres_url: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in dynamodb.environment.items():
        monkeypatch.setenv(name, value)
    with empty_store(cassandra) as store:
        keyspace = store.settings.keyspace
    shards = make_shards([new_postgres_url() for _ in range(3)], tmp_path / "shards.toml")
    travel(
        (f"sqlite:{tmp_path / 'first.db'}", f"file:{tmp_path / 'first'}"),
        (f"cassandra://127.0.0.1:{cassandra.port}/{keyspace}", f"file:{tmp_path / 'second'}"),
        (url_for(dynamodb), f"file:{tmp_path / 'third'}"),
        (shards, f"file:{tmp_path / 'fourth'}"),
        (f"sqlite:{tmp_path / 'last.db'}", f"file:{tmp_path / 'last'}"),
    )
