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
from stat7.stores.postgresql.errors import CORRUPT
from stat7.stores.postgresql.rows import Digests, Integers, file_key, known_addresses
from stat7.stores.postgresql.session import Session, Statement

ONE: Final = "SELECT document FROM entities WHERE address = $1"
"""The statement of every single get, as libpq has it."""

_ONE: Final = Statement(b"stat7_get", ONE, (17,))
_MANY: Final = "SELECT address, document FROM entities WHERE address = ANY(%s)"
_HAS: Final = "SELECT address FROM entities WHERE address = ANY(%s) AND document IS NOT NULL"
_NOTICES: Final = """
    SELECT address, "case", reason, withdrawn_at, id, previous FROM notices WHERE address = ANY(%s)"""
_WALK: Final = "SELECT address, document FROM entities WHERE address > %s ORDER BY address LIMIT %s"
_NAMED: Final = """
    SELECT f.sha256 FROM unnest(%s, %s) AS f(sha256, key) WHERE EXISTS (
    SELECT 1 FROM entities AS e WHERE e.links @> ARRAY[f.key] AND f.sha256 = ANY(e.files))"""
# The bare row of every notice is counted with the rest: so the narrow index is enough.
_COUNT: Final = "SELECT (SELECT count(*) FROM entities) - (SELECT count(*) FROM notices)"
_CURSOR: Final = "scan."

Held = bytes | Notice


def get_one(session: Session, address: bytes) -> bytes | None:
    """The document under this address if all goes well; None if it is missing or withdrawn, or for any error."""
    try:
        result = session.run(_ONE, (address,))
    except psycopg.Error:
        return None
    return result.get_value(0, 0) if result.ntuples else None


def get_alone(connection: Connection, address: Address) -> dict[Address, Held]:
    """`get` of one address. Raises Corrupt for it where the server can't read its document."""
    try:
        return get(connection, (address,))
    except psycopg.Error as error:
        if error.sqlstate in CORRUPT:
            raise Corrupt(address, f"PostgreSQL says: {error.diag.message_primary}") from error
        raise


def get(connection: Connection, addresses: Sequence[Address]) -> dict[Address, Held]:
    """The documents and notices of those addresses that are known."""
    known = Digests(known_addresses(addresses))
    if not known:
        return {}
    held: dict[Address, Held] = {raw.hex(): document for raw, document in fetch(connection, _MANY, known)}
    return with_notices(connection, held)


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
    """Everything stored after the cursor's address, in address order."""
    rows = fetch(connection, _WALK, _position(cursor), limit + 1)
    more = len(rows) > limit
    held = with_notices(connection, {raw.hex(): document for raw, document in rows[:limit]})
    items = list(held.items())
    return Page(items, _CURSOR + items[-1][0] if more else None)


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


def _position(cursor: str | None) -> bytes:
    """The last address seen, empty at the beginning."""
    if cursor is None:
        return b""
    position = cursor.removeprefix(_CURSOR)
    if not cursor.startswith(_CURSOR) or not is_address(position):
        raise InvalidQuery("cursor", "is not one that a scan returned; drop it to begin anew")
    return bytes.fromhex(position)
