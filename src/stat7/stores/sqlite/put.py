"""Storing records that are missing, inside a transaction that the writer has begun."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

import apsw

from stat7.address import Address
from stat7.record import Record
from stat7.stores.base import Outcome
from stat7.stores.sqlite.connection import fetch
from stat7.stores.sqlite.lookup import as_json, free_key, locate, notices, occupants
from stat7.stores.sqlite.rows import FILES, LinkRow, coordinate_row, key_of, link_rows, segment_of

_LINKS_AT_ONCE: Final = 100
_INSERT_LINKS: Final = f"INSERT OR IGNORE INTO links VALUES {', '.join(['(?, ?, ?)'] * _LINKS_AT_ONCE)}"
_INSERT_LINK: Final = "INSERT OR IGNORE INTO links VALUES(?, ?, ?)"


def put_new(connection: apsw.Connection, records: Sequence[Record]) -> None:
    """Store records that should be missing, without looking first; apsw.ConstraintError if the key of one is taken.

    Then the transaction must be rolled back. Every address that is stored, displaced or withdrawn has a row at its key.
    """
    _insert(connection, records, [key_of(record.address) for record in records])


def put_records(connection: apsw.Connection, records: Sequence[Record]) -> list[Outcome]:
    """Store what is missing; one outcome per record, in order."""
    keys = [key_of(record.address) for record in records]
    taken = occupants(connection, keys)
    outcomes = [Outcome.EXISTED] * len(records)
    fresh: dict[int, int] = {}
    doubtful: list[int] = []
    for index, (record, key) in enumerate(zip(records, keys, strict=True)):
        if key in taken:
            if taken[key] != record.address:
                doubtful.append(index)
        elif key not in fresh:
            fresh[key] = index
            outcomes[index] = Outcome.NEW
        elif records[fresh[key]].address != record.address:
            doubtful.append(index)
    _insert(connection, [records[index] for index in fresh.values()], list(fresh))
    for index in doubtful:
        outcomes[index] = _put_doubtful(connection, records[index])
    return outcomes


def next_seq(connection: apsw.Connection) -> int:
    """The number of the next document."""
    return 1 + (fetch(connection, "SELECT max(seq) FROM documents")[0][0] or 0)


def insert_links(connection: apsw.Connection, rows: Iterable[LinkRow]) -> None:
    """Insert rows of `links`, many to a statement: there are more of them than of anything else."""
    values = list(chain.from_iterable(rows))
    step = 3 * _LINKS_AT_ONCE
    whole = len(values) - len(values) % step
    connection.executemany(_INSERT_LINKS, [values[at : at + step] for at in range(0, whole, step)])
    connection.executemany(_INSERT_LINK, [values[at : at + 3] for at in range(whole, len(values), 3)])


def erase_links(connection: apsw.Connection, places: Iterable[tuple[int, int]]) -> None:
    """Delete every link under these (segment, key), whatever it names, by reading their whole segments: for repair."""
    by_segment: dict[int, set[int]] = {}
    for segment, key in places:
        by_segment.setdefault(segment, set()).add(key)
        by_segment.setdefault(FILES, set()).add(key)
    # Left to SQLite, since a damaged target may be text that can't be read here.
    for segment, keys in by_segment.items():
        wanted = as_json(list(keys))
        connection.execute(
            "DELETE FROM links WHERE segment = ? AND key IN (SELECT value FROM json_each(?))", (segment, wanted)
        )


def delete_links(connection: apsw.Connection, rows: Iterable[tuple[int, str | bytes, int]]) -> None:
    """Delete these rows of `links`."""
    connection.executemany("DELETE FROM links WHERE segment = ? AND target = ? AND key = ?", rows)


def _insert(connection: apsw.Connection, records: Sequence[Record], keys: Sequence[int]) -> None:
    """Append documents under free keys, with their index rows."""
    if not records:
        return
    first = next_seq(connection)
    seqs = range(first, first + len(records))
    places = [coordinate_row(r, key, seq) for r, key, seq in zip(records, keys, seqs, strict=True)]
    # In the order of the table, for the sake of its pages; sorting the links costs more than it saves.
    places.sort()
    # First what finds out whether a key is taken. Never INSERT OR REPLACE in bulk: it takes three times as long.
    connection.executemany("INSERT INTO coordinates VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", places)
    documents = [(seq, bytes.fromhex(r.address), r.id, r.document) for seq, r in zip(seqs, records, strict=True)]
    connection.executemany("INSERT INTO documents VALUES(?, ?, ?, ?)", documents)
    insert_links(connection, chain.from_iterable(map(link_rows, records, keys, seqs)))
    realms = {(record.realm,) for record in records}
    connection.executemany("INSERT INTO realms VALUES(?) ON CONFLICT DO NOTHING", realms)


def _put_doubtful(connection: apsw.Connection, record: Record) -> Outcome:
    """Store a record whose key has a row already: bare, or of another address that begins with the same 8 bytes."""
    if notices(connection, (record.address,)):
        return Outcome.WITHDRAWN
    if locate(connection, record.address) is not None:
        return Outcome.EXISTED
    key = key_of(record.address)
    if occupants(connection, (key,)).get(key) is not None:
        key = free_key(connection, key)
        connection.execute("INSERT OR REPLACE INTO displaced VALUES(?, ?)", (bytes.fromhex(record.address), key))
    else:
        _clear(connection, key, record.address)
    _insert(connection, (record,), (key,))
    return Outcome.NEW


def _clear(connection: apsw.Connection, key: int, address: Address) -> None:
    """Make a key ready that leads to no document; if it should lead to one, that was lost and its links are stale."""
    rows = fetch(connection, "SELECT seq FROM coordinates WHERE key = ? AND typeof(seq) = 'integer'", (key,))
    erase_links(connection, [(segment_of(seq), key) for (seq,) in rows])
    connection.execute("DELETE FROM coordinates WHERE key = ?", (key,))
    # A displaced row may be left from a history in which another address held the key.
    connection.execute("DELETE FROM displaced WHERE address = ?", (bytes.fromhex(address),))
