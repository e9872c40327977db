"""What the tests of the DynamoDB store share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3

from stat7.address import Address
from stat7.stores.base import Store
from stat7.stores.dynamodb import DynamoDBStore, Settings
from stat7.stores.dynamodb.layout import Item, Layout
from stat7.testing.servers import DynamoDB

PARTS = 4
"""Parts of most tables here: walks through few of them are quick on the test server."""


def settings_for(server: DynamoDB, table: str = "stat7", **more: Any) -> Settings:
    """Settings of a table on the test server."""
    given = {"partitions": PARTS, "endpoint": server.endpoint, **more}
    return Settings(
        table,
        region=server.credentials["region_name"],
        access_key_id=server.credentials["aws_access_key_id"],
        secret_access_key=server.credentials["aws_secret_access_key"],
        **given,
    )


def url_for(server: DynamoDB, table: str = "stat7", **options: object) -> str:
    """The URL of a table on the test server, for which the environment must hold the credentials."""
    given = {"endpoint": server.endpoint, "partitions": PARTS, **options}
    return f"dynamodb://{table}?" + "&".join(f"{name}={value}" for name, value in given.items())


def below(store: Store) -> Any:
    """A client of boto3's own for the service that a store uses."""
    assert isinstance(store, DynamoDBStore)
    settings = store.settings
    return boto3.client(
        "dynamodb",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
    )


def document_key(store: Store, address: Address) -> Item:
    """The key of a document's item."""
    assert isinstance(store, DynamoDBStore)
    return Layout(store.settings.table, store.settings.partitions).document_key(bytes.fromhex(address))


def items_below(store: Store) -> list[Item]:
    """Every item of the table, at most 1 MB of them."""
    assert isinstance(store, DynamoDBStore)
    items: list[Item] = below(store).scan(TableName=store.settings.table, ConsistentRead=True)["Items"]
    return items


Opening = Callable[..., DynamoDBStore]
"""Opens a store in the test's table, with settings by keyword, and closes it after the test."""
