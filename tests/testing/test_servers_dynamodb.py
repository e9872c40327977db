"""DynamoDB for tests answers boto3, forgets or keeps its tables as it was told, and refuses what it does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from stat7.testing.required import need_driver
from stat7.testing.servers import DynamoDB, ServerFailed


@contextmanager
def connected(server: DynamoDB) -> Iterator[Any]:
    """A client of boto3."""
    need_driver("dynamodb", "boto3")
    import boto3

    client = boto3.client("dynamodb", endpoint_url=server.endpoint, **server.credentials)
    try:
        yield client
    finally:
        client.close()


def make_table(client: Any, name: str = "words") -> None:
    """A table with a text for its key."""
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_a_server_without_tables(turn: int, dynamodb: DynamoDB) -> None:
    assert dynamodb.tables() == []
    with connected(dynamodb) as client:
        make_table(client)
        client.put_item(TableName="words", Item={"id": {"S": "one"}, "data": {"B": b"\0\xff"}})
        found = client.get_item(TableName="words", Key={"id": {"S": "one"}}, ConsistentRead=True)
        assert found["Item"]["data"]["B"] == b"\0\xff"
    assert dynamodb.tables() == ["words"]


def test_it_is_reached_by_the_environment_alone(dynamodb: DynamoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    need_driver("dynamodb", "boto3")
    import boto3

    for name, value in dynamodb.environment.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("dynamodb")
    make_table(client)
    client.close()
    assert dynamodb.tables() == ["words"]


@pytest.mark.parametrize("persistent", [False, True])
def test_it_keeps_its_tables_over_a_restart_only_if_told_to(
    persistent: bool, start_server: Callable[[DynamoDB], DynamoDB]
) -> None:
    server = start_server(DynamoDB(persistent=persistent))
    with connected(server) as client:
        make_table(client)
        client.put_item(TableName="words", Item={"id": {"S": "one"}})
        server.restart()
        assert server.tables() == (["words"] if persistent else [])
        if persistent:
            server.kill()
            server.start()
            assert client.scan(TableName="words", ConsistentRead=True)["Count"] == 1


def test_a_refused_request_names_the_server_and_its_answer(dynamodb: DynamoDB) -> None:
    with pytest.raises(ServerFailed, match=r"DynamoDB Local: DeleteTable was answered 400: .*ResourceNotFound"):
        dynamodb._ask("DeleteTable", {"TableName": "absent"})
