"""The table itself: made once, recognised when it is opened, refused if it is another's or a newer stat7's."""

from __future__ import annotations

import time
from typing import Any, Final

from stat7.errors import ConfigError, Unavailable
from stat7.stores.dynamodb.client import Client
from stat7.stores.dynamodb.errors import RAISED, code_of
from stat7.stores.dynamodb.layout import ABOUT, FACTS, INDEX, VERSION, Layout
from stat7.stores.dynamodb.session import Session

_MAKING: Final = 120.0
"""Seconds that a table may take until it can be used."""
_LOOK_EVERY: Final = 0.5
_PATIENCE: Final = 3.0
"""Seconds for which opening is tried again: whoever waits for it wants to know that an address is wrong."""
_KEY: Final = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
_INDEX_KEY: Final = [{"AttributeName": "c", "KeyType": "HASH"}, {"AttributeName": "p", "KeyType": "RANGE"}]
_TYPES: Final = {"pk": "B", "sk": "B", "c": "S", "p": "B"}


def prepare(client: Client, *, make: bool) -> Layout:
    """The layout of the table; with `make` it is made, or an empty one taken over, if it isn't stat7's yet."""
    settings = client.settings
    patience = min(settings.retry, _PATIENCE)
    session = Session(client, Layout(settings.table, settings.partitions), patience)
    about = _about(session)
    if about is None:
        if not make:
            advice = "make one with `stat7 init`, or correct table, region or endpoint in the URL"
            raise ConfigError(f"there is no store in {settings.where()}; {advice}")
        _make(session)
        about = _about(session) or {}
    version, spread = int(about.get("version", {}).get("N", 0)), int(about.get("spread", {}).get("N", 0))
    if version > VERSION:
        raise ConfigError(f"{settings.where()} was made by a newer stat7 (version {version}); update stat7")
    if version != VERSION or not 1 <= spread <= 256:
        raise ConfigError(f"{settings.where()} says nothing sensible of its version; is it a table of stat7?")
    return Layout(settings.table, spread)


def differences(described: dict[str, Any]) -> list[str]:
    """What is otherwise in a table than stat7 makes it, as DescribeTable tells; empty if nothing is."""
    found = []
    if _pairs(described["KeySchema"]) != _pairs(_KEY):
        found.append("its key is not pk and sk")
    indexes = {each["IndexName"]: each for each in described.get("GlobalSecondaryIndexes", ())}
    index = indexes.get(INDEX)
    if index is None or _pairs(index["KeySchema"]) != _pairs(_INDEX_KEY):
        found.append(f"it has no index {INDEX} with the key c and p")
    elif index["Projection"]["ProjectionType"] != "ALL" and not set(FACTS) <= set(
        index["Projection"].get("NonKeyAttributes", ())
    ):
        found.append(f"its index {INDEX} lacks attributes of {', '.join(FACTS)}")
    types = {each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]}
    found += [f"{name} is not of type {kind}" for name, kind in _TYPES.items() if types.get(name, kind) != kind]
    return found


def _about(session: Session) -> dict[str, Any] | None:
    """The item that tells the version; None without it, or without a table."""
    answer = session.ask("get_item", TableName=session.layout.table, Key=ABOUT, ConsistentRead=True)
    return None if answer is None else answer.get("Item")


def _make(session: Session) -> None:
    described = _described(session)
    if described is None:
        _create(session)
    described = _usable(session)
    wrong = differences(described)
    if wrong:
        where = session.client.settings.where()
        raise ConfigError(f"{where} is not a table that stat7 can use: {'; '.join(wrong)}; name another")
    if session.call("scan", TableName=session.layout.table, Limit=1, ConsistentRead=True)["Items"]:
        where = session.client.settings.where()
        raise ConfigError(f"{where} holds items, but doesn't say that it is a store of stat7; name another table")
    session.attempt(
        "put_item",
        TableName=session.layout.table,
        Item={**ABOUT, "version": {"N": str(VERSION)}, "spread": {"N": str(session.layout.spread)}},
        ConditionExpression="attribute_not_exists(pk)",
    )


def _create(session: Session) -> None:
    try:
        session.client.api().create_table(
            TableName=session.layout.table,
            KeySchema=_KEY,
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in _TYPES.items()],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": INDEX,
                    "KeySchema": _INDEX_KEY,
                    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(FACTS)},
                }
            ],
        )
    except RAISED as error:
        # Somebody else makes it just now.
        if code_of(error) not in ("ResourceInUseException", "TableAlreadyExistsException"):
            raise session.client.failure(error) from error


def _described(session: Session) -> dict[str, Any] | None:
    answer = session.ask("describe_table", TableName=session.layout.table)
    return None if answer is None else answer["Table"]


def _usable(session: Session) -> dict[str, Any]:
    """What the table is like once it and its indexes can be used."""
    end = time.monotonic() + _MAKING
    while True:
        described = _described(session)
        if described is not None:
            indexes = described.get("GlobalSecondaryIndexes", ())
            if described["TableStatus"] == "ACTIVE" and all(each["IndexStatus"] == "ACTIVE" for each in indexes):
                return described
        if time.monotonic() > end:
            where = session.client.settings.where()
            raise Unavailable(f"the table of {where} is still being made after {_MAKING:.0f} s; try again later")
        time.sleep(_LOOK_EVERY)


def _pairs(schema: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(each["KeyType"], each["AttributeName"]) for each in schema]
