"""The usual load of an open loop: reads by address and durable puts, each read hashed by the harness itself."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any, Final

from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.loops import NO_OP_ADDRESS, draw_addresses, no_op_put, no_op_read
from stat7.stress.tasks.paced import Load, Operation
from stat7.stress.tasks.writing import ROOM_FOR_WRITES, ReadBack, documents
from stat7.stress.workers import Task
from stat7.stress.workload import Workload

READ: Final = "read"
WRITE: Final = "write"
_KEYS: Final = 20_000


class Reads:
    """Reads of addresses in their order; the bytes must hash to the address."""

    def __init__(self, read: Callable[[str], bytes], addresses: Iterator[str]) -> None:
        self._read = read
        self._addresses = addresses

    def draw(self) -> str:
        """The next address."""
        return next(self._addresses)

    def ask(self, given: str) -> bytes:
        """Read it."""
        return self._read(given)

    def check(self, given: str, answer: bytes) -> str | None:
        """Hash the document."""
        if hashlib.sha256(answer).hexdigest() == given:
            return None
        return f"the bytes returned for {given} don't hash to it"

    def told(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}


Entity = tuple[int, bytes, str]
"""A number among the puts, a document and its address."""


class Puts:
    """Puts of new entities, numbered from 0 on, of which it notes those that were acknowledged."""

    def __init__(self, put: Callable[[bytes], str], entities: Iterator[tuple[bytes, str]]) -> None:
        self._put = put
        self._entities = entities
        self._drawn = 0
        self._acknowledged = array("q")

    def draw(self) -> Entity:
        """The next entity."""
        number = self._drawn
        self._drawn += 1
        return (number, *next(self._entities))

    def ask(self, given: Entity) -> str:
        """Put it."""
        return self._put(given[1])

    def check(self, given: Entity, answer: str) -> str | None:
        """Note that it was acknowledged; the answer must be its address."""
        self._acknowledged.append(given[0])
        return None if answer == given[2] else f"put answered {answer} for {given[2]}"

    def told(self) -> Mapping[str, Any]:
        """The numbers `acknowledged` since the last call (int64 bytes), and how many were `drawn` in all."""
        numbers, self._acknowledged = self._acknowledged.tobytes(), array("q")
        return {"acknowledged": numbers, "drawn": self._drawn}


class _IdlePuts(Puts):
    """Puts into a store that does nothing."""

    def ask(self, given: Entity) -> str:
        """Nothing."""
        return given[2]


@dataclass(frozen=True, slots=True)
class ReadsAndPuts(Load):
    """Reads of the `scale` stored entities, drawn uniformly (or of `keys`, in their order, if given), and durable puts
    of new ones: of each lane the workload's from `first_write` on, ROOM_FOR_WRITES apart (tasks.writing.paced_from).
    """

    location: Location
    workload: Workload
    digests: Path
    scale: int
    first_write: int
    reads: float = 7
    writes: float = 3
    keys: tuple[str, ...] = ()

    @property
    def weights(self) -> Mapping[str, float]:
        """Seven reads to three puts, by default; a kind of weight 0 doesn't come at all."""
        given = {READ: self.reads, WRITE: self.writes}
        return {kind: weight for kind, weight in given.items() if weight > 0}

    def prepare(self, subject: Subject, stack: ExitStack, lanes: Sequence[int]) -> list[Mapping[str, Operation]]:
        """Open the store once for all lanes of the worker."""
        repository = stack.enter_context(subject.open(self.location))
        return [
            {
                READ: Reads(repository.get_document, cycle(self._keys(lane))),
                WRITE: Puts(repository.put, documents(self.workload, self._first(lane))),
            }
            for lane in lanes
        ]

    def idle(self, lane: int) -> Mapping[str, Operation]:
        """Documents are made and hashed all the same."""
        return {
            READ: Reads(no_op_read, cycle([NO_OP_ADDRESS])),
            WRITE: _IdlePuts(no_op_put, documents(self.workload, self._first(lane))),
        }

    def room(self, lane: int) -> range:
        """ROOM_FOR_WRITES for each lane."""
        return range(self._first(lane), self._first(lane) + ROOM_FOR_WRITES)

    def written(self, lane: int, told: Mapping[str, Mapping[str, Any]]) -> range:
        """All that were drawn."""
        drawn = told[WRITE]["drawn"] if WRITE in told else 0
        return range(self._first(lane), self._first(lane) + drawn)

    def read_back(self, told: Sequence[tuple[int, Mapping[str, Mapping[str, Any]]]]) -> Task:
        """Look for them in the store, with nothing between."""
        writes = tuple(
            (self._first(lane), by_kind[WRITE]["acknowledged"]) for lane, by_kind in told if WRITE in by_kind
        )
        return ReadBack(self.location, self.workload, writes)

    def _first(self, lane: int) -> int:
        return self.first_write + lane * ROOM_FOR_WRITES

    def _keys(self, lane: int) -> Sequence[str]:
        if self.keys:
            turn = lane * len(self.keys) // 64 % len(self.keys)
            return self.keys[turn:] + self.keys[:turn]
        return draw_addresses(self.digests, self.scale, _KEYS, Random(self.workload.seed * 1000 + lane))
