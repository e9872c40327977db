"""Finding: by links where a neighbour or file is asked for, else cell by cell through the index, else all of the index.

| way | serves | order |
|---|---|---|
| links | adjacent_to, file | address |
| cells | realm, horizon, lineage | realm, horizon, quarter, lineage, address |
| scan | what is left: it reads the whole index (not the documents) | that of the service |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from stat7.address import is_address
from stat7.coordinates import HORIZONS, MAX_LINEAGE
from stat7.errors import InvalidQuery
from stat7.query import ANY, Query
from stat7.stores.base import Match, Page
from stat7.stores.conditions import holds_nothing
from stat7.stores.dynamodb.conditions import Filter, filter_of_facts, filter_of_links, passes
from stat7.stores.dynamodb.layout import (
    FACTS,
    INDEX,
    QUARTERS,
    REALMS,
    Item,
    address_in,
    cell,
    file_pk,
    key,
    neighbour_hash,
    neighbour_pk,
    place,
    quarter,
)
from stat7.stores.dynamodb.reader import stored
from stat7.stores.dynamodb.session import Session
from stat7.stores.dynamodb.walk import Gathered, Slice, by_sk, gather, partition_query, query
from stat7.stores.planning import MANY_REALMS

_FEW_REALMS: Final = 4
"""So many realms are asked for without looking which of them there are."""
_FILTERED: Final = 1000
"""Rows that are read at once where a filter lets only some of them pass."""
_POSITION: Final = re.compile(r"([a-z][a-z0-9_-]{0,31}#[0-4]#[0-3]):([0-9]{1,16}):([0-9a-f]{64})")
_SHOWN_BY_LINKS: Final = ("e", "z", "l", *FACTS)
_SHOWN_BY_INDEX: Final = ("pk", "sk", "c", "p", *FACTS)


class Way(NamedTuple):
    """How a query is answered: `links`, `cells`, `scan` or `none`, and the parts to walk, in their order.

    Of links they are values of pk, of cells the keys of the index, of a scan one nameless part.
    """

    method: str
    parts: list[Any]


def way_of(session: Session, asked: Query) -> Way:
    """Chosen by what the query names alone, so that a find goes on in the way that it began."""
    if holds_nothing(asked) or (asked.lineage.high or 0) < 0 or (asked.lineage.low or 0) > MAX_LINEAGE:
        return Way("none", [])
    if asked.file is not None:
        return Way("links", [file_pk(bytes.fromhex(asked.file))])
    if asked.adjacent_to is not None:
        hashed = neighbour_hash(asked.adjacent_to)
        return Way("links", [neighbour_pk(hashed, number) for number in range(QUARTERS)])
    if asked.realms is None and asked.horizons is None and asked.lineage == ANY:
        return Way("scan", [""])
    realms = _realms(session, asked.realms)
    if asked.realms is None and len(realms) > MANY_REALMS:
        return Way("scan", [""])
    horizons = range(len(HORIZONS)) if asked.horizons is None else asked.horizons
    return Way("cells", [cell(r, h, number) for r in realms for h in horizons for number in range(QUARTERS)])


def find(session: Session, asked: Query, cursor: str | None, limit: int) -> Page[Match]:
    """One page of matches."""
    position = None if cursor is None else asked.position(cursor)
    way = way_of(session, asked)
    if way.method == "none":
        return Page([], None)
    if way.method == "links":
        return _by_links(session, asked, way, position, limit)
    return _by_index(session, asked, way, position, limit)


# --- links


def links_request(session: Session, asked: Query, pk: bytes, after: bytes | None, wanted: int) -> dict[str, Any]:
    """The request for the links of one pk that pass the query's filter."""
    made = filter_of_links(asked)
    request = partition_query(session, pk, after, max(wanted, _FILTERED) if made.parts else wanted, _SHOWN_BY_LINKS)
    return _filtered(request, made)


def _by_links(session: Session, asked: Query, way: Way, position: str | None, limit: int) -> Page[Match]:
    start = None
    if position is not None:
        if not is_address(position):
            raise _foreign()
        raw = bytes.fromhex(position)
        start = (quarter(raw) if len(way.parts) > 1 else 0, raw)

    def read(pk: bytes, after: bytes | None, wanted: int) -> Slice:
        return query(session, links_request(session, asked, pk, after, wanted), by_sk, wanted)

    found = gather(session, way.parts, read, limit, start)
    candidates = [item for item in found.rows if passes(asked, item)]
    there = stored(session, [by_sk(item) for item in candidates])
    if asked.file is not None and asked.adjacent_to is not None:
        there = _linked(session, asked.adjacent_to, there)
    items = [_match(item) for item in candidates if by_sk(item) in there]
    return Page(items, None if found.last is None else asked.cursor(found.last[1].hex()))


