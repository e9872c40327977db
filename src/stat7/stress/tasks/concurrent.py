"""One of several workers that read and write the same store at once, as fast as it answers; and the reading back
afterwards.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, repeat
from pathlib import Path
from random import Random
from typing import Any, Final

from stat7.errors import Stat7Error, StoreFull, Unavailable
from stat7.stores.base import Store
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.ingest import CHUNK
from stat7.stress.tasks.loops import (
    CEILING_NS,
    NO_OP_ADDRESS,
    Tape,
    drag,
    draw_addresses,
    no_op_put,
    no_op_read,
)
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

READ: Final = 0
WRITE: Final = 1
WRITES_IN_TEN: Final = 3
ROOM_FOR_WRITES: Final = 10_000_000
"""Indexes set apart for the writes of one worker."""

_KEYS: Final = 20_000
_PATTERN: Final = 1000
_CEILING_OPERATIONS: Final = 20_000
_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ReadsAndWrites:
    """Of ten operations seven read one of the `scale` stored entities and three put a new one, for `seconds`.

    The new ones are the workload's from `first_write` on. Room is made for `most` operations, where the loop ends
    early. `made` documents are made beforehand, the others as they are needed, between operations.
    """

    subject: Subject
    location: Location
    workload: Workload
    digests: Path
    scale: int
    worker: int
    first_write: int
    seconds: float
    most: int
    made: int

    def prepare(self) -> Work:
        """Open the store, draw the addresses, make the first documents."""
        repository = self.subject.open(self.location)
        random = Random(self.workload.seed * 1000 + self.worker)
        addresses = draw_addresses(self.digests, self.scale, _KEYS, random)
        pattern = [WRITE] * (_PATTERN * WRITES_IN_TEN // 10) + [READ] * (_PATTERN - _PATTERN * WRITES_IN_TEN // 10)
        random.shuffle(pattern)
        made = [self._document(self.first_write + index) for index in range(self.made)]

        def work(tell: Tell) -> Mapping[str, Any]:
            with repository:
                idle = self._mixer(no_op_read, no_op_put, cycle([NO_OP_ADDRESS]), repeat((b"", NO_OP_ADDRESS)))
                idle = replace(idle, tape=Tape(_CEILING_OPERATIONS))
                idle.run(pattern, CEILING_NS)
                tell(1)
                mixer = self._mixer(repository.get_document, repository.put, cycle(addresses), self._documents(made))
                mixer.run(pattern, int(self.seconds * _SECOND))
            acknowledged = mixer.acknowledged.tobytes()
            done = {"acknowledged": acknowledged, "puts": mixer.puts}
            return {"ceiling": idle.tape.rate, **done, **mixer.tape.result()}

        return work

    def _mixer(
        self,
        read: Callable[[str], bytes],
        put: Callable[[bytes], str],
        addresses: Iterator[str],
        documents: Iterator[tuple[bytes, str]],
    ) -> _Mixer:
        return _Mixer(read, put, addresses, documents, Tape(self.most), self.subject.clock, self.subject.drag_ns)

    def _document(self, index: int) -> tuple[bytes, str]:
        return self.workload.line(index), self.workload.record(index).address

    def _documents(self, made: Sequence[tuple[bytes, str]]) -> Iterator[tuple[bytes, str]]:
        yield from made
        index = self.first_write + len(made)
        while True:
            yield self._document(index)
            index += 1


@dataclass(slots=True)
class _Mixer:
    """The loop. `acknowledged` holds the ordinal numbers of the puts that the store said it has done."""

    read: Callable[[str], bytes]
    put: Callable[[bytes], str]
    addresses: Iterator[str]
    documents: Iterator[tuple[bytes, str]]
    tape: Tape
    clock: Callable[[], int]
    drag_ns: int
    acknowledged: array[int] = field(default_factory=lambda: array("q"))
    puts: int = 0
    begun: int = 0

    def run(self, pattern: Sequence[int], limit_ns: int) -> None:
        """Go through the pattern again and again until time or room is out."""
        tape, clock = self.tape, self.clock
        self.begun = clock()
        for kind in cycle(pattern):
            if kind == READ:
                self._read()
            else:
                self._put()
            if self.drag_ns:
                drag(clock, self.drag_ns)
            if clock() - self.begun > limit_ns or tape.count == tape.capacity:
                return

    def _read(self) -> None:
        address = next(self.addresses)
        clock, tape = self.clock, self.tape
        start = clock()
        try:
            document = self.read(address)
        except Stat7Error as error:
            self._note(error)
            return
        end = clock()
        tape.add(READ, end - self.begun, end - start)
        if hashlib.sha256(document).hexdigest() != address:
            tape.failed(f"the bytes returned for {address} don't hash to it")

    def _put(self) -> None:
        document, address = next(self.documents)
        number = self.puts
        self.puts += 1
        clock, tape = self.clock, self.tape
        start = clock()
        try:
            found = self.put(document)
        except Stat7Error as error:
            self._note(error)
            return
        end = clock()
        tape.add(WRITE, end - self.begun, end - start)
        self.acknowledged.append(number)
        if found != address:
            tape.failed(f"put answered {found} for {address}")

    def _note(self, error: Stat7Error) -> None:
        if isinstance(error, Unavailable | StoreFull):
            self.tape.refused(error)
        else:
            self.tape.failed(error)


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Look for every acknowledged write in the store: its document, hashed, and the head of its id.

    `writes` holds, for each writer, the index of its first write and the numbers (int64 bytes) that were acknowledged.
    """

    location: Location
    workload: Workload
    writes: tuple[tuple[int, bytes], ...]

    def prepare(self) -> Work:
        """Open the store anew, with nothing between."""
        repository = self.location.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            looked = lost = 0
            with repository:
                for indexes in self._chunks():
                    lost += self._lost(repository.store, indexes)
                    looked += len(indexes)
                    tell(looked)
            return {"looked": looked, "lost": lost}

        return work

    def _chunks(self) -> Iterator[list[int]]:
        for first, numbers in self.writes:
            indexes = [first + number for number in array("q", numbers)]
            for start in range(0, len(indexes), CHUNK):
                yield indexes[start : start + CHUNK]

    def _lost(self, store: Store, indexes: Sequence[int]) -> int:
        """How many of these aren't there as they were put."""
        records = [self.workload.record(index) for index in indexes]
        found = store.get([record.address for record in records])
        heads = store.heads([record.id for record in records])
        return sum(
            found.get(record.address) != record.document or heads.get(record.id) != record.address for record in records
        )
