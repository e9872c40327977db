"""Where a document is: under its own key, or, if another address came first with the same 8 bytes, displaced."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

import apsw
import orjson

from stat7.address import Address
from stat7.record import Notice
from stat7.stores.sqlite.connection import fetch
from stat7.stores.sqlite.rows import HIGHEST_KEY, key_of

_OCCUPANTS: Final = """
    SELECT c.key, CAST(d.address AS BLOB) FROM json_each(?) AS wanted
    CROSS JOIN coordinates AS c ON c.key = wanted.value LEFT JOIN documents AS d ON d.seq = c.seq"""
_ROW: Final = """
    SELECT d.seq, CAST(d.address AS BLOB) FROM coordinates AS c LEFT JOIN documents AS d ON d.seq = c.seq
    WHERE c.key = ?"""
_FREE_ABOVE: Final = """
    SELECT key + 1 FROM coordinates AS c WHERE key >= ? AND key < ? AND NOT EXISTS
    (SELECT 1 FROM coordinates WHERE key = c.key + 1) ORDER BY key LIMIT 1"""
_FREE_BELOW: Final = """
    SELECT key - 1 FROM coordinates AS c WHERE key <= ? AND NOT EXISTS
    (SELECT 1 FROM coordinates WHERE key = c.key - 1) ORDER BY key DESC LIMIT 1"""
_NOTICES: Final = """
    SELECT lower(hex(n.address)), n."case", n.reason, n.withdrawn_at, n.id, n.previous
    FROM json_each(?) AS wanted CROSS JOIN notices AS n ON n.address = unhex(wanted.value)"""
_DISPLACED: Final = """
    SELECT lower(hex(p.address)), p.key FROM json_each(?) AS wanted
    CROSS JOIN displaced AS p ON p.address = unhex(wanted.value)"""


class Place(NamedTuple):
    """Where a document stands: the key of its row of coordinates, and its number in `documents`."""

    key: int
    seq: int


def as_json(values: Iterable[int | str]) -> str:
    """A list for json_each, by which a statement takes any number of values. Strings must be valid Unicode."""
    return orjson.dumps(values if isinstance(values, list) else list(values)).decode("utf-8")


def occupants(connection: apsw.Connection, keys: Collection[int]) -> dict[int, Address | None]:
    """For those of the keys that have a row: the address of the document there, None if it leads to none."""
    rows = fetch(connection, _OCCUPANTS, (as_json(sorted(keys)),))
    return {key: None if address is None else address.hex() for key, address in rows}


def locate(connection: apsw.Connection, address: Address) -> Place | None:
    """Where the document with this address stands, None if it isn't stored."""
    wanted = bytes.fromhex(address)
    key = key_of(address)
    for seq, found in fetch(connection, _ROW, (key,)):
        if found == wanted:
            return Place(key, seq)
        for (elsewhere,) in fetch(connection, "SELECT key FROM displaced WHERE address = ?", (wanted,)):
            for seq, found in fetch(connection, _ROW, (elsewhere,)):
                if found == wanted:
                    return Place(elsewhere, seq)
    return None


def free_key(connection: apsw.Connection, key: int) -> int:
    """The free key next to a taken one: the next above, or the next below where there is none above."""
    for statement, bounds in ((_FREE_ABOVE, (key, HIGHEST_KEY)), (_FREE_BELOW, (key,))):
        for (free,) in fetch(connection, statement, bounds):
            return int(free)
    raise AssertionError("2^64 documents are stored")


def displaced(connection: apsw.Connection, addresses: Collection[Address]) -> dict[Address, int]:
    """The keys of those of the addresses whose own key was taken."""
    return dict(fetch(connection, _DISPLACED, (as_json(list(addresses)),)))


def notices(connection: apsw.Connection, addresses: Collection[Address]) -> dict[Address, Notice]:
    """The notices of those of the addresses that were withdrawn."""
    rows: list[Any] = fetch(connection, _NOTICES, (as_json(list(addresses)),))
    return {row[0]: Notice(*row) for row in rows}
