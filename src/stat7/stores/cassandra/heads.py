"""Heads and marks.

A head moves by one lightweight transaction. Where its outcome is unknown (a node died, or others raced for it) the head
is read again at SERIAL, which settles what was under way: still as expected, then it is tried again, else the move
wasn't made. A move that was made by then so comes as not made, as after a race, and whoever asked reads the head again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence, Set
from typing import Any, Final

from stat7.address import Address, is_address
from stat7.errors import Unavailable
from stat7.stores.base import HeadMove, Page
from stat7.stores.cassandra.errors import UNKNOWN
from stat7.stores.cassandra.reader import TOGETHER
from stat7.stores.cassandra.session import Connection
from stat7.stores.cassandra.walk import Walk

MAKE: Final = "INSERT INTO $.heads(id, address) VALUES (?, ?) IF NOT EXISTS"
_SWAP: Final = "UPDATE $.heads SET address = ? WHERE id = ? IF address = ?"
_REMOVE: Final = "DELETE FROM $.heads WHERE id = ? IF address = ?"
READ: Final = "SELECT id, address FROM $.heads WHERE id IN ?"
_READ_ONE: Final = "SELECT address FROM $.heads WHERE id = ?"
_WALK: Final = Walk("heads", "heads", "id", ("address",))
_MARKS: Final = "SELECT name, value FROM $.names WHERE kind = 'mark'"
_SET_MARK: Final = "INSERT INTO $.names(kind, name, value) VALUES ('mark', ?, ?)"
_DROP_MARK: Final = "DELETE FROM $.names WHERE kind = 'mark' AND name = ?"
_NAP: Final = 0.01
_LONGEST_NAP: Final = 0.5


def read_heads(connection: Connection, ids: Sequence[str]) -> dict[str, Address]:
    """The current address of each id that has one."""
    wanted = list(dict.fromkeys(ids))
    if len(wanted) == 1:
        rows = [(wanted[0], *row) for row in connection.run(_READ_ONE, wanted[0])]
    else:
        parts = [(wanted[at : at + TOGETHER],) for at in range(0, len(wanted), TOGETHER)]
        rows = connection.run_each(READ, parts)
    return {row[0]: row[1].hex() for row in rows}


def move_heads(connection: Connection, moves: Sequence[HeadMove], withdrawn: Set[Address] = frozenset()) -> list[bool]:
    """Try each move on its own; those to `withdrawn` addresses are not made."""
    made = [False] * len(moves)
    pending = {number: move for number, move in enumerate(moves) if move.new not in withdrawn and _is_sound(move)}
    end, nap = time.monotonic() + connection.settings.timeout, _NAP
    while True:
        unknown = _try(connection, pending, made)
        pending = {number: move for number, move in pending.items() if number in unknown and _is_open(connection, move)}
        if not pending:
            return made
        if time.monotonic() > end:
            raise Unavailable(f"others move the same heads at {connection.settings.where()}; try again")
        # At random, so that those who lost to each other don't come back together.
        time.sleep(random.uniform(0, nap))
        nap = min(nap * 2, _LONGEST_NAP)


def _try(connection: Connection, pending: dict[int, HeadMove], made: list[bool]) -> set[int]:
    """Try these moves and note those that were made; gives those of which nobody knows."""
    forms: dict[str, list[tuple[int, tuple[Any, ...]]]] = {MAKE: [], _SWAP: [], _REMOVE: []}
    for number, (id, expected, new) in pending.items():
        if expected is None and new is None:
            made[number] = not connection.run(_READ_ONE, id, serial=True)
        elif expected is None:
            forms[MAKE].append((number, (id, _raw(new))))
        elif new is None:
            forms[_REMOVE].append((number, (id, _raw(expected))))
        else:
            forms[_SWAP].append((number, (_raw(new), id, _raw(expected))))
    unknown = set()
    for text, tries in forms.items():
        results = connection.try_all(text, [values for _, values in tries]) if tries else []
        for (number, _), result in zip(tries, results, strict=True):
            if isinstance(result, UNKNOWN):
                unknown.add(number)
            elif isinstance(result, Exception):
                raise result
            else:
                made[number] = result[0][0]
    return unknown


def _is_open(connection: Connection, move: HeadMove) -> bool:
    """Whether the head is where the move expects it, once everything under way is settled."""
    rows = connection.run(_READ_ONE, move.id, serial=True)
    return (rows[0][0].hex() if rows else None) == move.expected


def _is_sound(move: HeadMove) -> bool:
    """What is no address is no head, so nothing can move from it."""
    return move.expected is None or is_address(move.expected)


def _raw(address: Address | None) -> bytes:
    return bytes.fromhex(address or "")


def scan_heads(connection: Connection, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
    """Every head, in the order of tokens."""
    rows, is_last = _WALK.page(connection, _WALK.position(cursor), limit)
    return Page([(row[0], row[1].hex()) for row in rows], None if is_last else _WALK.cursor(rows[-1][0]))


def read_marks(connection: Connection) -> dict[str, str]:
    """The marks that are set."""
    return {row[0]: row[1] for row in connection.run(_MARKS)}


def set_mark(connection: Connection, name: str, value: str | None) -> None:
    """Set a mark; None removes it."""
    if value is None:
        connection.run(_DROP_MARK, name)
    else:
        connection.run(_SET_MARK, name, value)
