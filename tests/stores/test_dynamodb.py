"""DynamoDBStore passes the published suites on DynamoDB Local, each store in a table of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stat7.stores.base import Store
from stat7.testing import EntityStoreSuite, HeadStoreSuite
from stat7.testing.required import need_driver
from stat7.testing.servers import DynamoDB

if TYPE_CHECKING:
    from stat7.address import Address


class TestDynamoDBStore(EntityStoreSuite, HeadStoreSuite):
    """The conformance suites, looking below the store with boto3 itself."""

    examples = 12
    """A call takes milliseconds here, and a history thousands of calls."""
    queries = 25
    """As few, for the same reason: a lineage alone is sought in 200 cells."""

    @pytest.fixture(autouse=True)
    def _server(self, dynamodb: DynamoDB) -> None:
        need_driver("dynamodb", "boto3")
        self.server = dynamodb

    def make_store(self, tmp_path: Path) -> Store:
        from stat7.stores.dynamodb import DynamoDBStore
        from tests.stores.dynamodb import settings_for

        table = f"s{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]}"
        return DynamoDBStore(settings_for(self.server, table))

    def reopen(self, store: Store) -> Store:
        from stat7.stores.dynamodb import DynamoDBStore

        assert isinstance(store, DynamoDBStore)
        store.close()
        return DynamoDBStore(store.settings, make=False)

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        from tests.stores.dynamodb import below, document_key

        table = _table(store)
        item = below(store).get_item(TableName=table, Key=document_key(store, address), ConsistentRead=True).get("Item")
        return item["d"]["B"] if item and "d" in item else None

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        self._change(store, address, "SET #d = :d", {"#d": "d"}, {":d": {"B": data}})

    def damage_index(self, store: Store, address: Address) -> None:
        names = {"#r": "r", "#n": "n", "#c": "c"}
        self._change(store, address, "SET #c = :c REMOVE #r, #n", names, {":c": {"S": "other#0#0"}})

    def _change(
        self, store: Store, address: Address, change: str, names: dict[str, str], values: dict[str, object]
    ) -> None:
        from tests.stores.dynamodb import below, document_key

        below(store).update_item(
            TableName=_table(store),
            Key=document_key(store, address),
            UpdateExpression=change,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )


def _table(store: Store) -> str:
    from stat7.stores.dynamodb import DynamoDBStore

    assert isinstance(store, DynamoDBStore)
    return store.settings.table
