"""One shard: its store, opened when it is first needed and used only if its map is ours, and the threads that wait."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from stat7.errors import ConfigError, Stat7Error, StoreFull, Unavailable
from stat7.stores.base import Store
from stat7.stores.sharded.shard_map import MARK, ShardMap

Result = TypeVar("Result")

LANES: Final = 8
"""Most calls to one shard that are under way at a time for calls which concern several shards.

Each shard has its own, so that one which gives no answer holds up nobody who asks the others.
"""


class Shard:
    """Shard `number` of a set; its errors say which it is. `where` is its place for messages, `origin` the map's.

    Safe to use from many threads; a forked child may go on using it.
    """

    def __init__(self, number: int, shard_map: ShardMap, open_it: Callable[[], Store], where: str, origin: str) -> None:
        self.number = number
        self.where = where
        self._map = shard_map
        self._open_it = open_it
        self._origin = origin
        self._store: Store | None = None
        self._failed: tuple[float, Stat7Error] | None = None
        self._closed = False
        self._renew()
        _all.add(self)

    def _renew(self) -> None:
        self._opening = threading.Lock()
        self._lock = threading.Lock()
        """Never held while anything is waited for."""
        self._lanes: ThreadPoolExecutor | None = None

    @property
    def store(self) -> Store:
        """The store. Raises ConfigError if it has another map, and what opening raises."""
        return self._store or self._opened()

    def run(self, work: Callable[[Store], Result]) -> Result:
        """`work(store)`, here and now; an error that the shard is to blame for names it."""
        try:
            return work(self._store or self._opened())
        except (Unavailable, StoreFull, ConfigError) as error:
            raise self._named(error) from error

    def submit(self, work: Callable[[Store], Result]) -> Future[Result]:
        """The same in another thread. Raises Unavailable where there can be none."""
        try:
            return self._executor().submit(self.run, work)
        except RuntimeError as error:
            raise self._named(Unavailable(f"no thread can be started ({error}); try again")) from None

    def close(self) -> None:
        """Close the store; calls under way in other threads end as the store decides."""
        with self._lock:
            self._closed = True
            lanes, self._lanes = self._lanes, None
            store = self._store
        if lanes is not None:
            # What waits in it is not cancelled: it hears from the store that this is closed.
            lanes.shutdown(wait=False)
        if store is not None:
            store.close()

    def abandon(self) -> None:
        """In a forked child: forget the parent's threads, none of which is here."""
        self._renew()

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._closed:
                raise self._shut()
            if self._lanes is None:
                self._lanes = ThreadPoolExecutor(LANES, f"stat7-shard-{self.number}")
            return self._lanes

    def _opened(self) -> Store:
        asked = time.monotonic()
        with self._opening:
            if self._store is not None:
                return self._store
            if self._closed:
                raise self._shut()
            if self._failed is not None and self._failed[0] >= asked:
                # Somebody else has just tried in vain: to try one after the other would add up their waiting.
                raise type(self._failed[1])(str(self._failed[1]))
            try:
                store = self._verified(self._open_it())
            except (Unavailable, ConfigError) as error:
                self._failed = (time.monotonic(), error)
                raise
            self._keep(store)
            return store

    def _keep(self, store: Store) -> None:
        with self._lock:
            self._store = store
            closed = self._closed
        if closed:
            store.close()

    def _verified(self, store: Store) -> Store:
        """The store, if its map is ours. Nothing of it is touched before that is known."""
        try:
            objection = self._map.objection(self.number, store.marks().get(MARK))
            if objection is not None:
                advice = "get the map that is in use now, nothing was written"
                raise ConfigError(f"wrong or outdated shard map{self._origin}: at {self.where} {objection}; {advice}")
        except BaseException:
            store.close()
            raise
        return store

    def _shut(self) -> Unavailable:
        return Unavailable("the store is closed; open it again")

    def _named(self, error: Stat7Error) -> Stat7Error:
        return type(error)(f"shard {self.number}: {error}")


_all: weakref.WeakSet[Shard] = weakref.WeakSet()


def _after_fork() -> None:
    for shard in _all:
        shard.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
