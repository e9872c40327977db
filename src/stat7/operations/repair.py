"""Putting right what verify found: index rows from the documents here, all else from another repository.

Whatever comes from there is checked before it is stored.

What is withdrawn, here or there, is never brought back: what is withdrawn there is withdrawn here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeAlias

from stat7.address import Address
from stat7.errors import Corrupt, Gone, InvalidEntity, NotFound
from stat7.paging import DOCUMENTS, in_batches
from stat7.record import Notice, Record, read_canonical
from stat7.repository import Repository
from stat7.stored import get_each, version_of
from stat7.stores.base import HeadMove

Good: TypeAlias = dict[Address, Record | Notice]
"""Documents that are whole, and notices, by address."""


class Damage(NamedTuple):
    """What is wrong with a stored document; if it's a good one under a wrong address, that document."""

    detail: str
    misplaced: Record | None = None


def judge(address: Address, document: bytes) -> Record | Damage:
    """The record of canonical bytes that hash to their address, else what is wrong with them."""
    try:
        record = read_canonical(document)
    except InvalidEntity as error:
        found = hashlib.sha256(document).hexdigest()
        reason = f"the bytes are no canonical entity: {error}" if found == address else f"the bytes hash to {found}"
        return Damage(reason)
    return record if record.address == address else Damage(f"the bytes hash to {record.address}", record)


class Repair:
    """Repairs `repo` from `replica`; without a replica index rows alone, and these only if `alone`.

    Every method that does nothing says so.
    """

    def __init__(self, repo: Repository, replica: Repository | None, *, alone: bool = False) -> None:
        self._store = repo.store
        self._files = repo.files
        self._replica = replica
        self._mends_index = alone or replica is not None

    def documents(self, addresses: Collection[Address]) -> Good:
        """Replace damaged and missing documents by the replica's; returns what of them is good here now."""
        if self._replica is None or not addresses:
            return {}
        held = get_each(self._replica.store, list(addresses))
        notices = [item for item in held.values() if isinstance(item, Notice)]
        if notices:
            self._store.withdraw(notices)
        self._replace(held)
        now = get_each(self._store, list(held))
        read = {address: item if isinstance(item, Notice) else judge(address, item) for address, item in now.items()}
        return {address: item for address, item in read.items() if not isinstance(item, Damage)}

    def misplaced(self, address: Address, record: Record | None) -> bool:
        """Store a good document under its own address, if it is the address beside it that was damaged."""
        if not self._mends_index or record is None:
            return False
        self._store.replace([record])
        return address not in get_each(self._store, (address,))

    def index(self, addresses: Collection[Address]) -> bool:
        """Make index rows anew from the good documents here, and fetch those that are missing; whether it was tried."""
        if not self._mends_index:
            return False
        for batch in in_batches(addresses, DOCUMENTS):
            held = get_each(self._store, batch)
            self._replace(held)
            self.documents([address for address in batch if address not in held])
        return True

    def head(self, id: str, address: Address | None) -> tuple[bool, Good]:
        """Mend a head that is missing (None) or leads to no version of its id; also returns what was fetched for it.

        Its document is fetched; else it goes where the replica's head is. If the replica knows no such id, and the head
        leads to another id's version, it is removed: it never belonged there.
        """
        if self._replica is None:
            return False, {}
        fetched = self.documents([] if address is None else [address])
        if address is not None and self._leads_to_version(id, address):
            return True, fetched
        other = self._replica.store.heads((id,)).get(id)
        if other is None:
            stray = address is not None and address in get_each(self._store, (address,))
            return stray and self._store.swap_heads([HeadMove(id, address, None)])[0], fetched
        if not self._leads_to_version(id, other):
            fetched |= self.documents([other])
        if not self._leads_to_version(id, other):
            return False, fetched
        return self._store.swap_heads([HeadMove(id, address, other)])[0], fetched

    def file(self, sha256: str) -> bool:
        """Replace a damaged or missing file by the replica's, hashed on its way; whether it is well now."""
        if self._replica is None:
            return False
        try:
            self._files.replace(sha256, self._replica.files.open(sha256))
        except (NotFound, Corrupt, InvalidEntity):
            return False
        except Gone as error:
            self._files.withdraw([error.notice])
        return True

    def _replace(self, held: Mapping[Address, bytes | Notice]) -> None:
        """Store the good documents among these, with their index rows, in place of what is there."""
        read = [judge(address, item) for address, item in held.items() if isinstance(item, bytes)]
        good = [record for record in read if isinstance(record, Record)]
        if good:
            self._store.replace(good)

    def _leads_to_version(self, id: str, address: Address) -> bool:
        try:
            return version_of(id, address, get_each(self._store, (address,)).get(address))
        except Corrupt:
            return False