def _linked(session: Session, neighbour: str, raws: set[bytes]) -> set[bytes]:
    """Those of the addresses that have a link of this neighbour."""
    hashed = neighbour_hash(neighbour)
    keys = [key(neighbour_pk(hashed, quarter(raw)), raw) for raw in raws]
    return {by_sk(item) for item in session.get_items(keys, ("sk",))}


# --- the index


def cell_request(session: Session, asked: Query, name: str) -> dict[str, Any]:
    """The request for the rows of one cell, or of all the index if `name` is empty, that pass the query's filter."""
    made = filter_of_facts(asked)
    request: dict[str, Any] = {"TableName": session.layout.table, "IndexName": INDEX}
    request["ExpressionAttributeNames"] = {}
    if name:
        request["ExpressionAttributeNames"]["#c"] = "c"
        request["ExpressionAttributeValues"] = {":c": {"S": name}}
        request["KeyConditionExpression"] = "#c = :c"
        if asked.lineage != ANY:
            low, high = asked.lineage
            first, last = place(max(low or 0, 0), b""), place(MAX_LINEAGE if high is None else high, b"\xff" * 33)
            request["ExpressionAttributeNames"]["#p"] = "p"
            request["ExpressionAttributeValues"] |= {":first": {"B": first}, ":last": {"B": last}}
            request["KeyConditionExpression"] += " AND #p BETWEEN :first AND :last"
    return _filtered(request, made)


def _by_index(session: Session, asked: Query, way: Way, position: str | None, limit: int) -> Page[Match]:
    start = None if position is None else _start(way, position)
    requests = {name: cell_request(session, asked, name) for name in way.parts[:1]}

    def read(name: str, after: bytes | None, wanted: int) -> Slice:
        request = requests.get(name) or cell_request(session, asked, name)
        filtered = "FilterExpression" in request
        shown = {"#" + attribute: attribute for attribute in _SHOWN_BY_INDEX}
        request = {
            **request,
            "ProjectionExpression": ",".join(shown),
            "ExpressionAttributeNames": request["ExpressionAttributeNames"] | shown,
            "Limit": max(wanted, _FILTERED) if filtered else wanted,
        }
        if after is not None:
            request["ExclusiveStartKey"] = _key_at(session, after)
        return query(session, request, _position_of, wanted, operation="query" if name else "scan")

    # The quarters of a cell have little each, and a page of one or two is not worth four requests.
    found: Gathered = gather(session, way.parts, read, limit, start, QUARTERS if limit > QUARTERS else 1)
    items = [_match(item) for item in found.rows if passes(asked, item)]
    return Page(items, None if found.last is None else asked.cursor(_told(found.last[1])))


def _position_of(item: Item) -> bytes:
    """Where a row of the index is: its cell, then its place."""
    name: str = item["c"]["S"]
    order: bytes = item["p"]["B"]
    return name.encode() + b":" + order


def _key_at(session: Session, position: bytes) -> Item:
    name, _, order = position.partition(b":")
    return {"c": {"S": name.decode()}, "p": {"B": order}, **session.layout.document_key(order[8:])}


def _told(position: bytes) -> str:
    """A position as text."""
    name, _, order = position.partition(b":")
    return f"{name.decode()}:{int.from_bytes(order[:8])}:{order[8:].hex()}"


def _start(way: Way, position: str) -> tuple[int, bytes]:
    """The part and position that a cursor names."""
    found = _POSITION.fullmatch(position)
    if found is None or int(found[2]) > MAX_LINEAGE:
        raise _foreign()
    name, lineage, address = found.groups()
    part = "" if way.method == "scan" else name
    if part not in way.parts:
        raise _foreign()
    return way.parts.index(part), name.encode() + b":" + place(int(lineage), bytes.fromhex(address))


# --- both


def _filtered(request: dict[str, Any], made: Filter) -> dict[str, Any]:
    if made.parts:
        request["FilterExpression"] = " AND ".join(made.parts)
        request["ExpressionAttributeNames"] = request["ExpressionAttributeNames"] | made.names
        request["ExpressionAttributeValues"] = request.get("ExpressionAttributeValues", {}) | made.values
    return request


def _match(item: Item) -> Match:
    return Match(address_in(item), item["i"]["S"])


def _realms(session: Session, asked: Sequence[str] | None) -> list[str]:
    """The realms to look in, in order: those asked for, or those that there are (of many, those of both)."""
    if asked is not None and len(asked) <= _FEW_REALMS:
        return sorted(asked)
    listed = known_realms(session)
    return sorted(listed if asked is None else listed & set(asked))


def known_realms(session: Session) -> set[str]:
    """The realms that a document was ever stored in."""
    realms: set[str] = set()
    after: bytes | None = None
    while True:
        found = query(session, partition_query(session, REALMS, after, 1000, ()), by_sk, 1000)
        realms |= {sk.decode() for sk, _ in found.rows}
        after = found.last
        if after is None:
            return realms


def _foreign() -> InvalidQuery:
    return InvalidQuery("cursor", "is not one that this store returned; drop it to begin anew")
