"""Storing: links first, then the document where no item is yet, then its head.

So whoever finds a document finds its links too, no head points at nothing, and no late write replaces a notice. What is
cut off leaves links without a document, which every find passes over, or a document without its head; putting again
completes both. A put that meets a notice erases the links that it wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from stat7.address import Address
from stat7.record import Record
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.dynamodb.heads import swap
from stat7.stores.dynamodb.layout import REALMS, Item, known_addresses, link_items, link_keys
from stat7.stores.dynamodb.layout import key as key_of
from stat7.stores.dynamodb.reader import withdrawn
from stat7.stores.dynamodb.session import Session
from stat7.stores.dynamodb.statements import insert

_AT_ONCE: Final = 50
"""Records that are brought through all three steps together, by one thread."""


def put(
    session: Session, records: Sequence[Record], moves: Sequence[HeadMove], realms: set[str]
) -> tuple[list[Outcome], list[bool]]:
    """Store what is missing, then try the moves. `realms`: those that are known to be listed."""
    first = {record.address: record for record in reversed(records)}
    list_realms(session, first.values(), realms)
    unique = list(first.values())
    batches = [unique[at : at + _AT_ONCE] for at in range(0, len(unique), _AT_ONCE)]
    waiting: dict[Address | None, list[HeadMove]] = {}
    for move in moves:
        waiting.setdefault(move.new if move.new in first else None, []).append(move)
    outcomes: dict[Address, Outcome] = {}
    made: dict[str, bool] = {}

    def store(batch: list[Record]) -> tuple[dict[Address, Outcome], dict[str, bool]]:
        became = _store(session, batch)
        moving = [
            move
            for address, outcome in became.items()
            for move in waiting.get(address, ())
            if outcome is not Outcome.WITHDRAWN
        ]
        return became, _swap(session, moving)

    for became, moved in session.map(store, batches):
        outcomes |= became
        made |= moved
    made |= _guarded(session, waiting.get(None, []))
    return _in_order(records, outcomes), [made.get(move.id, False) for move in moves]


def replace(session: Session, records: Sequence[Record], realms: set[str]) -> None:
    """Overwrite documents and links, or store them; what is withdrawn stays so."""
    unique = list({record.address: record for record in records}.values())
    list_realms(session, unique, realms)
    items = [session.layout.document_item(record) for record in unique]
    _write_links(session, unique, items)

    def overwrite(item: Item) -> bool:
        return session.attempt(
            "put_item",
            TableName=session.layout.table,
            Item=item,
            ConditionExpression="attribute_not_exists(#k)",
            ExpressionAttributeNames={"#k": "k"},
        )

    done = session.map(overwrite, items)
    erase_links(session, [item for item, kept in zip(items, done, strict=True) if not kept])


def erase_links(session: Session, items: Iterable[Item]) -> None:
    """Remove the links of these documents."""
    session.write_items({"DeleteRequest": {"Key": key}} for item in items for key in link_keys(item))


def list_realms(session: Session, records: Iterable[Record], realms: set[str]) -> None:
    """Take down the realms of these records that are not known to be listed, before any of their documents."""
    missing = {record.realm for record in records} - realms
    if missing:
        keys = [key_of(REALMS, realm.encode()) for realm in sorted(missing)]
        session.write_items({"PutRequest": {"Item": key}} for key in keys)
        realms |= missing


def _store(session: Session, batch: list[Record]) -> dict[Address, Outcome]:
    layout = session.layout
    items = {record.address: layout.document_item(record) for record in batch}
    _write_links(session, batch, items.values())
    done = session.execute([insert(layout.table, item) for item in items.values()])
    outcomes = {address: Outcome.NEW if new else Outcome.EXISTED for address, new in zip(items, done, strict=True)}
    met = [address for address, outcome in outcomes.items() if outcome is Outcome.EXISTED]
    if met:
        gone = [raw.hex() for raw in withdrawn(session, map(bytes.fromhex, met))]
        outcomes |= dict.fromkeys(gone, Outcome.WITHDRAWN)
        erase_links(session, [items[address] for address in gone])
    return outcomes


def _write_links(session: Session, records: Iterable[Record], items: Iterable[Item]) -> None:
    links = (link for record, item in zip(records, items, strict=True) for link in link_items(record, item))
    session.write_items({"PutRequest": {"Item": link}} for link in links)


def _guarded(session: Session, moves: list[HeadMove]) -> dict[str, bool]:
    """Moves to what this put doesn't store: not to what was withdrawn."""
    if not moves:
        return {}
    targets = known_addresses(move.new for move in moves if move.new is not None)
    gone = {raw.hex() for raw in withdrawn(session, targets)} if targets else set()
    allowed = [move for move in moves if move.new not in gone]
    batches = [allowed[at : at + _AT_ONCE] for at in range(0, len(allowed), _AT_ONCE)]
    made: dict[str, bool] = {}
    for moved in session.map(lambda batch: _swap(session, batch), batches):
        made |= moved
    return made


def _swap(session: Session, moves: list[HeadMove]) -> dict[str, bool]:
    return dict(zip((move.id for move in moves), swap(session, moves), strict=True))


def _in_order(records: Sequence[Record], outcomes: dict[Address, Outcome]) -> list[Outcome]:
    """One outcome per record; of equal records only the first can be new."""
    ordered = [outcomes[record.address] for record in records]
    if len(outcomes) < len(records):
        seen: set[Address] = set()
        for at, record in enumerate(records):
            if record.address in seen and ordered[at] is Outcome.NEW:
                ordered[at] = Outcome.EXISTED
            seen.add(record.address)
    return ordered
