"""A cache before a store, and how what is withdrawn stays withdrawn although the cache may be down at the time.

The notice in the store is the truth; a hit in the cache doesn't ask the store. So a withdrawal must reach the cache
before it is acknowledged:

1. The store keeps a mark for each generation of the cache: its token, and its number, one more than that of all
   generations that its beginner saw. Entries are kept under the newest, which every reader looks up at most one lease
   (a second) ago; if it can't, it leaves the cache alone.
2. A withdrawal blocks its addresses in the cache, erases them in the store, and blocks them again, since a reader may
   have stored one in between if the first time failed. Redis has then confirmed that they are gone, and nobody who
   read them from the store before can put them back (stores/redis/cache.py).
3. If Redis doesn't confirm, the store gets a new generation: all that is cached becomes unreachable. The withdrawal
   waits one lease before it returns, by when every reader has noticed, and the marks of older generations can go.

So whoever reads after a withdrawal was acknowledged gets the notice. Each mark is only ever set by the one that begins
its generation, and to the same value however often that is tried: generations that begin at the same time don't undo
each other, and a withdrawal blocks in all of them. Whoever opens a store without a cache can't know who caches it, now
or later: `CachedElsewhere` begins a new generation after each of its withdrawals, if there is any.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Final, NamedTuple, Protocol, TypeAlias

from stat7.address import Address, is_address
from stat7.contracts import Check
from stat7.errors import Stat7Error, Unavailable
from stat7.record import Notice
from stat7.stores.base import Store
from stat7.stores.wrapping import StoreWrapper

MARK: Final = "cache:"
"""How the names of the marks of generations begin, before the token; users of a cached store don't see them."""

LEASE_SECONDS: Final = 1.0
"""How long a reader may go on with the generation that it found."""

Documents: TypeAlias = Mapping[Address, bytes]


class Look(NamedTuple):
    """What a cache knows of some addresses: good documents (no notices), what to ask the store for, and the fence.

    `poisoned` are those of the missing whose entries are not what they should be. The fence is what withdrawals change;
    with an empty one nothing can be kept.
    """

    hits: dict[Address, bytes | Notice]
    missing: list[Address]
    poisoned: list[Address]
    fence: bytes


class Cache(Protocol):
    """What a cache must do; none of it raises, save `diagnose`. See RedisCache."""

    def look(self, generation: bytes, addresses: Sequence[Address]) -> Look:
        """Good documents, and what to ask the store for."""
        ...

    def fill(self, generation: bytes, look: Look, documents: Documents) -> None:
        """Keep documents read from the store after `look`."""
        ...

    def block(self, generations: Sequence[bytes], addresses: Sequence[Address]) -> bool:
        """Erase these and keep them out; True only if that is certain."""
        ...

    def diagnose(self) -> list[Check]:
        """How it is."""
        ...

    def close(self) -> None:
        """Release its connections."""
        ...


class CachedElsewhere(StoreWrapper):
    """A store that other processes may read through a cache: its withdrawals reach them."""

    def __init__(self, inner: Store, lease_seconds: float = LEASE_SECONDS) -> None:
        super().__init__(inner)
        self._lease_seconds = lease_seconds

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See EntityStore.withdraw. If there is a cache that can't be told, it takes a second longer."""
        self._erase([notice.address for notice in notices], lambda: self.inner.withdraw(notices))

    def discard(self, addresses: Sequence[Address]) -> None:
        """See EntityStore.discard. If there is a cache that can't be told, it takes a second longer."""
        self._erase(addresses, lambda: self.inner.discard(addresses))

    def marks(self) -> dict[str, str]:
        """See HeadStore.marks; without the cache's own."""
        return {name: value for name, value in self.inner.marks().items() if not name.startswith(MARK)}

    def _erase(self, addresses: Sequence[Address], erase: Callable[[], None]) -> None:
        erase()
        # Who caches from now on reads what is left.
        if generations(self.inner):
            renew(self.inner, self._lease_seconds)


