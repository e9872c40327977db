"""Heads and marks: compare-and-swap inside a transaction, and reading them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import apsw

from stat7.address import Address
from stat7.errors import InvalidQuery
from stat7.stores.base import HeadMove, Page
from stat7.stores.sqlite.connection import fetch
from stat7.stores.sqlite.lookup import as_json

_READ: Final = """
    SELECT h.id, CAST(h.address AS BLOB) FROM json_each(?) AS wanted CROSS JOIN heads AS h ON h.id = wanted.value"""
_WALK: Final = "SELECT id, CAST(address AS BLOB) FROM heads WHERE id > ? ORDER BY id LIMIT ?"
_CURSOR: Final = "heads."


def read_heads(connection: apsw.Connection, ids: Collection[str]) -> dict[str, Address]:
    """The current address of each id that has one."""
    if len(ids) == 1:
        rows = fetch(connection, "SELECT id, CAST(address AS BLOB) FROM heads WHERE id = ?", tuple(ids))
    else:
        rows = fetch(connection, _READ, (as_json(list(ids)),))
    return {id: address.hex() for id, address in rows}


def make_first_heads(connection: apsw.Connection, moves: Sequence[HeadMove]) -> None:
    """Give first heads to ids that should have none; apsw.ConstraintError if one has.

    Then the transaction must be rolled back.
    """
    rows = [(move.id, bytes.fromhex(move.new)) for move in moves if move.new is not None]
    connection.executemany("INSERT INTO heads VALUES(?, ?)", rows)


def move_heads(connection: apsw.Connection, moves: Sequence[HeadMove], barred: Collection[Address]) -> list[bool]:
    """Try each move in turn, none to a barred address; which of them were made."""
    current = read_heads(connection, {move.id for move in moves})
    changed: dict[str, Address | None] = {}
    made = []
    for move in moves:
        swaps = move.new not in barred and current.get(move.id) == move.expected
        made.append(swaps)
        if swaps:
            changed[move.id] = move.new
            if move.new is None:
                current.pop(move.id, None)
            else:
                current[move.id] = move.new
    put = [(id, bytes.fromhex(address)) for id, address in changed.items() if address is not None]
    connection.executemany("INSERT OR REPLACE INTO heads VALUES(?, ?)", put)
    connection.executemany(
        "DELETE FROM heads WHERE id = ?", [(id,) for id, address in changed.items() if address is None]
    )
    return made


def walk_heads(connection: apsw.Connection, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
    """Every head in the order of the ids' UTF-8, page by page."""
    rows = fetch(connection, _WALK, (_last_id(cursor), limit + 1))
    items = [(id, address.hex()) for id, address in rows[:limit]]
    more = len(rows) > limit
    return Page(items, _CURSOR + items[-1][0].encode("utf-8").hex() if more else None)


def read_marks(connection: apsw.Connection) -> dict[str, str]:
    """All marks."""
    return dict(fetch(connection, "SELECT name, value FROM marks"))


def set_mark(connection: apsw.Connection, name: str, value: str | None) -> None:
    """Set a mark; None removes it."""
    if value is None:
        connection.execute("DELETE FROM marks WHERE name = ?", (name,))
    else:
        connection.execute("INSERT OR REPLACE INTO marks VALUES(?, ?)", (name, value))


def _last_id(cursor: str | None) -> str:
    if cursor is None:
        return ""
    try:
        last = bytes.fromhex(cursor.removeprefix(_CURSOR)).decode("utf-8")
    except ValueError:
        last = ""
    if not cursor.startswith(_CURSOR) or not last:
        raise InvalidQuery("cursor", "is not one that a walk over heads returned; drop it to begin anew")
    return last
