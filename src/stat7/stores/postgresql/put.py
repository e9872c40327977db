"""Storing records that are missing, and moving heads with them.

One record (single.py) or a few go in one statement, which is a transaction of its own and takes one round trip. More
go by COPY into a temporary table and from there, sorted by address, into the real one. In both a conflict on the
address leaves what is there, be it the document or the bare row of a withdrawn one, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from stat7.address import Address
from stat7.record import Record
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.postgresql.heads import move_heads
from stat7.stores.postgresql.rows import COLUMNS, HEADER, TRAILER, Digests, Texts, copy_row, values_of
from stat7.stores.postgresql.schema import STAGING
from stat7.stores.postgresql.session import Session
from stat7.stores.postgresql.single import put_one

FEW: Final = 16
"""Most records that go in one statement; from about there on COPY is quicker."""

_PIECE: Final = 2**20
_NAMES: Final = ", ".join(COLUMNS)
_ROW: Final = (
    "(%s::bytea, %s::int2, %s::int8, %s::int4, %s::int4, %s::int4, %s::int8, %s::text, %s::text, %s::text,"
    " %s::text[], %s::bytea[], %s::int8[], %s::bytea)"
)
_STORED, _KNOWN, _WITHDRAWN, _MOVED = range(4)
_FEW: Final = f"""
    WITH known AS (SELECT address, document IS NULL AS withdrawn FROM entities WHERE address = ANY(%s)),
    stored AS (INSERT INTO entities({_NAMES}) VALUES {{rows}} ON CONFLICT (address) DO NOTHING RETURNING address),
    sound AS (SELECT address FROM stored UNION ALL SELECT address FROM known WHERE NOT withdrawn){{moves}}
    SELECT {_STORED}, address, NULL FROM stored
    UNION ALL SELECT CASE WHEN withdrawn THEN {_WITHDRAWN} ELSE {_KNOWN} END, address, NULL FROM known
    {{moved}}"""
_MAKE: Final = """,
    moved AS (INSERT INTO heads SELECT m.id, m.new FROM unnest(%s, %s) AS m(id, new)
        WHERE m.new IN (SELECT address FROM sound) ORDER BY m.id COLLATE "C"
        ON CONFLICT (id) DO NOTHING RETURNING id)"""
_SWAP: Final = """,
    moved AS (UPDATE heads SET address = %s
        WHERE id = %s AND address = %s AND %s IN (SELECT address FROM sound) RETURNING id)"""
_AND_MOVED: Final = f"UNION ALL SELECT {_MOVED}, NULL, id FROM moved"
_COPY: Final = f"COPY stat7_incoming({_NAMES}) FROM STDIN (FORMAT BINARY)"
_INSERT: Final = f"""
    INSERT INTO entities({_NAMES}) SELECT {_NAMES} FROM stat7_incoming ON CONFLICT (address) DO NOTHING
    RETURNING address"""
_BARE: Final = "SELECT address FROM entities WHERE address = ANY(%s) AND document IS NULL"

Result = tuple[list[Outcome], list[bool]]


def put(session: Session, records: Sequence[Record], moves: Sequence[HeadMove]) -> Result:
    """Store what is missing, then try the moves; one transaction, save where others put the same few records."""
    if len(records) == 1 and _one(records[0], moves):
        done = put_one(session, records[0], moves[0] if moves else None)
        if done is not None:
            return [done[0]], [done[1]] if moves else []
    waiting = {record.address: record for record in reversed(records)}
    outcomes: dict[Address, Outcome] = {}
    moved: set[str] = set()
    if 0 < len(waiting) <= FEW and _simple(waiting, moves):
        outcomes, moved = _put_few(session, list(waiting.values()), moves)
        if len(outcomes) == len(waiting):
            return _in_order(records, outcomes), [move.id in moved for move in moves]
        # Somebody else stored the others at this very moment, so that the statement couldn't see them yet.
        waiting = {address: record for address, record in waiting.items() if address not in outcomes}
    left = [move for move in moves if move.id not in moved]
    if waiting and not session.staging:
        # Before the transaction, for if that fails the table stays.
        session.connection.execute(STAGING)
        session.staging = True
    with session.connection.transaction():
        if waiting:
            outcomes |= store_missing(session, list(waiting.values()))
        sound = {address for address, outcome in outcomes.items() if outcome is not Outcome.WITHDRAWN}
        made = move_heads(session.connection, left, guarded=True, sound=sound) if left else []
    moved |= {move.id for move, done in zip(left, made, strict=True) if done}
    return _in_order(records, outcomes), [move.id in moved for move in moves]


def store_missing(session: Session, records: Sequence[Record]) -> dict[Address, Outcome]:
    """Store records that are missing, each address once, by COPY inside a transaction; their outcomes.

    The session must have its staging table.
    """
    cursor = session.connection.cursor(binary=True)
    # In the order of the primary key, which is also that in which everybody takes these locks.
    rows = map(copy_row, sorted(records, key=itemgetter(0)))
    with cursor.copy(_COPY) as copy:
        for piece in _pieces(rows):
            copy.write(piece)
    cursor.execute(_INSERT)
    if cursor.rowcount == len(records):
        return {record.address: Outcome.NEW for record in records}
    outcomes = {record.address: Outcome.EXISTED for record in records}
    outcomes |= {row[0].hex(): Outcome.NEW for row in cursor}
    existing = Digests(address for address, outcome in outcomes.items() if outcome is Outcome.EXISTED)
    outcomes |= {row[0].hex(): Outcome.WITHDRAWN for row in cursor.execute(_BARE, (existing,))}
    return outcomes


def _pieces(rows: Iterable[bytes]) -> Iterator[bytes]:
    """The whole COPY in pieces of a MiB or so: big documents need not lie in memory twice."""
    parts, size = [HEADER], 0
    for row in rows:
        parts.append(row)
        size += len(row)
        if size >= _PIECE:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join((*parts, TRAILER))


def _one(record: Record, moves: Sequence[HeadMove]) -> bool:
    """Whether the moves are none, or one of this record's id to its address."""
    return not moves or (len(moves) == 1 and moves[0].id == record.id and moves[0].new == record.address)


