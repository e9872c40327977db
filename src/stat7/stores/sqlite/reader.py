"""Reading documents: by address, one or many, and walking over everything in address order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import apsw

from stat7.address import Address, is_address
from stat7.errors import Corrupt, InvalidQuery
from stat7.record import Notice
from stat7.stores.base import Page
from stat7.stores.sqlite.connection import fetch
from stat7.stores.sqlite.lookup import as_json, displaced, notices
from stat7.stores.sqlite.rows import FILES, LOWEST_KEY, as_bytes, key_of, prefix_of

Held: TypeAlias = bytes | Notice

_BYTES: Final = f"{as_bytes('address')}, {as_bytes('document')}"
ONE: Final = f"SELECT {_BYTES} FROM documents WHERE seq = (SELECT seq FROM coordinates WHERE key = ?)"
"""What stands under a key. A scalar subquery, since the same as a join takes twice as long."""

_MANY: Final = f"""
    SELECT {_BYTES} FROM documents WHERE seq IN
    (SELECT c.seq FROM json_each(?) AS wanted CROSS JOIN coordinates AS c ON c.key = wanted.value)"""
_MANY_ADDRESSES: Final = _MANY.replace(as_bytes("document"), "NULL", 1)
_TAKEN: Final = "SELECT c.key FROM json_each(?) AS wanted CROSS JOIN coordinates AS c ON c.key = wanted.value"
_KEYS: Final = "SELECT key, seq FROM coordinates NOT INDEXED WHERE key >= ? AND seq IS NOT NULL ORDER BY key LIMIT ?"
_WALK: Final = f"""
    SELECT c.key, {as_bytes("d.address")}, {as_bytes("d.document")}
    FROM ({_KEYS}) AS c LEFT JOIN documents AS d ON d.seq = c.seq"""
_WALK_DISPLACED: Final = """
    SELECT lower(hex(address)) FROM displaced WHERE address > unhex(?) AND length(address) = 32
    ORDER BY address LIMIT ?"""
_WALK_NOTICES: Final = """
    SELECT lower(hex(address)) FROM notices WHERE address > unhex(?) AND length(address) = 32
    ORDER BY address LIMIT ?"""
_NOTICES: Final = """
    SELECT lower(hex(address)), "case", reason, withdrawn_at, id, previous FROM notices
    WHERE address > unhex(?) AND length(address) = 32 ORDER BY address LIMIT ?"""
_NAMED: Final = """
    SELECT wanted.value FROM json_each(?) AS wanted WHERE EXISTS
    (SELECT 1 FROM links AS l WHERE l.segment = ? AND l.target = unhex(wanted.value))"""
_CURSOR: Final = "scan."
_NOTICES_CURSOR: Final = "notices."


def get(connection: apsw.Connection, addresses: Sequence[Address]) -> dict[Address, Held]:
    """The documents and notices of those addresses that are known. Raises Corrupt for a document that can't be read."""
    try:
        found = _documents(connection, _MANY, addresses)
    except apsw.CorruptError as error:
        raise Corrupt(_unreadable(connection, addresses), f"SQLite says: {error}") from error
    suspects = _suspects(connection, found, addresses)
    if not suspects:
        return found
    return found | _displaced_documents(connection, _MANY, suspects) | notices(connection, suspects)


def has(connection: apsw.Connection, addresses: Sequence[Address]) -> set[Address]:
    """Those of the addresses that have a document."""
    found = _documents(connection, _MANY_ADDRESSES, addresses)
    suspects = _suspects(connection, found, addresses)
    return found.keys() | (_displaced_documents(connection, _MANY_ADDRESSES, suspects) if suspects else ())


def scan(connection: apsw.Connection, cursor: str | None, limit: int) -> Page[tuple[Address, Held]]:
    """Everything stored after the cursor's address, in address order; a document that can't be read comes as b"".

    Three ordered walks are merged: documents under their own keys, displaced ones, and notices.
    """
    after = _position(cursor, _CURSOR)
    home, last_key = _home(connection, key_of(after) if after else LOWEST_KEY, limit + 2)
    elsewhere = [
        [address for (address,) in fetch(connection, statement, (after, limit + 1))]
        for statement in (_WALK_DISPLACED, _WALK_NOTICES)
    ]
    # A walk that was cut short says nothing about what lies beyond its end.
    ends = [walk[-1] for walk in elsewhere if len(walk) > limit]
    ends += [] if last_key is None else [prefix_of(last_key) + "f" * 48]
    end = min(ends, default=None)
    known = sorted(a for walk in (home, *elsewhere) for a in walk if a > after and (end is None or a <= end))
    others = get(connection, [address for address in known[:limit] if address not in home])
    held = home | others
    items = [(address, held[address]) for address in known[:limit] if address in held]
    if len(known) > limit or (len(known) == limit and end is not None):
        return Page(items, _CURSOR + known[limit - 1])
    return Page(items, None if end is None else _CURSOR + end)