class CachedStore(CachedElsewhere):
    """A `Store` whose documents are kept in a cache as they are read; all else is as in `inner`.

    A document from the cache was hashed. One from the store is returned as it is, and kept only if it hashes to its
    address. What is missing is not remembered, nor are heads. Any number of threads may use it.
    """

    def __init__(self, inner: Store, cache: Cache, *, lease_seconds: float = LEASE_SECONDS) -> None:
        super().__init__(inner, lease_seconds)
        self.capabilities = replace(inner.capabilities, embedded=False)
        self.cache = cache
        self._closed = False
        # One tuple, so that threads see both of one time: the newest token (None: no cache now), and until when.
        self._leased: tuple[bytes | None, float] = (None, 0.0)

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """See EntityStore.get."""
        generation, until = self._leased
        now = time.monotonic()
        if now >= until and not self._closed:
            generation = self._lease(now)
        if generation is None or self._closed or not addresses:
            return self.inner.get(addresses)
        look = self.cache.look(generation, addresses)
        if look.missing:
            found = self.inner.get(look.missing)
            self.cache.fill(generation, look, _sound(found))
            look.hits.update(found)
        return look.hits

    def diagnose(self) -> list[Check]:
        """What the wrapped store says of its health, then the cache."""
        return [*super().diagnose(), *self.cache.diagnose()]

    def close(self) -> None:
        """Close the store and the cache's connections."""
        self._closed = True
        self.cache.close()
        self.inner.close()

    def _lease(self, now: float) -> bytes | None:
        """Look up the newest generation, or begin the first; None if the cache must be left alone until the next time.

        Raises Unavailable: then the store can't answer, and the cache must not answer for it.
        """
        token: bytes | None = None
        try:
            known = generations(self.inner)
            if known:
                token = max(known).token
            else:
                # Another process may do the same now: whose is the newest is seen when the lease is over.
                _begin(self.inner, 1)
        except Unavailable:
            raise
        except Stat7Error:
            pass
        self._leased = (token, now + self._lease_seconds)
        return token

    def _erase(self, addresses: Sequence[Address], erase: Callable[[], None]) -> None:
        cached = [address for address in addresses if is_address(address)]
        self._block(cached)
        erase()
        if not self._block(cached):
            renew(self.inner, self._lease_seconds)

    def _block(self, addresses: Sequence[Address]) -> bool:
        """Keep these out of every generation; True if that is certain."""
        return self.cache.block([generation.token for generation in generations(self.inner)], addresses)


class Generation(NamedTuple):
    """A generation of the cache. The newest is the greatest of all."""

    number: int
    token: bytes


def generations(store: Store) -> list[Generation]:
    """Those that readers may still use, in no order; none if nobody ever read this store through a cache."""
    return [
        Generation(int(value), name.removeprefix(MARK).encode())
        for name, value in store.marks().items()
        if name.startswith(MARK) and value.isdecimal()
    ]


def renew(store: Store, lease_seconds: float = LEASE_SECONDS) -> None:
    """Make all that is cached of `store` unreachable; returns when no reader uses any of it any more.

    Raises what the store raises: then what was withdrawn may still be read from the cache until it expires, and the
    withdrawal must be repeated.
    """
    older = generations(store)
    _begin(store, max((generation.number for generation in older), default=0) + 1)
    # A reader's lease began before it looked, so none that began before the mark was set is longer than this. The
    # clocks of two machines don't tick quite alike.
    time.sleep(lease_seconds * 1.01)
    with suppress(Stat7Error):  # they only make later withdrawals dearer
        for generation in older:
            store.set_mark(_mark(generation.token), None)


def _begin(store: Store, number: int) -> None:
    store.set_mark(_mark(os.urandom(16).hex().encode()), str(number))


def _mark(token: bytes) -> str:
    return MARK + token.decode()


def _sound(found: dict[Address, bytes | Notice]) -> dict[Address, bytes]:
    return {
        address: held
        for address, held in found.items()
        if isinstance(held, bytes) and sha256(held).hexdigest() == address
    }
