"""Reading back what a store holds: hashed again before anybody sees it, and never returned if it is damaged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import orjson

from stat7.address import Address
from stat7.contracts import Damaged
from stat7.errors import Corrupt, InvalidEntity
from stat7.record import Notice, Record, read_trusted
from stat7.stores.base import Store


def get_each(store: Store, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
    """`store.get` that damage to one document doesn't stop: one that can't be read comes as `Damaged`."""
    try:
        return store.get(addresses)
    except Corrupt:
        held: dict[Address, bytes | Notice] = {}
        for address in addresses:
            try:
                held |= store.get((address,))
            except Corrupt as error:
                held[address] = Damaged(error.found)
        return held


def verified(address: Address, document: bytes) -> bytes:
    """`document`, if it hashes to `address`; raises Corrupt otherwise."""
    found = hashlib.sha256(document).hexdigest()
    if found != address:
        raise Corrupt(address, document.found if isinstance(document, Damaged) else f"they hash to {found}")
    return document


def read_stored(address: Address, document: bytes) -> Record:
    """The record of a stored document, whose bytes are hashed again. Raises Corrupt."""
    return parse_stored(address, verified(address, document))


def parse_stored(address: Address, document: bytes) -> Record:
    """The record of a stored document whose bytes were hashed again. Raises Corrupt if they are no entity after all."""
    try:
        return read_trusted(address, document)
    except (InvalidEntity, orjson.JSONDecodeError) as error:
        raise Corrupt(address, f"they hash to it, but are no entity: {error}") from None


def version_of(id: str, address: Address, held: bytes | Notice | None) -> bool:
    """Whether what a store holds under `address` is a version of `id`, or the notice of one.

    A notice that was left ahead of its document has no id and may stand for a version of any. Raises Corrupt.
    """
    if isinstance(held, Notice):
        return held.id is None or held.id == id
    return held is not None and read_links(address, held)[0] == id


def previous_of(id: str, address: Address, held: bytes | Notice | None) -> Address | None:
    """The version of `id` that the one under `address` replaces; None where nothing, or another id's, is held.

    Raises Corrupt.
    """
    if isinstance(held, Notice):
        return held.previous if held.id == id else None
    if held is None:
        return None
    found, previous = read_links(address, held)
    return previous if found == id else None


def read_links(address: Address, document: bytes) -> tuple[str, Address | None]:
    """Id and previous address of a stored document: its bytes are hashed again, the rest of it isn't looked at.

    Raises Corrupt.
    """
    try:
        parsed = orjson.loads(verified(address, document))
        return parsed["id"], parsed["previous"]
    except (orjson.JSONDecodeError, TypeError, LookupError):
        raise Corrupt(address, "they hash to it, but are no entity") from None
