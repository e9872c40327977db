"""Subjects that are wrong on purpose, each in one way: a check that doesn't notice its own is worth nothing."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from stat7.address import Address
from stat7.record import Notice, Record, document_of, normalise, normalise_json
from stat7.repository import Repository
from stat7.stores.base import HeadMove, Outcome, Store
from stat7.stores.memory import MemoryStore

ONE_IN: Final = 1000
"""How seldom a lossy store loses a put, and a damaging one damages a read."""

LAG: Final = 0.05
"""Seconds by which a stale store is behind."""

ZEROS: Final = "0" * 52


class _Addresser:
    """An addresser that gives every record another address."""

    def address(self, document: Mapping[str, Any]) -> str:
        """The address of one document."""
        return self.other(normalise(document))

    def record(self, line: bytes) -> Record:
        """The record of one line of JSON."""
        record = normalise_json(line)
        return record._replace(address=self.other(record))

    def other(self, record: Record) -> Address:
        """The address to give instead of the right one."""
        raise AssertionError("every sabotaged addresser has its own")


@dataclass(frozen=True)
class CutTo48Bits(_Addresser):
    """Addresses of 12 hex digits."""

    def other(self, record: Record) -> Address:
        """The first 48 bits."""
        return record.address[:12]


@dataclass(frozen=True)
class CutTo48BitsAndPadded(_Addresser):
    """Addresses with 48 bits in them that look like addresses."""

    def other(self, record: Record) -> Address:
        """The first 48 bits, then zeros."""
        return record.address[:12] + ZEROS


@dataclass(frozen=True)
class HashOfTheIdOnly(_Addresser):
    """Addresses that know nothing but the id."""

    def other(self, record: Record) -> Address:
        """The SHA-256 of the id."""
        return hashlib.sha256(record.id.encode()).hexdigest()


@dataclass(frozen=True)
class CoordinateLeftOut(_Addresser):
    """Addresses that don't depend on one of the seven coordinates."""

    name: str = "velocity"

    def other(self, record: Record) -> Address:
        """The address of the same facts with that coordinate constant."""
        document = document_of(record)
        document["coordinates"][self.name] = 0
        return normalise(document).address


@dataclass(frozen=True)
class RandomAddresses(_Addresser):
    """Another address each time."""

    def other(self, record: Record) -> Address:
        """256 random bits."""
        return secrets.token_hex(32)


class _Between:
    """A store that hands everything on to another; subclasses change one thing."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _LossyStore(_Between):
    """Says that it has stored, and hasn't, one record in ONE_IN."""

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Leave some out and answer as if they were new."""
        lost = {record.address for record in records if _is_chosen(record.address)}
        kept = [record for record in records if record.address not in lost]
        left = [move for move in moves if move.new not in lost]
        outcomes, moved = self._inner.put(kept, left)
        stored = dict(zip((record.address for record in kept), outcomes, strict=True))
        swapped = dict(zip((move.id for move in left), moved, strict=True))
        return (
            [stored.get(record.address, Outcome.NEW) for record in records],
            [swapped.get(move.id, True) for move in moves],
        )


class _StaleStore(_Between):
    """Answers from what it knew some time ago: what was put within the last LAG seconds isn't there yet."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._put: dict[Address | str, float] = {}

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store, and remember when."""
        done = self._inner.put(records, moves)
        now = time.monotonic()
        self._put |= dict.fromkeys([record.address for record in records], now)
        self._put |= dict.fromkeys([move.id for move in moves], now)
        return done

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """Without what is new."""
        return {address: found for address, found in self._inner.get(addresses).items() if self._knows(address)}

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """Without what is new."""
        return {id: address for id, address in self._inner.heads(ids).items() if self._knows(id)}

    def _knows(self, key: str) -> bool:
        return time.monotonic() - self._put.get(key, 0.0) > LAG


class _SwappingStore(_Between):
    """Gives the ids of two puts in ONE_IN each other's entity."""

    _kept: HeadMove | None = None

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Keep the move of one that is chosen back, and swap it with the next."""
        if len(moves) != 1:
            return self._inner.put(records, moves)
        (move,) = moves
        if self._kept is None:
            if move.new is None or not _is_chosen(move.new):
                return self._inner.put(records, moves)
            self._kept = move
            return self._inner.put(records)[0], [True]
        other, self._kept = self._kept, None
        swapped = [HeadMove(other.id, other.expected, move.new), HeadMove(move.id, move.expected, other.new)]
        return self._inner.put(records, swapped)[0], [True]


class LeakyMemory(MemoryStore):
    """An in-memory store that keeps 1 KB of nothing for each record that is put."""

    def __init__(self) -> None:
        super().__init__()
        self._leak: list[bytes] = []

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store, and leak."""
        self._leak += [bytes(1024) for _ in records]
        return super().put(records, moves)


class _DamagingStore(_Between):
    """Flips a byte in one document read out of ONE_IN."""

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """Damage those that are chosen."""
        return {address: _damaged(address, found) for address, found in self._inner.get(addresses).items()}


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


def lossy(repository: Repository) -> Repository:
    """A repository over a store that loses one put in ONE_IN."""
    return Repository(cast(Store, _LossyStore(repository.store)), repository.files)


def stale(repository: Repository) -> Repository:
    """A repository over a store that answers from LAG seconds ago."""
    return Repository(cast(Store, _StaleStore(repository.store)), repository.files)


def swapping(repository: Repository) -> Repository:
    """A repository over a store that swaps the ids of two puts in ONE_IN."""
    return Repository(cast(Store, _SwappingStore(repository.store)), repository.files)


def damaging_store(repository: Repository) -> Repository:
    """A repository over a store that flips a byte in one read out of ONE_IN."""
    return Repository(cast(Store, _DamagingStore(repository.store)), repository.files)


def damaging_repository(repository: Repository) -> Repository:
    """A repository that flips a byte in one read out of ONE_IN after it has hashed it."""
    return _DamagingRepository(repository.store, repository.files)


def sleepy(repository: Repository) -> Repository:
    """A repository that sleeps before one read in fifty."""
    return _SleepyRepository(repository.store, repository.files)


@dataclass(frozen=True)
class CoarseClock:
    """A clock in ns that moves in steps."""

    step_ns: int = 1_000_000

    def __call__(self) -> int:
        """The time, rounded down to a step."""
        return time.perf_counter_ns() // self.step_ns * self.step_ns


def _is_chosen(address: Address) -> bool:
    return int(address[:8], 16) % ONE_IN == 0


def _damaged(address: Address, found: bytes | Notice) -> bytes | Notice:
    if not isinstance(found, bytes) or not _is_chosen(address):
        return found
    middle = len(found) // 2
    return found[:middle] + bytes([found[middle] ^ 1]) + found[middle + 1 :]
