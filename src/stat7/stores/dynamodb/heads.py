"""Heads and marks. A head moves by one conditional write; 25 of those travel together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stat7.address import Address, is_address
from stat7.errors import InvalidQuery
from stat7.stores.base import HeadMove, Page
from stat7.stores.dynamodb.layout import HEADS, MARKS, Item, key
from stat7.stores.dynamodb.session import Session
from stat7.stores.dynamodb.statements import insert, move_head
from stat7.stores.dynamodb.walk import Slice, by_sk, gather, partition_query, query

_CURSOR: Final = "heads."
_HEAD: Final = ("i", "a")


def read_heads(session: Session, ids: Sequence[str]) -> dict[str, Address]:
    """The current address of each id that has one."""
    keys = [session.layout.head_key(id) for id in dict.fromkeys(ids)]
    return {item["i"]["S"]: item["a"]["B"].hex() for item in session.get_items(keys, _HEAD)}


def swap(session: Session, moves: Sequence[HeadMove]) -> list[bool]:
    """Try each move on its own.

    Where an answer was lost and the request repeated, a move that had been made then comes as not made, as after a
    race: whoever asked reads the head again.
    """
    layout = session.layout
    made: dict[str, bool] = {}
    statements: dict[str, Item] = {}
    for move in moves:
        at = layout.head_key(move.id)
        if move.new is None:
            made[move.id] = _remove(session, move, at)
        elif move.expected is None:
            item = {**at, "i": {"S": move.id}, "a": {"B": bytes.fromhex(move.new)}}
            statements[move.id] = insert(layout.table, item)
        else:
            statements[move.id] = move_head(layout.table, at, bytes.fromhex(move.expected), bytes.fromhex(move.new))
    made |= zip(statements, session.execute(list(statements.values())), strict=True)
    return [made[move.id] for move in moves]


def walk_heads(session: Session, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
    """Every head, in the order of the ids' SHA-256."""
    layout = session.layout
    start = None
    if cursor is not None:
        position = cursor.removeprefix(_CURSOR)
        if not cursor.startswith(_CURSOR) or not is_address(position):
            raise InvalidQuery("cursor", "is not one that this walk returned; drop it to begin anew")
        last = bytes.fromhex(position)
        start = (layout.part_of(last), last)

    def read(pk: bytes, after: bytes | None, wanted: int) -> Slice:
        return query(session, partition_query(session, pk, after, wanted, _HEAD), by_sk, wanted)

    found = gather(session, layout.parts(HEADS), read, limit, start)
    items = [(item["i"]["S"], item["a"]["B"].hex()) for item in found.rows]
    return Page(items, None if found.last is None else _CURSOR + found.last[1].hex())


def read_marks(session: Session) -> dict[str, str]:
    """The marks that are set."""
    marks: dict[str, str] = {}
    after: bytes | None = None
    while True:
        found = query(session, partition_query(session, MARKS, after, 1000, ("x",)), by_sk, 1000)
        marks |= {sk[1:].decode("utf-8"): item["x"]["S"] for sk, item in found.rows}
        after = found.last
        if after is None:
            return marks


def set_mark(session: Session, name: str, value: str | None) -> None:
    """Set a mark; None removes it."""
    # No sk may be empty, a name may.
    at = key(MARKS, b"m" + name.encode("utf-8"))
    if value is None:
        session.call("delete_item", TableName=session.layout.table, Key=at)
    else:
        session.call("put_item", TableName=session.layout.table, Item={**at, "x": {"S": value}})


def _remove(session: Session, move: HeadMove, at: Item) -> bool:
    """Take a head away that is as expected.

    Not by a statement: to those a head that isn't there is one that was removed.
    """
    if move.expected is None:
        return not session.get_items([at], ("a",))
    return session.attempt(
        "delete_item",
        TableName=session.layout.table,
        Key=at,
        ConditionExpression="#a = :a",
        ExpressionAttributeNames={"#a": "a"},
        ExpressionAttributeValues={":a": {"B": bytes.fromhex(move.expected)}},
    )
