"""A store that mends itself from another copy as it is read.

A document whose bytes don't hash to their address, or that the store says it can't read, is taken from the replica,
hashed, written back and returned. What is simply not there is not fetched: nothing says that it was ever here. Where
the replica has a notice, that is returned, but not kept: to withdraw is more than to read, and whoever caches this
store must hear of it (`verify --repair-from` sees to both). The replica is only read, and only opened when needed.

`scan` and `check` give what is really there, so that `verify` finds the damage that nobody has read yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

from stat7.address import Address
from stat7.contracts import Check
from stat7.errors import Corrupt, InvalidEntity, Stat7Error
from stat7.lazy import Lazy
from stat7.record import Notice, Record, read_canonical
from stat7.stores.base import Store
from stat7.stores.wrapping import StoreWrapper

Held = dict[Address, bytes | Notice]


class ReplicatedStore(StoreWrapper):
    """A `Store` that repairs what it reads from the one that `open_replica` gives, which may be down: then it doesn't.

    `repaired` counts the documents that were mended. Damage that can't be mended comes as `inner` gives it.
    """

    def __init__(self, inner: Store, open_replica: Callable[[], Store]) -> None:
        super().__init__(inner)
        self.capabilities = replace(inner.capabilities, embedded=False)
        self.repaired = 0
        self._replica = Lazy(open_replica)

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """See EntityStore.get."""
        try:
            held = self.inner.get(addresses)
        except Corrupt as error:
            return self._get_each(addresses, error)
        damaged = [address for address, item in held.items() if not _sound(address, item)]
        return held if not damaged else held | self._mended(damaged)

    def diagnose(self) -> list[Check]:
        """What the wrapped store says of its health, and whether the replica can be read."""
        return [*super().diagnose(), self._check_replica()]

    def close(self) -> None:
        """Close the store and, if it was opened, the replica."""
        self.inner.close()
        self._replica.close()

    def _get_each(self, addresses: Sequence[Address], error: Corrupt) -> Held:
        """One after the other, since one of them can't even be read; `error` is raised if that can't be mended."""
        held: Held = {}
        unreadable: list[Address] = []
        for address in dict.fromkeys(addresses):
            try:
                held |= self.inner.get((address,))
            except Corrupt as found:
                error = found
                unreadable.append(address)
        damaged = [address for address, item in held.items() if not _sound(address, item)]
        mended = self._mended([*damaged, *unreadable])
        if not mended.keys() >= set(unreadable):
            raise error
        return held | mended

    def _mended(self, addresses: Sequence[Address]) -> Held:
        """What of these damaged documents is well now, by the replica."""
        good = self._from_replica(addresses)
        records = [record for record in map(_record, good.values()) if record is not None]
        # What can't be written back, to a full disk say, is good to read all the same.
        with suppress(Stat7Error):
            self.inner.replace(records)
            self.repaired += len(records)
        # As it is here now: it may have been withdrawn meanwhile.
        return good | self._now(good)

    def _now(self, addresses: Iterable[Address]) -> Held:
        now: Held = {}
        for address in addresses:
            with suppress(Corrupt):
                now |= self.inner.get((address,))
        return {address: item for address, item in now.items() if _sound(address, item)}

    def _from_replica(self, addresses: Sequence[Address]) -> Held:
        """The good documents and the notices that the replica has of these; nothing if it can't be asked."""
        good: Held = {}
        with suppress(Stat7Error):
            replica = self._replica.opened()
            try:
                good = replica.get(addresses)
            except Corrupt:
                for address in addresses:
                    with suppress(Corrupt):
                        good |= replica.get((address,))
        return {address: item for address, item in good.items() if _sound(address, item)}

    def _check_replica(self) -> Check:
        try:
            replica = self._replica.opened()
            replica.marks()
        except Stat7Error as error:
            return Check("replica", "fail", f"what is damaged can't be mended: {error}")
        mended = f", {self.repaired:,} documents mended from it" if self.repaired else ""
        return Check("replica", "ok", f"{replica.capabilities.name}, answers{mended}")


def _sound(address: Address, item: bytes | Notice) -> bool:
    return isinstance(item, Notice) or sha256(item).hexdigest() == address


def _record(item: bytes | Notice) -> Record | None:
    """What to write back: nothing for a notice, nor for bytes that hash to their address but are no entity."""
    try:
        return None if isinstance(item, Notice) else read_canonical(item)
    except InvalidEntity:
        return None
