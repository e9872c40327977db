"""Comparing links, index attributes and notices with the documents, item by item through the table.

Everything is scanned once; what belongs to the items of a page is fetched with it. Links are written before their
document, so a link without one is looked at again a while later, before it is told or erased.
"""

from __future__ import annotations

import re
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from stat7.errors import InvalidEntity, InvalidQuery
from stat7.paging import in_batches
from stat7.record import notice_digest, try_read
from stat7.stores.base import Finding, Page
from stat7.stores.dynamodb.find import known_realms
from stat7.stores.dynamodb.layout import (
    DOCUMENTS,
    FILES,
    LINKS,
    NEIGHBOURS,
    WITHDRAWN,
    Item,
    Layout,
    address_in,
    key,
    link_items,
    link_keys,
    notice_in,
)
from stat7.stores.dynamodb.session import Session

_SECONDS_TO_TELL: Final = 2.0
_SECONDS_TO_ERASE: Final = 15.0
"""After so long a put has stored the document of a link that it wrote, or has failed."""
_AT_ONCE: Final = 10_000
_CURSOR: Final = "check."
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TOLD: Final = {
    "c": "realm, horizon", "p": "lineage", "i": "id", "t": "entity_type", "m": "created_at", "r": "resonance",
    "v": "velocity", "y": "density", "n": "adjacency", "f": "files",
}  # fmt: skip


def check(session: Session, cursor: str | None, limit: int) -> Page[Finding]:
    """Judge the next `limit` items, links included."""
    items, following = _page(session, cursor, limit)
    documents = [item for item in items if item["pk"]["B"].startswith(DOCUMENTS)]
    links = [item for item in items if item["pk"]["B"][:1] in (NEIGHBOURS, FILES)]
    listed = [item for item in items if item["pk"]["B"] == WITHDRAWN]
    findings = [*_documents(session, documents), *_links(session, links), *_listed(session, listed)]
    return Page(findings, following)


def compact(session: Session, limit: int) -> None:
    """Erase links whose documents are not there or don't name them: what puts and withdrawals cut off left behind."""
    for loose in in_batches(_all_loose(session, limit), _AT_ONCE):
        time.sleep(_SECONDS_TO_ERASE)
        session.write_items({"DeleteRequest": {"Key": each}} for each in _loose(session, loose))


def _all_loose(session: Session, limit: int) -> Iterator[Item]:
    cursor: str | None = None
    while True:
        items, cursor = _page(session, cursor, limit)
        yield from _loose(session, [item for item in items if item["pk"]["B"][:1] in (NEIGHBOURS, FILES)])
        if cursor is None:
            return


def _page(session: Session, cursor: str | None, limit: int) -> tuple[list[Item], str | None]:
    request: dict[str, Any] = {"TableName": session.layout.table, "Limit": limit, "ConsistentRead": True}
    if cursor is not None:
        request["ExclusiveStartKey"] = _key_of(cursor)
    answer = session.call("scan", **request)
    last = answer.get("LastEvaluatedKey")
    return answer["Items"], None if last is None else _CURSOR + ".".join(
        _text(last[name]["B"]) for name in ("pk", "sk")
    )


def _documents(session: Session, items: list[Item]) -> Iterator[Finding]:
    layout = session.layout
    expected: dict[tuple[bytes, bytes], Item] = {}
    realms = known_realms(session) if items else set()
    for item in items:
        if "k" in item:
            yield from _notice(item)
            continue
        record = try_read(address_in(item), item["d"]["B"]) if "d" in item else None
        if record is None:
            yield Finding("document", address_in(item), "its bytes are no entity")
            continue
        right = layout.document_item(record)
        expected |= {_pair(link): link for link in link_items(record, right)}
        for name, told in _TOLD.items():
            if item.get(name) != right.get(name):
                yield Finding("index", record.address, f"{told} is not what its document says")
        if record.realm not in realms:
            yield Finding("index", record.address, f"its realm {record.realm} is not in the list of realms")
    there = {_pair(link): link for link in _fetched(session, expected)}
    for pair, link in expected.items():
        if there.get(pair) != link:
            yield Finding("index", pair[1].hex(), f"its link of {_what(pair[0])} is missing or wrong")
    yield from _unlisted(session, [item for item in items if "k" in item])


def _fetched(session: Session, pairs: Iterable[tuple[bytes, bytes]]) -> list[Item]:
    names = ("pk", "sk", "e", "z", "l", "i", "t", "m", "r", "v", "y")
    return session.get_items([key(pk, sk) for pk, sk in pairs], names)


def _notice(item: Item) -> Iterator[Finding]:
    address = address_in(item)
    if "d" in item or any(name in item for name in LINKS):
        yield Finding("document", address, "it was withdrawn, yet its document is stored")
    try:
        sound = notice_digest(notice_in(item)) == item["h"]["B"]
    except (KeyError, InvalidEntity):
        sound = False
    if not sound:
        yield Finding("notice", address, "its notice is damaged: it says something else than when it was kept")


def _unlisted(session: Session, items: list[Item]) -> Iterator[Finding]:
    """Notices that the list of notices lacks."""
    raws = [item["sk"]["B"] for item in items]
    there = {item["sk"]["B"] for item in session.get_items([key(WITHDRAWN, raw) for raw in raws], ("sk",))}
    for raw in raws:
        if raw not in there:
            yield Finding("index", raw.hex(), "its notice is not in the list of notices; withdraw it again")


def _links(session: Session, links: list[Item]) -> Iterator[Finding]:
    suspects = _loose(session, links)
    if suspects:
        time.sleep(_SECONDS_TO_TELL)
    for loose in _loose(session, suspects):
        detail = f"it has a link of {_what(loose['pk']['B'])}, but no document that names it; `gc --compact` erases it"
        yield Finding("index", address_in(loose), detail)


def _loose(session: Session, links: Sequence[Item]) -> list[Item]:
    """The keys of those links whose document is not there or doesn't name them."""
    documents = _documents_of(session, {link["sk"]["B"] for link in links})
    named = {_pair(each) for item in documents if "k" not in item for each in link_keys(item)}
    return [key(*_pair(link)) for link in links if _pair(link) not in named]


def _documents_of(session: Session, raws: Iterable[bytes]) -> list[Item]:
    layout: Layout = session.layout
    return session.get_items([layout.document_key(raw) for raw in raws], ("sk", "k", *LINKS))


def _listed(session: Session, entries: list[Item]) -> Iterator[Finding]:
    raws = [entry["sk"]["B"] for entry in entries]
    kept = {item["sk"]["B"] for item in _documents_of(session, raws) if "k" in item}
    for raw in raws:
        if raw not in kept:
            yield Finding("index", raw.hex(), "the list of notices names it, but it was not withdrawn")


def _what(pk: bytes) -> str:
    return "a file" if pk.startswith(FILES) else "a neighbour"


def _pair(item: Item) -> tuple[bytes, bytes]:
    return item["pk"]["B"], item["sk"]["B"]


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _key_of(cursor: str) -> Item:
    position = cursor.removeprefix(_CURSOR)
    if not cursor.startswith(_CURSOR) or not _TOKEN.fullmatch(position):
        raise InvalidQuery("cursor", "is not one that a check returned; drop it to begin anew")
    try:
        pk, sk = (b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True) for part in position.split("."))
    except ValueError:
        raise InvalidQuery("cursor", "is not one that a check returned; drop it to begin anew") from None
    return key(pk, sk)
