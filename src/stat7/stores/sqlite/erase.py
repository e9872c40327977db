"""Taking documents out (withdraw, discard) and putting good ones in place of damaged ones (replace)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw

from stat7.address import Address
from stat7.record import Notice, Record, notice_digest
from stat7.stores.sqlite.connection import fetch
from stat7.stores.sqlite.lookup import Place, as_json, locate, notices
from stat7.stores.sqlite.put import delete_links, erase_links, insert_links, put_records
from stat7.stores.sqlite.rows import coordinate_row, key_of, link_rows, read_sound, segment_of

_BARE: Final = """
    UPDATE coordinates SET seq = NULL, segment = NULL, realm = NULL, horizon = NULL, lineage = NULL, resonance = NULL,
    velocity = NULL, density = NULL, entity_type = NULL, created_at = NULL"""
_HOLD_KEY: Final = "INSERT INTO coordinates(key) VALUES(?) ON CONFLICT DO NOTHING"
_KEEP: Final = "INSERT INTO notices VALUES(?, ?, ?, ?, ?, ?, ?, ?)"


def withdraw(connection: apsw.Connection, given: Sequence[Notice]) -> None:
    """Erase documents and keep notices, completed from the documents; the first notice of an address wins."""
    withdrawn = set(notices(connection, [notice.address for notice in given]))
    for notice in given:
        if notice.address in withdrawn:
            continue
        withdrawn.add(notice.address)
        id, previous = _take_out(connection, notice.address) or (None, None)
        key = key_of(notice.address)
        connection.execute(_HOLD_KEY, (key,))
        kept = notice._replace(
            id=id if notice.id is None else notice.id,
            previous=previous if notice.previous is None else notice.previous,
        )
        connection.execute(
            _KEEP,
            (
                bytes.fromhex(kept.address), key, kept.id, kept.previous, kept.case, kept.reason, kept.withdrawn_at,
                notice_digest(kept),
            ),
        )  # fmt: skip


def discard(connection: apsw.Connection, addresses: Sequence[Address]) -> None:
    """Erase documents as if they never were; their keys stay as bare rows."""
    for address in addresses:
        _take_out(connection, address)


def replace(connection: apsw.Connection, records: Sequence[Record]) -> None:
    """Write records over what is stored under their addresses, damaged or not; withdrawn ones stay withdrawn."""
    withdrawn = notices(connection, [record.address for record in records])
    wanted = {record.address: record for record in records if record.address not in withdrawn}
    places = {address: _place_to_mend(connection, record) for address, record in wanted.items()}
    found = {address: place for address, place in places.items() if place is not None}
    erase_links(connection, [(segment_of(seq), key) for key, seq in found.values()])
    for address, place in found.items():
        _overwrite(connection, wanted[address], place)
    missing = [wanted[address] for address in wanted if address not in found]
    if missing:
        _erase_strays(connection, [record.address for record in missing])
        put_records(connection, missing)


def _take_out(connection: apsw.Connection, address: Address) -> tuple[str, Address | None] | None:
    """Erase a document, its coordinates and its links; its id and previous address (if they can be read) or None."""
    place = locate(connection, address)
    if place is None:
        return None
    kept = "SELECT CAST(id AS BLOB), CAST(document AS BLOB) FROM documents WHERE seq = ?"
    id, document = fetch(connection, kept, (place.seq,))[0]
    record = read_sound(address, document or b"")
    if record is None:
        # What was linked can't be told from damaged bytes: look for it.
        erase_links(connection, [(segment_of(place.seq), place.key)])
    else:
        delete_links(connection, link_rows(record, place.key, place.seq))
    connection.execute("DELETE FROM documents WHERE seq = ?", (place.seq,))
    connection.execute(f"{_BARE} WHERE key = ?", (place.key,))
    connection.execute("DELETE FROM displaced WHERE address = ?", (bytes.fromhex(address),))
    return ((id or b"").decode("utf-8", "replace"), None) if record is None else (record.id, record.previous)


def _overwrite(connection: apsw.Connection, record: Record, place: Place) -> None:
    """Write a record's rows anew where it stands; its links were erased before."""
    key, seq = place
    document = (bytes.fromhex(record.address), record.id, record.document, seq)
    connection.execute("UPDATE documents SET address = ?, id = ?, document = ? WHERE seq = ?", document)
    coordinates = coordinate_row(record, key, seq)
    connection.execute("INSERT OR REPLACE INTO coordinates VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", coordinates)
    insert_links(connection, link_rows(record, key, seq))
    connection.execute("INSERT OR IGNORE INTO realms VALUES(?)", (record.realm,))


def _place_to_mend(connection: apsw.Connection, record: Record) -> Place | None:
    """Where the record stands, also if the address stored beside its bytes is what was damaged."""
    place = locate(connection, record.address)
    if place is not None:
        return place
    key = key_of(record.address)
    rows = fetch(
        connection,
        "SELECT d.seq, CAST(d.address AS BLOB), CAST(d.document AS BLOB) FROM coordinates AS c"
        " JOIN documents AS d ON d.seq = c.seq WHERE key = ?",
        (key,),
    )
    for seq, address, document in rows:
        if document == record.document or not _belongs(connection, address, key):
            return Place(key, seq)
    return None


def _belongs(connection: apsw.Connection, address: bytes, key: int) -> bool:
    """Whether a document with this address may stand under this key."""
    if len(address) == 32 and key_of(address.hex()) == key:
        return True
    return (key,) in fetch(connection, "SELECT key FROM displaced WHERE address = ?", (address,))


def _erase_strays(connection: apsw.Connection, addresses: Sequence[Address]) -> None:
    """Erase documents that no row of coordinates leads to under their own key, by reading the whole table."""
    strays = fetch(
        connection,
        "SELECT seq FROM documents WHERE address IN (SELECT unhex(value) FROM json_each(?))",
        (as_json(list(addresses)),),
    )
    if not strays:
        return
    seqs = as_json([seq for (seq,) in strays])
    astray = fetch(
        connection, "SELECT seq, key FROM coordinates WHERE seq IN (SELECT value FROM json_each(?))", (seqs,)
    )
    places = {(segment_of(seq), key) for seq, key in astray}
    places |= {(segment_of(seq), key_of(address)) for (seq,) in strays for address in addresses}
    erase_links(connection, places)
    connection.execute(f"{_BARE} WHERE seq IN (SELECT value FROM json_each(?))", (seqs,))
    connection.execute("DELETE FROM documents WHERE seq IN (SELECT value FROM json_each(?))", (seqs,))
