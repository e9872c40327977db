"""Reading documents back: get, has, scan, the notices, the files named, the count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from stat7.address import Address, is_address
from stat7.errors import InvalidQuery
from stat7.record import Notice
from stat7.stores.base import Page
from stat7.stores.dynamodb.layout import (
    DOCUMENTS,
    HELD,
    INDEX,
    WITHDRAWN,
    Item,
    address_in,
    file_pk,
    held_in,
    known_addresses,
    notice_in,
)
from stat7.stores.dynamodb.session import Session
from stat7.stores.dynamodb.walk import Slice, by_sk, gather, partition_query, query

_SCAN: Final = "scan."
_NOTICES: Final = "notices."
_LINKS_AT_FIRST: Final = 4
"""Links of a file that are looked at first: one document that is there is enough."""


def get(session: Session, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
    """The documents and notices of those addresses that are known."""
    return {address_in(item): held_in(item) for item in _items(session, known_addresses(addresses), HELD)}


def has(session: Session, addresses: Sequence[Address]) -> set[Address]:
    """Those of the addresses that have a document."""
    return {raw.hex() for raw in stored(session, known_addresses(addresses))}


def stored(session: Session, raws: Iterable[bytes]) -> set[bytes]:
    """Those of the addresses, each given once, that have a document."""
    return {by_sk(item) for item in _items(session, raws, ("sk", "k")) if "k" not in item}


def withdrawn(session: Session, raws: Iterable[bytes]) -> set[bytes]:
    """Those of the addresses, each given once, that have a notice."""
    return {by_sk(item) for item in _items(session, raws, ("sk", "k")) if "k" in item}


def scan(session: Session, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
    """Documents and notices in address order."""
    layout = session.layout
    start = _position(cursor, _SCAN)

    def read(pk: bytes, after: bytes | None, wanted: int) -> Slice:
        return query(session, partition_query(session, pk, after, wanted, HELD), by_sk, wanted)

    begin = None if start is None else (layout.part_of(start), start)
    found = gather(session, layout.parts(DOCUMENTS), read, limit, begin)
    items = [(address_in(item), held_in(item)) for item in found.rows]
    return Page(items, None if found.last is None else _SCAN + found.last[1].hex())


def scan_notices(session: Session, cursor: str | None, limit: int) -> Page[Notice]:
    """The notices in address order."""
    start = _position(cursor, _NOTICES)
    found = query(session, partition_query(session, WITHDRAWN, start, limit, ()), by_sk, limit)
    kept = _items(session, [raw for raw, _ in found.rows], HELD)
    notices = sorted(notice_in(item) for item in kept if "k" in item)
    return Page(notices, None if found.last is None else _NOTICES + found.last.hex())


def named_files(session: Session, sha256s: Sequence[str]) -> set[str]:
    """Those of the files that a stored document names: their links are asked for file by file, many at once."""
    names = known_addresses(sha256s)

    def links(name: bytes) -> Slice:
        return query(session, partition_query(session, file_pk(name), None, _LINKS_AT_FIRST, ()), by_sk, 1)

    slices = dict(zip(names, session.map(links, names), strict=True))
    there = stored(session, {raw for found in slices.values() for raw, _ in found.rows})
    named = {name for name, found in slices.items() if any(raw in there for raw, _ in found.rows)}
    unsure = [name for name, found in slices.items() if found.last is not None and name not in named]
    named |= {name for name in unsure if _is_named(session, name, slices[name].last)}
    return {name.hex() for name in named}


def count(session: Session) -> int:
    """Documents stored, by the index that holds nothing else; in parts at once if it is large."""
    first = _count(session, {})
    if "LastEvaluatedKey" not in first:
        return int(first["Count"])
    segments = session.client.settings.connections
    requests = [{"Segment": number, "TotalSegments": segments} for number in range(segments)]
    return sum(session.map(lambda request: _count_all(session, request), requests))


def _count(session: Session, part: Item) -> Item:
    """One answer that counts rows of the index."""
    return session.call("scan", TableName=session.layout.table, IndexName=INDEX, Select="COUNT", **part)


def _count_all(session: Session, part: Item) -> int:
    counted = 0
    while True:
        answer = _count(session, part)
        counted += int(answer["Count"])
        if "LastEvaluatedKey" not in answer:
            return counted
        part = {**part, "ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _is_named(session: Session, name: bytes, after: bytes | None) -> bool:
    """Whether one of the further links of a file is that of a stored document."""
    while after is not None:
        found = query(session, partition_query(session, file_pk(name), after, 100, ()), by_sk, 100)
        if stored(session, [raw for raw, _ in found.rows]):
            return True
        after = found.last
    return False


def _items(session: Session, raws: Iterable[bytes], names: Sequence[str]) -> list[Item]:
    return session.get_items([session.layout.document_key(raw) for raw in raws], names)


def _position(cursor: str | None, walk: str) -> bytes | None:
    """The last address seen, None at the beginning."""
    if cursor is None:
        return None
    position = cursor.removeprefix(walk)
    if not cursor.startswith(walk) or not is_address(position):
        raise InvalidQuery("cursor", "is not one that this walk returned; drop it to begin anew")
    return bytes.fromhex(position)
