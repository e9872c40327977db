"""Heads and marks: compare-and-swap inside a transaction, and reading them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from psycopg import Connection

from stat7.address import Address
from stat7.errors import InvalidQuery
from stat7.stores.base import HeadMove, Page
from stat7.stores.postgresql.rows import Digests, Texts, storable
from stat7.stores.postgresql.session import Session, Statement

_READ: Final = "SELECT id, address FROM heads WHERE id = ANY(%s)"
_BARRED: Final = "SELECT address FROM notices WHERE address = ANY(%s)"
# First what is inserted, then what is locked, both sorted: so no two transactions wait for each other.
_MAKE: Final = """
    INSERT INTO heads SELECT m.id, m.new FROM unnest(%s, %s) AS m(id, new) ORDER BY m.id COLLATE "C"
    ON CONFLICT (id) DO NOTHING RETURNING id"""
_LOCKED: Final = """
    WITH held AS MATERIALIZED (
        SELECT h.id, m.new FROM unnest(%s, %s, %s) AS m(id, expected, new) JOIN heads AS h ON h.id = m.id
        WHERE h.address = m.expected ORDER BY h.id FOR UPDATE OF h)"""
_SWAP: Final = f"""{_LOCKED}
    UPDATE heads SET address = held.new FROM held WHERE heads.id = held.id RETURNING heads.id"""
_REMOVE: Final = f"{_LOCKED} DELETE FROM heads USING held WHERE heads.id = held.id RETURNING heads.id"
_MAKE_ONE: Final = Statement(
    b"stat7_head_make", "INSERT INTO heads VALUES($1, $2) ON CONFLICT (id) DO NOTHING RETURNING true", (25, 17)
)
_SWAP_ONE: Final = Statement(
    b"stat7_head_swap", "UPDATE heads SET address = $2 WHERE id = $1 AND address = $3 RETURNING true", (25, 17, 17)
)
_WALK: Final = "SELECT id, address FROM heads WHERE id > %s ORDER BY id LIMIT %s"
_SET: Final = "INSERT INTO marks VALUES(%s, %s) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"
_CURSOR: Final = "heads."


def read_heads(connection: Connection, ids: Collection[str]) -> dict[str, Address]:
    """The current address of each id that has one."""
    rows = _rows(connection, _READ, Texts(id for id in ids if storable(id)))
    return {id: address.hex() for id, address in rows}


def move_heads(
    connection: Connection, moves: Sequence[HeadMove], *, guarded: bool, sound: Collection[Address] = ()
) -> list[bool]:
    """Try each move, to be called inside a transaction; which of them were made.

    `guarded`: none is made to an address that was withdrawn; those in `sound` are known not to be.
    """
    barred: set[Address] = set()
    if guarded:
        doubtful = Digests({move.new for move in moves if move.new is not None and move.new not in sound})
        barred = {row[0].hex() for row in _rows(connection, _BARRED, doubtful)} if doubtful else set()
    allowed = [move for move in moves if move.new not in barred]
    made = _make(connection, [move for move in allowed if move.expected is None and move.new is not None])
    changing = [move for move in allowed if move.expected is not None]
    made |= _change(connection, _SWAP, [move for move in changing if move.new is not None])
    made |= _change(connection, _REMOVE, [move for move in changing if move.new is None])
    none = [move.id for move in allowed if move.expected is None and move.new is None]
    made |= set(none) - read_heads(connection, none).keys() if none else set()
    return [move.new not in barred and move.id in made for move in moves]


def move_one(session: Session, move: HeadMove) -> bool:
    """Try one move to an address, in one round trip and a transaction of its own; whether it was made."""
    assert move.new is not None
    values = [move.id.encode("utf-8"), bytes.fromhex(move.new)]
    if move.expected is None:
        return session.run(_MAKE_ONE, values).ntuples == 1
    return session.run(_SWAP_ONE, [*values, bytes.fromhex(move.expected)]).ntuples == 1


def walk_heads(connection: Connection, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
    """Every head in the order of the ids' UTF-8, page by page."""
    rows = _rows(connection, _WALK, _last_id(cursor), limit + 1)
    items = [(id, address.hex()) for id, address in rows[:limit]]
    more = len(rows) > limit
    return Page(items, _CURSOR + items[-1][0].encode("utf-8").hex() if more else None)


def read_marks(connection: Connection) -> dict[str, str]:
    """All marks."""
    return dict(_rows(connection, "SELECT name, value FROM marks"))


def set_mark(connection: Connection, name: str, value: str | None) -> None:
    """Set a mark; None removes it."""
    if value is None:
        connection.execute("DELETE FROM marks WHERE name = %s", (name,))
    else:
        connection.execute(_SET, (name, value))


def _make(connection: Connection, moves: Sequence[HeadMove]) -> set[str]:
    if not moves:
        return set()
    ids, new = Texts(move.id for move in moves), Digests(move.new for move in moves if move.new is not None)
    return {row[0] for row in _rows(connection, _MAKE, ids, new)}


def _change(connection: Connection, statement: str, moves: Sequence[HeadMove]) -> set[str]:
    if not moves:
        return set()
    ids = Texts(move.id for move in moves)
    expected = Digests(move.expected for move in moves if move.expected is not None)
    # What is removed is given its old address, which nobody looks at.
    new = Digests(move.new or move.expected or "" for move in moves)
    return {row[0] for row in _rows(connection, statement, ids, expected, new)}


def _rows(connection: Connection, statement: Any, *values: object) -> list[Any]:
    return connection.cursor(binary=True).execute(statement, values).fetchall()


def _last_id(cursor: str | None) -> str:
    if cursor is None:
        return ""
    try:
        if cursor.startswith(_CURSOR):
            found = bytes.fromhex(cursor.removeprefix(_CURSOR)).decode("utf-8")
            if storable(found):
                return found
    except ValueError:
        pass
    raise InvalidQuery("cursor", "is not one that a scan of heads returned; drop it to begin anew")
