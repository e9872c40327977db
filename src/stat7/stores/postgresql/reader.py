"""Reading documents back: get, has, scan, the files named, the count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import psycopg
from psycopg import Connection

from stat7.address import Address, is_address
from stat7.errors import Corrupt, InvalidQuery
from stat7.record import Notice
from stat7.stores.base import Page
from stat7.stores.postgresql.errors import UNREADABLE
from stat7.stores.postgresql.rows import Digests, Integers, file_key, known_addresses
from stat7.stores.postgresql.session import Session, Statement

ONE: Final = "SELECT document FROM entities WHERE address = $1"
"""The statement of every single get, as libpq has it."""

_ONE: Final = Statement(b"stat7_get", ONE, (17,))
MANY: Final = "SELECT address, document FROM entities WHERE address = ANY(%s)"
"""The statement of every get of several, as psycopg has it."""

_HAS: Final = "SELECT address FROM entities WHERE address = ANY(%s) AND document IS NOT NULL"
_NOTICE: Final = 'SELECT address, "case", reason, withdrawn_at, id, previous FROM notices'
_NOTICES: Final = f"{_NOTICE} WHERE address = ANY(%s)"
_WALK_NOTICES: Final = f"{_NOTICE} WHERE address > %s ORDER BY address LIMIT %s"
_WALK: Final = "SELECT address, document FROM entities WHERE address > %s ORDER BY address LIMIT %s"
_ADDRESSES: Final = "SELECT address FROM entities WHERE address > %s ORDER BY address LIMIT %s"
_NAMED: Final = """
    SELECT f.sha256 FROM unnest(%s, %s) AS f(sha256, key) WHERE EXISTS (
    SELECT 1 FROM entities AS e WHERE e.links @> ARRAY[f.key] AND f.sha256 = ANY(e.files))"""
# The bare row of every notice is counted with the rest: so the narrow index is enough.
_COUNT: Final = "SELECT (SELECT count(*) FROM entities) - (SELECT count(*) FROM notices)"
_CURSOR: Final = "scan."
_NOTICES_CURSOR: Final = "notices."

Held = bytes | Notice


def get_one(session: Session, address: bytes) -> list[bytes | None]:
    """The document under this address, None for one that has no document (any more); empty if there is no row."""
    result = session.run(_ONE, (address,))
    return [result.get_value(0, 0)] if result.ntuples else []


def get(connection: Connection, addresses: Sequence[Address]) -> dict[Address, Held]:
    """The documents and notices of those addresses that are known. Raises Corrupt where one can't be read."""
    known = Digests(known_addresses(addresses))
    if not known:
        return {}
    try:
        rows = fetch(connection, MANY, known)
    except psycopg.Error as error:
        if error.sqlstate not in UNREADABLE:
            raise
        rows, unreadable = read_apart(connection, MANY, known)
        for address, said in unreadable.items():
            raise Corrupt(address, said) from error
    return with_notices(connection, {raw.hex(): document for raw, document in rows})


def documents_apart(connection: Connection, addresses: Sequence[Address]) -> dict[Address, bytes | None]:
    """The documents of those addresses that have a row; b"", which fits no address, for one that can't be read."""
    rows, unreadable = read_apart(connection, MANY, addresses)
    return {raw.hex(): document for raw, document in rows} | dict.fromkeys(unreadable, b"")


def read_apart(
    connection: Connection, statement: str, addresses: Sequence[Address]
) -> tuple[list[Any], dict[Address, str]]:
    """The rows at these addresses, halved as long as the server can't read one; what it says of those, by address.

    Leaves a transaction that is under way as it was. Raises psycopg's errors of any other kind.
    """
    try:
        with connection.transaction():
            return fetch(connection, statement, Digests(addresses)), {}
    except psycopg.Error as error:
        if error.sqlstate not in UNREADABLE:
            raise
        if len(addresses) == 1:
            return [], {addresses[0]: f"PostgreSQL says: {error.diag.message_primary}"}
    middle = len(addresses) // 2
    rows, unreadable = read_apart(connection, statement, addresses[:middle])
    others, more = read_apart(connection, statement, addresses[middle:])
    return rows + others, unreadable | more


def addresses_after(connection: Connection, after: bytes, limit: int) -> list[Address]:
    """The next addresses that have a row; which need not be readable, for the index is enough."""
    return [raw.hex() for (raw,) in fetch(connection, _ADDRESSES, after, limit)]


def with_notices(connection: Connection, held: dict[Address, Any]) -> dict[Address, Held]:
    """The same with the notices in place of documents that are NULL; b"", which fits no address, if there is none."""
    bare = Digests(address for address, document in held.items() if document is None)
    if bare:
        kept = read_notices(connection, bare)
        held |= {address: kept.get(address, b"") for address in bare}
    return held


def read_notices(connection: Connection, addresses: Iterable[Address]) -> dict[Address, Notice]:
    """The notices of those of the addresses that were withdrawn."""
    rows = fetch(connection, _NOTICES, Digests(addresses))
    return {raw.hex(): Notice(raw.hex(), *rest) for raw, *rest in rows}


def has(connection: Connection, addresses: Sequence[Address]) -> set[Address]:
    """Those of the addresses that have a document."""
    return {raw.hex() for (raw,) in fetch(connection, _HAS, Digests(known_addresses(addresses)))}


def scan(connection: Connection, cursor: str | None, limit: int) -> Page[tuple[Address, Held]]:
    """Everything stored after the cursor's address, in address order; a document that can't be read comes as b""."""
    after = _position(cursor, _CURSOR)
    held: dict[Address, Any]
    try:
        held = {raw.hex(): document for raw, document in fetch(connection, _WALK, after, limit + 1)}
        addresses = list(held)
    except psycopg.Error as error:
        if error.sqlstate not in UNREADABLE:
            raise
        addresses = addresses_after(connection, after, limit + 1)
        held = documents_apart(connection, addresses)
    page = with_notices(connection, {address: held[address] for address in addresses[:limit] if address in held})
    return Page(list(page.items()), _CURSOR + addresses[limit - 1] if len(addresses) > limit else None)


def scan_notices(connection: Connection, cursor: str | None, limit: int) -> Page[Notice]:
    """The notices after the cursor's address, in address order."""
    rows = fetch(connection, _WALK_NOTICES, _position(cursor, _NOTICES_CURSOR), limit + 1)
    items = [Notice(raw.hex(), *rest) for raw, *rest in rows[:limit]]
    return Page(items, _NOTICES_CURSOR + items[-1].address if len(rows) > limit else None)


def named_files(connection: Connection, sha256s: Sequence[str]) -> set[str]:
    """Those of the files that a stored document names."""
    names = Digests(set(known_addresses(sha256s)))
    if not names:
        return set()
    return {raw.hex() for (raw,) in fetch(connection, _NAMED, names, Integers(map(file_key, names)))}


def count(connection: Connection) -> int:
    """Documents stored."""
    return int(fetch(connection, _COUNT)[0][0])


def fetch(connection: Connection, statement: Any, *values: object, prepare: bool | None = None) -> list[Any]:
    """All rows of a statement, in binary form on the way."""
    return connection.cursor(binary=True).execute(statement, values, prepare=prepare).fetchall()


def _position(cursor: str | None, walk: str) -> bytes:
    """The last address seen, empty at the beginning."""
    if cursor is None:
        return b""
    position = cursor.removeprefix(walk)
    if not cursor.startswith(walk) or not is_address(position):
        raise InvalidQuery("cursor", "is not one that a scan returned; drop it to begin anew")
    return bytes.fromhex(position)
