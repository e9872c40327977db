"""Walking through parts of the table or its index in their order, several at once where each gives little."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from stat7.stores.dynamodb.layout import Item
from stat7.stores.dynamodb.session import Session

Part = TypeVar("Part")

MOST_AT_ONCE: Final = 16
"""Parts that are asked at once at most."""
_ANSWERS: Final = 8
"""Answers after which a part gives what it has found: each reads up to 1 MB, and a page must end some time."""


class Slice(NamedTuple):
    """Items of one part, each with its position there; where to go on (None: the part is at its end)."""

    rows: list[tuple[bytes, Item]]
    last: bytes | None


class Gathered(NamedTuple):
    """Items of some parts in order; and the part and position after which to go on (None: nothing follows)."""

    rows: list[Item]
    last: tuple[int, bytes] | None


def gather(
    session: Session,
    parts: Sequence[Part],
    read: Callable[[Part, bytes | None, int], Slice],
    wanted: int,
    start: tuple[int, bytes] | None = None,
    first: int = 1,
) -> Gathered:
    """The first `wanted` items after `start`. `read(part, after, wanted)` gives about as many of one part.

    As many as `first` are asked at once, then twice as many, …: what large parts give at once is only thrown away.
    """
    rows: list[Item] = []
    at, after = start or (0, None)
    wave = first
    while at < len(parts):
        left = wanted - len(rows)
        numbers = range(at, min(at + wave, len(parts)))
        begin = {at: after}
        slices = session.map(lambda number: read(parts[number], begin.get(number), left), numbers)  # noqa: B023
        for number, found in zip(numbers, slices, strict=True):
            more = found.last is not None or number + 1 < len(parts)
            taken = found.rows[: wanted - len(rows)]
            rows += [item for _, item in taken]
            if len(taken) < len(found.rows) or (len(rows) == wanted and more and taken):
                return Gathered(rows, (number, taken[-1][0]))
            if found.last is not None:
                return Gathered(rows, (number, found.last))
        at, after = numbers.stop, None
        wave = min(2 * wave, MOST_AT_ONCE)
    return Gathered(rows, None)


def query(
    session: Session,
    request: Mapping[str, Any],
    position: Callable[[Item], bytes],
    wanted: int,
    *,
    operation: str = "query",
) -> Slice:
    """Ask until `wanted` items came, the end, or _ANSWERS answers. `position` tells that of an item or a key."""
    rows: list[tuple[bytes, Item]] = []
    asked = dict(request)
    for _ in range(_ANSWERS):
        answer = session.call(operation, **asked)
        rows += [(position(item), item) for item in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            return Slice(rows, None)
        asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        if len(rows) >= wanted:
            break
    return Slice(rows, position(asked["ExclusiveStartKey"]))


def by_sk(item: Item) -> bytes:
    """The position of an item of the table itself."""
    sk: bytes = item["sk"]["B"]
    return sk


def partition_query(
    session: Session, pk: bytes, after: bytes | None, limit: int, names: Sequence[str]
) -> dict[str, Any]:
    """The request for items of one pk, in the order of sk, consistent."""
    shown = dict.fromkeys(("sk", *names))
    request: dict[str, Any] = {
        "TableName": session.layout.table,
        "KeyConditionExpression": "#pk = :pk",
        "ExpressionAttributeNames": {"#pk": "pk"} | {f"#{name}": name for name in shown},
        "ExpressionAttributeValues": {":pk": {"B": pk}},
        "ProjectionExpression": ",".join(f"#{name}" for name in shown),
        "ConsistentRead": True,
        "Limit": limit,
    }
    if after is not None:
        request["ExclusiveStartKey"] = {"pk": {"B": pk}, "sk": {"B": after}}
    return request
