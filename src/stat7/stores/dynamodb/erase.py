"""Taking documents out: withdraw and discard; and sweeping away links that were left behind.

A withdrawal writes the entry in the list of notices first, then the notice over the document in one conditional write,
then it erases the links. A put that comes in between either has written its links before its document, and so before
this erases them, or meets the notice and erases them itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from stat7.address import Address
from stat7.errors import Unavailable
from stat7.record import Notice, notice_digest, try_read
from stat7.stores.dynamodb.layout import HELD, LINKS, WITHDRAWN, Item, key, known_addresses
from stat7.stores.dynamodb.put import erase_links
from stat7.stores.dynamodb.session import Session
from stat7.stores.dynamodb.statements import delete_document, insert, replace_by_notice

_AT_ONCE: Final = 200
_RACES: Final = 16
"""Times that a notice is tried again whose document others store or discard meanwhile."""


def withdraw(session: Session, given: Sequence[Notice]) -> None:
    """Erase documents and keep notices, completed from the documents; the first notice of an address wins."""
    notices = {notice.address: notice for notice in reversed(given)}
    addresses = known_addresses(notices)
    batches = [addresses[at : at + _AT_ONCE] for at in range(0, len(addresses), _AT_ONCE)]
    session.map(lambda batch: _withdraw(session, batch, notices), batches)


def discard(session: Session, addresses: Sequence[Address]) -> None:
    """Erase documents as if they never were; what is withdrawn stays so."""
    raws = known_addresses(addresses)
    for at in range(0, len(raws), _AT_ONCE):
        batch = raws[at : at + _AT_ONCE]
        held = [item for item in _held(session, batch) if "k" not in item]
        keys = [session.layout.document_key(_raw(item)) for item in held]
        # Never twice: somebody may have put the document again in between.
        session.execute([delete_document(session.layout.table, each) for each in keys], repeatable=False)
        erase_links(session, held)


def _withdraw(session: Session, batch: list[bytes], notices: dict[Address, Notice]) -> None:
    session.write_items({"PutRequest": {"Item": key(WITHDRAWN, raw)}} for raw in batch)
    waiting = batch
    for _ in range(_RACES):
        held = {_raw(item): item for item in _held(session, waiting)}
        waiting = [raw for raw in waiting if "k" not in held.get(raw, {})]
        if not waiting:
            return
        statements = [_statement(session, notices[raw.hex()], held.get(raw)) for raw in waiting]
        done = session.execute(statements)
        written = [raw for raw, made in zip(waiting, done, strict=True) if made]
        erase_links(session, [held[raw] for raw in written if raw in held])
        waiting = [raw for raw, made in zip(waiting, done, strict=True) if not made]
    raise Unavailable(f"others keep storing and discarding {waiting[0].hex()} while it is withdrawn; try again")


def _statement(session: Session, notice: Notice, item: Item | None) -> Item:
    table = session.layout.table
    record = None if item is None or "d" not in item else try_read(notice.address, item["d"]["B"])
    if record is not None:
        notice = notice._replace(
            id=record.id if notice.id is None else notice.id,
            previous=record.previous if notice.previous is None else notice.previous,
        )
    written = session.layout.notice_item(notice, notice_digest(notice))
    return insert(table, written) if item is None else replace_by_notice(table, written)


def _held(session: Session, raws: Iterable[bytes]) -> list[Item]:
    return session.get_items([session.layout.document_key(raw) for raw in raws], (*HELD, *LINKS))


def _raw(item: Item) -> bytes:
    raw: bytes = item["sk"]["B"]
    return raw
