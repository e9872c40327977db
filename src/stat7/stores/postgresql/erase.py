"""Taking documents out (withdraw, discard) and putting good ones in place of damaged ones (replace).

Each is one transaction that takes its locks in the order of addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg import Connection

from stat7.address import Address, digest
from stat7.record import Notice, Record, notice_digest, try_read
from stat7.stores.postgresql.reader import documents_apart, fetch, read_notices
from stat7.stores.postgresql.rows import COLUMNS, Digests, known_addresses, values_of

_TAKE_ADDRESSES: Final = """
    INSERT INTO entities(address) SELECT a FROM unnest(%s) AS a ORDER BY a ON CONFLICT (address) DO NOTHING"""
_LOCK: Final = """
    SELECT address, id FROM entities WHERE address = ANY(%s) ORDER BY address FOR UPDATE"""
_BARE: Final = f"""
    UPDATE entities SET {", ".join(f"{name} = NULL" for name in COLUMNS[1:])}
    WHERE address = ANY(%s) AND (document IS NOT NULL OR realm IS NOT NULL OR links IS NOT NULL)"""
_DOCUMENTS_AT_ONCE: Final = 200
_KEEP: Final = """
    INSERT INTO notices(address, "case", reason, withdrawn_at, id, previous, digest)
    VALUES(%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (address) DO NOTHING"""
_DELETE: Final = "DELETE FROM entities WHERE address = ANY(%s)"
_OVERWRITE: Final = f"""
    UPDATE entities SET ({", ".join(COLUMNS[1:])}) = ({", ".join(["%s"] * (len(COLUMNS) - 1))}) WHERE address = %s"""


def withdraw(connection: Connection, given: Sequence[Notice]) -> None:
    """Erase documents and keep notices, completed from the documents; the first notice of an address wins."""
    notices = {notice.address: notice for notice in reversed(given)}
    addresses = Digests(sorted(notices))
    with connection.transaction():
        held = _hold(connection, addresses)
        withdrawn = read_notices(connection, addresses)
        kept = [each for each in addresses if each not in withdrawn]
        documents = _documents(connection, [each for each in kept if notices[each].previous is None])
        fetch_nothing(connection, _BARE, addresses)
        rows = [_completed(notices[each], held[each], documents.get(each)) for each in kept]
        connection.cursor(binary=True).executemany(_KEEP, rows)


def discard(connection: Connection, addresses: Sequence[Address]) -> None:
    """Erase documents as if they never were; what is withdrawn stays so."""
    wanted = Digests(sorted(set(known_addresses(addresses))))
    with connection.transaction():
        # Only what is locked: a bare row that somebody else makes by now is that of a withdrawal.
        locked = Digests(raw.hex() for raw, _ in fetch(connection, _LOCK, wanted))
        withdrawn = read_notices(connection, locked)
        fetch_nothing(connection, _DELETE, Digests(each for each in locked if each not in withdrawn))


def replace(connection: Connection, records: Sequence[Record]) -> None:
    """Write records over what is stored under their addresses, damaged or not; withdrawn ones stay withdrawn."""
    wanted = {record.address: record for record in records}
    addresses = Digests(sorted(wanted))
    with connection.transaction():
        _hold(connection, addresses)
        withdrawn = read_notices(connection, addresses)
        rows = [values_of(wanted[each]) for each in addresses if each not in withdrawn]
        connection.cursor(binary=True).executemany(_OVERWRITE, [(*row[1:], row[0]) for row in rows])


def _hold(connection: Connection, addresses: Digests) -> dict[Address, str | None]:
    """Take the addresses that are free, by bare rows, and lock the others; the ids that stand there.

    First all that is inserted, then all that is locked, both sorted: so nobody waits for another in a circle.
    """
    while True:
        fetch_nothing(connection, _TAKE_ADDRESSES, addresses)
        held = {raw.hex(): id for raw, id in fetch(connection, _LOCK, addresses)}
        # Between the two statements somebody may have discarded what was there.
        if len(held) == len(addresses):
            return held


def _documents(connection: Connection, addresses: Sequence[Address]) -> dict[Address, bytes | None]:
    """Documents that are about to be erased; b"" for those that the server can't read."""
    found: dict[Address, bytes | None] = {}
    for at in range(0, len(addresses), _DOCUMENTS_AT_ONCE):
        found |= documents_apart(connection, addresses[at : at + _DOCUMENTS_AT_ONCE])
    return found


def fetch_nothing(connection: Connection, statement: str, *values: object) -> None:
    """Carry out a statement that returns no rows."""
    connection.cursor(binary=True).execute(statement.encode(), values)


def _completed(notice: Notice, id: str | None, document: bytes | None) -> tuple[object, ...]:
    """The row of a notice, with what it lacks from the document."""
    previous = notice.previous
    if previous is None and document is not None:
        record = read_sound(notice.address, document)
        previous = None if record is None else record.previous
    kept = notice._replace(id=id if notice.id is None else notice.id, previous=previous)
    return bytes.fromhex(kept.address), *kept[1:], notice_digest(kept)


def read_sound(address: Address, document: bytes) -> Record | None:
    """The record of a stored document, None if its bytes are not those that were stored."""
    return try_read(address, document) if digest(document) == address else None
