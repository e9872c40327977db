"""CassandraStore passes the published suites on a real node."""

from __future__ import annotations

from pathlib import Path

import pytest

from stat7.stores.base import Store
from stat7.stores.cassandra import CassandraStore
from stat7.testing import EntityStoreSuite, HeadStoreSuite
from stat7.testing.servers import Cassandra
from tests.stores.cassandra import Hooks, empty_store


class TestCassandraStore(Hooks, EntityStoreSuite, HeadStoreSuite):
    """The conformance suites, looking below the store with statements of their own."""

    # Fewer than elsewhere: each page of a find has to ask some partitions, of which a small store has many empty ones.
    records = 120
    queries = 12
    examples = 6
    steps = 20

    @pytest.fixture(autouse=True)
    def _cluster(self, cassandra: Cassandra) -> None:
        self.cluster = cassandra

    def make_store(self, tmp_path: Path) -> Store:
        return empty_store(self.cluster)

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, CassandraStore)
        store.close()
        return CassandraStore(store.settings)
