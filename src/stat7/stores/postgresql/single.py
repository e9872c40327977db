"""A single put in one round trip, by libpq itself: a cursor of psycopg would take twice the processor time.

One statement stores the record if it is missing, tells what was there otherwise, and moves its head.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from stat7.record import Record
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.postgresql.rows import COLUMNS, distinct_files, link_keys, pack_bytes, pack_integers, pack_texts
from stat7.stores.postgresql.session import Session, Statement

_STORE: Final = f"""
    WITH known AS (SELECT document IS NULL AS withdrawn FROM entities WHERE address = $1),
    stored AS (INSERT INTO entities({", ".join(COLUMNS)})
        VALUES ({", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))})
        ON CONFLICT (address) DO NOTHING RETURNING true){{moving}}
    SELECT EXISTS (SELECT FROM stored),
    CASE WHEN NOT EXISTS (SELECT FROM stored) THEN (SELECT withdrawn FROM known) END, {{moved}}"""
_SOUND: Final = "(EXISTS (SELECT FROM stored) OR EXISTS (SELECT FROM known WHERE NOT withdrawn))"
_MAKE: Final = f""",
    moved AS (INSERT INTO heads SELECT $10, $1 WHERE {_SOUND} ON CONFLICT (id) DO NOTHING RETURNING true)"""
_SWAP: Final = f""",
    moved AS (UPDATE heads SET address = $1 WHERE id = $10 AND address = $15 AND {_SOUND} RETURNING true)"""
_MOVED: Final = "EXISTS (SELECT FROM moved)"


_TYPES: Final = (17, 21, 20, 23, 23, 23, 20, 25, 25, 25, 1009, 1001, 1016, 17)
_PLAIN: Final = Statement(b"stat7_put", _STORE.format(moving="", moved="false"), _TYPES)
MAKING: Final = Statement(b"stat7_put_make", _STORE.format(moving=_MAKE, moved=_MOVED), _TYPES)
"""The statement that gives an id its first head."""
_SWAPPING: Final = Statement(b"stat7_put_swap", _STORE.format(moving=_SWAP, moved=_MOVED), (*_TYPES, 17))

_SHORT: Final[Callable[[int], bytes]] = Struct(">h").pack
_INTEGER: Final[Callable[[int], bytes]] = Struct(">i").pack
_LONG: Final[Callable[[int], bytes]] = Struct(">q").pack
_TRUE: Final = b"\x01"


def put_one(session: Session, record: Record, move: HeadMove | None) -> tuple[Outcome, bool] | None:
    """Store one record and make the move, which must be of its id to its address; None if somebody stored it meanwhile.

    Nothing is done in that case. Raises psycopg's errors.
    """
    values = _values(record)
    if move is None:
        statement = _PLAIN
    elif move.expected is None:
        statement = MAKING
    else:
        statement = _SWAPPING
        values.append(bytes.fromhex(move.expected))
    result = session.run(statement, values)
    moved = result.get_value(0, 2) == _TRUE
    if result.get_value(0, 0) == _TRUE:
        return Outcome.NEW, moved
    withdrawn = result.get_value(0, 1)
    if withdrawn is None:
        return None
    return (Outcome.WITHDRAWN if withdrawn == _TRUE else Outcome.EXISTED), moved


def _values(record: Record) -> list[Any]:
    # None is NULL, whatever the driver's annotations say.
    files, links = distinct_files(record), link_keys(record)
    return [
        bytes.fromhex(record.address),
        _SHORT(record.horizon),
        _LONG(record.lineage),
        _INTEGER(record.resonance),
        _INTEGER(record.velocity),
        _INTEGER(record.density),
        None if record.created_at is None else _LONG(record.created_at),
        record.realm.encode(),
        record.entity_type.encode(),
        record.id.encode("utf-8"),
        pack_texts(record.adjacency) if record.adjacency else None,
        pack_bytes(files) if files else None,
        pack_integers(links) if links else None,
        record.document,
    ]