def _simple(wanted: dict[Address, Record], moves: Sequence[HeadMove]) -> bool:
    """Whether the moves fit in one statement: first heads to these records, or a single swap to one of them."""
    if any(move.new not in wanted for move in moves):
        return False
    return len(moves) <= 1 or all(move.expected is None for move in moves)


def _put_few(
    session: Session, records: Sequence[Record], moves: Sequence[HeadMove]
) -> tuple[dict[Address, Outcome], set[str]]:
    """All in one statement: the outcomes as far as it could see them, and the ids whose heads it moved."""
    records = sorted(records, key=itemgetter(0))
    values: list[object] = [Digests(record.address for record in records)]
    for record in records:
        values += values_of(record)
    swap = bool(moves) and moves[0].expected is not None
    if swap:
        new = bytes.fromhex(moves[0].new or "")
        values += (new, moves[0].id, bytes.fromhex(moves[0].expected or ""), new)
    elif moves:
        values += (Texts(move.id for move in moves), Digests(move.new for move in moves if move.new is not None))
    statement = _statement(len(records), swap, bool(moves))
    rows: list[Any] = session.connection.cursor(binary=True).execute(statement, values).fetchall()
    # Backwards: what was stored is new, also if the same statement had seen it before somebody discarded it.
    outcomes = {row[1].hex(): _OUTCOMES[row[0]] for row in reversed(rows) if row[0] != _MOVED}
    return outcomes, {row[2] for row in rows if row[0] == _MOVED}


@lru_cache(maxsize=4 * FEW)
def _statement(count: int, swap: bool, moves: bool) -> Any:
    rows = ", ".join([_ROW] * count)
    if not moves:
        return _FEW.format(rows=rows, moves="", moved="")
    return _FEW.format(rows=rows, moves=_SWAP if swap else _MAKE, moved=_AND_MOVED)


_OUTCOMES: Final = {_STORED: Outcome.NEW, _KNOWN: Outcome.EXISTED, _WITHDRAWN: Outcome.WITHDRAWN}


def _in_order(records: Sequence[Record], outcomes: dict[Address, Outcome]) -> list[Outcome]:
    """One outcome per record; of equal ones only the first can be new."""
    if len(outcomes) == len(records):
        return [outcomes[record.address] for record in records]
    ordered = []
    for record in records:
        outcome = outcomes[record.address]
        ordered.append(outcome)
        if outcome is Outcome.NEW:
            outcomes[record.address] = Outcome.EXISTED
    return ordered