def scan_notices(connection: apsw.Connection, cursor: str | None, limit: int) -> Page[Notice]:
    """The notices after the cursor's address, in address order."""
    rows: list[Any] = fetch(connection, _NOTICES, (_position(cursor, _NOTICES_CURSOR), limit + 1))
    items = [Notice(*row) for row in rows[:limit]]
    return Page(items, _NOTICES_CURSOR + items[-1].address if len(rows) > limit else None)


def named_files(connection: apsw.Connection, sha256s: Sequence[str]) -> set[str]:
    """Those of the files that a stored document names."""
    names = as_json([name for name in sha256s if is_address(name)])
    return {name for (name,) in fetch(connection, _NAMED, (names, FILES))}


def count(connection: apsw.Connection) -> int:
    """Documents stored, counted by the narrow rows that lead to them."""
    rows = "SELECT (SELECT count(*) FROM coordinates) - (SELECT count(*) FROM coordinates WHERE seq IS NULL)"
    return int(fetch(connection, rows)[0][0])


def _unreadable(connection: apsw.Connection, addresses: Sequence[Address]) -> Address:
    """The first of the addresses whose document can't be read."""
    for address in addresses:
        try:
            _documents(connection, _MANY, (address,))
        except apsw.CorruptError:
            return address
    return addresses[0]


def _documents(connection: apsw.Connection, statement: str, addresses: Sequence[Address]) -> dict[Address, Held]:
    """What stands under the addresses' own keys, if it is theirs."""
    try:
        keys = [int(address[:16], 16) + LOWEST_KEY for address in addresses]
        malformed = min(keys, default=0) < LOWEST_KEY  # int takes a sign
    except ValueError:
        malformed = True
    if malformed:
        keys = [key_of(address) for address in addresses if is_address(address)]
    wanted = set(addresses)
    rows = fetch(connection, statement, (as_json(keys),))
    return {address: document for raw, document in rows if (address := raw.hex()) in wanted}


def _suspects(
    connection: apsw.Connection, found: dict[Address, Held], addresses: Sequence[Address]
) -> Sequence[Address]:
    """Addresses not found whose key has a row all the same: they may be displaced or withdrawn."""
    keys = {address: key_of(address) for address in addresses if address not in found and is_address(address)}
    if not keys:
        return ()
    taken = {key for (key,) in fetch(connection, _TAKEN, (as_json(list(keys.values())),))}
    return [address for address, key in keys.items() if key in taken]


def _displaced_documents(
    connection: apsw.Connection, statement: str, suspects: Sequence[Address]
) -> dict[Address, Held]:
    places = displaced(connection, suspects)
    rows = fetch(connection, statement, (as_json(list(places.values())),)) if places else []
    return {address: document for raw, document in rows if (address := raw.hex()) in places}


def _home(connection: apsw.Connection, key: int, limit: int) -> tuple[dict[Address, Held], int | None]:
    """Documents that stand under their own keys, from this key on, and the last key looked at if there may be more."""
    try:
        rows = fetch(connection, _WALK, (key, limit))
    except apsw.CorruptError:
        rows = list(_carefully(connection, key, limit))
    last_key = rows[-1][0] if len(rows) == limit else None
    documents = ((key, raw.hex(), document) for key, raw, document in rows if raw)
    return {address: document for key, address, document in documents if key_of(address) == key}, last_key


def _carefully(connection: apsw.Connection, key: int, limit: int) -> Iterator[tuple[int, bytes | None, bytes]]:
    """The same walk row by row, since one of them can't be read: b"" stands for its document, which no address fits."""
    for at, seq in fetch(connection, _KEYS, (key, limit)):
        yield at, *readable(connection, seq)


def readable(connection: apsw.Connection, seq: int) -> tuple[bytes | None, bytes]:
    """Address and document of number `seq`, as far as they can be read; b"" for what can't."""
    for columns in (_BYTES, f"{as_bytes('address')}, x''"):
        try:
            for address, document in fetch(connection, f"SELECT {columns} FROM documents WHERE seq = ?", (seq,)):
                return address, document
        except apsw.CorruptError:
            continue
    return None, b""


def _position(cursor: str | None, walk: str) -> Address:
    """The last address seen, "" at the beginning."""
    if cursor is None:
        return ""
    position = cursor.removeprefix(walk)
    if not cursor.startswith(walk) or not is_address(position):
        raise InvalidQuery("cursor", "is not one that a scan returned; drop it to begin anew")
    return position
