"""Stores that are wrong on purpose, each in one way: a check that doesn't notice its own is worth nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from stat7.address import Address
from stat7.contracts import Page
from stat7.errors import Corrupt
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove, Match, Outcome, Store
from stat7.stores.memory import MemoryStore
from stat7.stores.wrapping import StoreWrapper

ONE_IN: Final = 1000
"""How seldom a lossy store loses a put, and a damaging one damages a read."""

ONE_IN_FINDS: Final = 50
"""How seldom a match is left out by finds that leave out some."""

LAG: Final = 0.05
"""Seconds by which a stale store is behind."""


class _LossyStore(StoreWrapper):
    """Says that it has stored, and hasn't, one record in `one_in`."""

    one_in = ONE_IN

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Leave some out, with the moves of heads to them, and answer as if they were new."""
        lost = {record.address for record in records if is_chosen(record.address, self.one_in)}
        kept = [record for record in records if record.address not in lost]
        left = [move for move in moves if move.new not in lost]
        outcomes, moved = self.inner.put(kept, left)
        stored, swapped = iter(outcomes), iter(moved)
        return (
            [Outcome.NEW if record.address in lost else next(stored) for record in records],
            [True if move.new in lost else next(swapped) for move in moves],
        )


class _StaleStore(StoreWrapper):
    """Answers from what it knew some time ago: what was put within the last LAG seconds isn't there yet."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._put: dict[Address | str, float] = {}

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store, and remember when."""
        done = self.inner.put(records, moves)
        now = time.monotonic()
        self._put |= dict.fromkeys([record.address for record in records], now)
        self._put |= dict.fromkeys([move.id for move in moves], now)
        return done

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """Without what is new."""
        return {address: found for address, found in self.inner.get(addresses).items() if self._knows(address)}

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """Without what is new."""
        return {id: address for id, address in self.inner.heads(ids).items() if self._knows(id)}

    def _knows(self, key: str) -> bool:
        return time.monotonic() - self._put.get(key, 0.0) > LAG


class _SwappingStore(StoreWrapper):
    """Gives the ids of two puts in ONE_IN each other's entity."""

    _kept: HeadMove | None = None

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Keep the move of one that is chosen back, and swap it with the next."""
        if len(moves) != 1:
            return self.inner.put(records, moves)
        (move,) = moves
        if self._kept is None:
            if move.new is None or not is_chosen(move.new):
                return self.inner.put(records, moves)
            self._kept = move
            return self.inner.put(records)[0], [True]
        other, self._kept = self._kept, None
        swapped = [HeadMove(other.id, other.expected, move.new), HeadMove(move.id, move.expected, other.new)]
        return self.inner.put(records, swapped)[0], [True]


class LeakyMemory(MemoryStore):
    """An in-memory store that keeps 1 KB of nothing for each record that is put."""

    def __init__(self) -> None:
        super().__init__()
        self._leak: list[bytes] = []

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store, and leak."""
        self._leak += [bytes(1024) for _ in records]
        return super().put(records, moves)


class _DamagingStore(StoreWrapper):
    """Flips a byte in one document read out of ONE_IN."""

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """Damage those that are chosen."""
        return {address: _damaged(address, found) for address, found in self.inner.get(addresses).items()}


class _DamagingRepository(Repository):
    """Flips a byte after the repository has hashed what it read."""

    def get_document(self, address: Address) -> bytes:
        """Damage it if it's chosen."""
        return cast(bytes, _damaged(address, super().get_document(address)))

    def get_documents(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """Damage those that are chosen."""
        return {address: _damaged(address, found) for address, found in super().get_documents(addresses).items()}


class _SleepyRepository(Repository):
    """Sleeps before one read in fifty."""

    reads = 0

    def get_document(self, address: Address) -> bytes:
        """Read, perhaps after 3 ms."""
        self.reads += 1
        if self.reads % 50 == 0:
            time.sleep(0.003)
        return super().get_document(address)


@dataclass(frozen=True)
class Lossy:
    """Makes a repository lie over a store that loses one put in `one_in`."""

    one_in: int = ONE_IN

    def __call__(self, repository: Repository) -> Repository:
        """The repository that loses."""
        store = _LossyStore(repository.store)
        store.one_in = self.one_in
        return Repository(store, repository.files)


lossy: Final = Lossy()


def stale(repository: Repository) -> Repository:
    """A repository over a store that answers from LAG seconds ago."""
    return Repository(_StaleStore(repository.store), repository.files)


def swapping(repository: Repository) -> Repository:
    """A repository over a store that swaps the ids of two puts in ONE_IN."""
    return Repository(_SwappingStore(repository.store), repository.files)


def damaging_store(repository: Repository) -> Repository:
    """A repository over a store that flips a byte in one read out of ONE_IN."""
    return Repository(_DamagingStore(repository.store), repository.files)


def damaging_repository(repository: Repository) -> Repository:
    """A repository that flips a byte in one read out of ONE_IN after it has hashed it."""
    return _DamagingRepository(repository.store, repository.files)


def sleepy(repository: Repository) -> Repository:
    """A repository that sleeps before one read in fifty."""
    return _SleepyRepository(repository.store, repository.files)


def is_chosen(address: Address, one_in: int = ONE_IN) -> bool:
    """Whether it's the turn of this one, always the same in `one_in`."""
    return int(address[:8], 16) % one_in == 0


def _damaged(address: Address, found: bytes | Notice) -> bytes | Notice:
    if not isinstance(found, bytes) or not is_chosen(address):
        return found
    middle = len(found) // 2
    return found[:middle] + bytes([found[middle] ^ 1]) + found[middle + 1 :]


class _ScanningRepository(Repository):
    """Looks for an address by comparing it with every one that is stored, from the first to the last."""

    known: list[Address] | None = None

    def get_document(self, address: Address) -> bytes:
        """Walk through all addresses, to the end as a scan without an index must, then read."""
        if self.known is None:
            self.known = self._walk()
        wanted = bytes.fromhex(address)
        if sum(bytes.fromhex(each) == wanted for each in self.known) > 1:
            raise Corrupt(address, "it is stored twice")
        return super().get_document(address)

    def _walk(self) -> list[Address]:
        known: list[Address] = []
        cursor: str | None = None
        while True:
            page = self.store.scan(cursor, 10_000)
            known += [address for address, _ in page.items]
            cursor = page.cursor
            if cursor is None:
                return known


def scanning(repository: Repository) -> Repository:
    """A repository whose every read takes time in proportion to what is stored."""
    return _ScanningRepository(repository.store, repository.files)


class _ForgetfulStore(StoreWrapper):
    """Leaves one match in ONE_IN_FINDS out of what it finds."""

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """All matches but some."""
        page = self.inner.find(query, cursor, limit)
        kept = [match for match in page.items if int(match.address[:8], 16) % ONE_IN_FINDS]
        return Page(kept, page.cursor)


def forgetful(repository: Repository) -> Repository:
    """A repository over a store whose finds leave out one match in ONE_IN_FINDS."""
    return Repository(_ForgetfulStore(repository.store), repository.files)
