"""One of several workers that read and write the same store at once, as fast as it answers."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, repeat
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from stat7.errors import NotFound, Stat7Error
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.loops import (
    CEILING_NS,
    NO_OP_ADDRESS,
    Tape,
    drag,
    draw_addresses,
    no_op_head,
    no_op_put,
    no_op_read,
)
from stat7.stress.tasks.writing import documents, note
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

READ: Final = 0
WRITE: Final = 1
WRITES_IN_TEN: Final = 3
LOOK_AGAIN: Final = 20
"""Of so many puts one is followed by a look whether who put it sees it; that isn't timed."""

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
        entities = documents(self.workload, self.first_write, self.made)

        def work(tell: Tell) -> Mapping[str, Any]:
            with repository:
                nothing = repeat((b'{"id":""}', NO_OP_ADDRESS))
                idle = self._mixer(no_op_read, no_op_put, no_op_head, cycle([NO_OP_ADDRESS]), nothing)
                idle = replace(idle, tape=Tape(_CEILING_OPERATIONS))
                idle.run(pattern, CEILING_NS)
                tell(1)
                read, put, head = repository.get_document, repository.put, repository.head
                mixer = self._mixer(read, put, head, cycle(addresses), entities)
                mixer.run(pattern, int(self.seconds * _SECOND))
            acknowledged = mixer.acknowledged.tobytes()
            done = {"acknowledged": acknowledged, "puts": mixer.puts}
            return {"ceiling": idle.tape.rate, **done, **mixer.tape.result()}

        return work

    def _mixer(
        self,
        read: Callable[[str], bytes],
        put: Callable[[bytes], str],
        head: Callable[[str], str],
        addresses: Iterator[str],
        documents: Iterator[tuple[bytes, str]],
    ) -> _Mixer:
        return _Mixer(read, put, head, addresses, documents, Tape(self.most), self.subject.clock, self.subject.drag_ns)


@dataclass(slots=True)
class _Mixer:
    """The loop. `acknowledged` holds the ordinal numbers of the puts that the store said it has done."""

    read: Callable[[str], bytes]
    put: Callable[[bytes], str]
    current: Callable[[str], str]
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
            note(self.tape, error)
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
            note(self.tape, error)
            return
        end = clock()
        tape.add(WRITE, end - self.begun, end - start)
        self.acknowledged.append(number)
        if found != address:
            tape.failed(f"put answered {found} for {address}")
        elif number % LOOK_AGAIN == 0:
            self._look_again(document, address)

    def _look_again(self, line: bytes, address: str) -> None:
        """Who has been told that a write is done must see it: the document, and the head of its id."""
        try:
            stale = self.current(orjson.loads(line)["id"]) != address or not self.read(address)
        except NotFound:
            stale = True
        except Stat7Error as error:
            note(self.tape, error)
            return
        if stale:
            self.tape.failed(f"stale read: what was put as {address} isn't seen by who put it")
