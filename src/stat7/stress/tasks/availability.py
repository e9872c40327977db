"""Reads and writes that go on while servers die and come back: each operation with its begin, its end, and whether it
was answered; and what is asked when too few servers are left.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from stat7.errors import NotFound, Stat7Error, StoreFull, Unavailable
from stat7.repository import Repository
from stat7.stress.subject import Location, Subject
from stat7.stress.workers import Obey, Tell, Work
from stat7.stress.workload import Workload

if TYPE_CHECKING:
    from stat7.stores.sharded import ShardMap

READ, WRITE, LOOK = 0, 1, 2
"""Kinds: get a stored document; put a new one; look whether the head of the last own put is seen."""

ANSWERED, REFUSED, WRONG, STALE = 0, 1, 2, 3
"""What became of an operation. STALE: an acknowledged put isn't seen."""

_SHARES: Final = (READ,) * 6 + (WRITE,) * 3 + (LOOK,)
_TICK: Final = 0.1
_NAP: Final = 0.005
PATIENCE: Final = 40.0
"""Seconds after the end that operations under way are waited for."""


@dataclass(slots=True)
class Tape:
    """The operations of one thread; times in ns of the clock itself. `touched` has a bit for each shard concerned."""

    starts: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    touched: array[int] = field(default_factory=lambda: array("q"))
    kinds: bytearray = field(default_factory=bytearray)
    outcomes: bytearray = field(default_factory=bytearray)
    acknowledged: array[int] = field(default_factory=lambda: array("q"))
    errors: list[str] = field(default_factory=list)

    def add(self, times: tuple[int, int], kind: int, outcome: int, touched: int) -> None:
        """Note one operation."""
        self.starts.append(times[0])
        self.ends.append(times[1])
        self.touched.append(touched)
        self.kinds.append(kind)
        self.outcomes.append(outcome)


@dataclass(frozen=True, slots=True)
class KeepGoing:
    """In `threads` threads read the first `filled` entities, put new ones and look for them, until the file `stop` is
    there, or for `seconds`. New ones are those from `first_write` on. `shards` is the file of a map of shards.
    """

    subject: Subject
    location: Location
    workload: Workload
    filled: int
    threads: int
    first_write: int
    seconds: float
    stop: Path
    shards: Path | None = None

    def prepare(self) -> Work:
        """Open the store and make the addresses."""
        repository = self.subject.open(self.location)
        addresses = [self.workload.record(index).address for index in range(self.filled)]
        repository.get_document(addresses[0])
        shard_map = None if self.shards is None else _read_map(self.shards)

        def work(tell: Tell) -> Mapping[str, Any]:
            load = _Load(self, repository, addresses, shard_map)
            tapes, hung = load.run(tell)
            if not hung:
                repository.close()
            return _told(tapes) | {"hung": hung}

        return work


def _read_map(path: Path) -> ShardMap:
    from stat7.registry.shards import read_shards

    return read_shards(path).shard_map


@dataclass(slots=True)
class _Load:
    """The threads of one worker."""

    task: KeepGoing
    repository: Repository
    addresses: Sequence[str]
    shard_map: ShardMap | None
    numbers: Iterator[int] = field(default_factory=itertools.count)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, tell: Tell) -> tuple[list[Tape], int]:
        """The tapes, and how many threads never came back."""
        tapes = [Tape() for _ in range(self.task.threads)]
        threads = [
            threading.Thread(target=self._go_on, args=(tape, Random(self.task.first_write + number)), daemon=True)
            for number, tape in enumerate(tapes)
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + self.task.seconds
        while time.monotonic() < until and not self.task.stop.exists():
            time.sleep(_TICK)
            tell(sum(len(tape.kinds) for tape in tapes))
        self.over.set()
        last = time.monotonic() + PATIENCE
        while any(thread.is_alive() for thread in threads) and time.monotonic() < last:
            time.sleep(_TICK)
            tell(0)
        return tapes, sum(thread.is_alive() for thread in threads)

    def _go_on(self, tape: Tape, chance: Random) -> None:
        last: tuple[str, str] | None = None
        while not self.over.is_set():
            kind = chance.choice(_SHARES)
            if kind == WRITE:
                last = self._write(tape) or last
            elif kind == LOOK and last is not None:
                self._look(tape, *last)
            else:
                self._read(tape, chance.choice(self.addresses))
            if tape.outcomes[-1] == REFUSED:
                time.sleep(_NAP)

    def _read(self, tape: Tape, address: str) -> None:
        outcome, times, found = self._timed(tape, lambda: self.repository.get_document(address))
        if outcome == ANSWERED and hashlib.sha256(found).hexdigest() != address:
            outcome = WRONG
            tape.errors.append(f"the bytes returned for {address} don't hash to it")
        tape.add(times, READ, outcome, self._touched(address))

    def _write(self, tape: Tape) -> tuple[str, str] | None:
        """Put the next new entity; its id and address if that was acknowledged."""
        number = next(self.numbers)
        index = self.task.first_write + number
        line, address = self.task.workload.line(index), self.task.workload.record(index).address
        id = self.task.workload.id(index)
        outcome, times, found = self._timed(tape, lambda: self.repository.put(line))
        if outcome == ANSWERED and found != address:
            outcome = WRONG
            tape.errors.append(f"put answered {found} for {address}")
        tape.add(times, WRITE, outcome, self._touched(address, id))
        if outcome != ANSWERED:
            return None
        tape.acknowledged.append(number)
        return id, address

    def _look(self, tape: Tape, id: str, address: str) -> None:
        """What this thread has put last must be the head of its id."""
        outcome, times, found = self._timed(tape, lambda: self._head(id))
        if outcome == ANSWERED and found != address:
            outcome = STALE
            tape.errors.append(f"the head of {id} was put and is {found or 'not there'}")
        tape.add(times, LOOK, outcome, self._touched(None, id))

    def _head(self, id: str) -> str:
        try:
            return self.repository.head(id)
        except NotFound:
            return ""

    def _timed(self, tape: Tape, operate: Callable[[], Any]) -> tuple[int, tuple[int, int], Any]:
        clock = self.task.subject.clock
        start, found, outcome = clock(), None, ANSWERED
        try:
            found = operate()
        except (Unavailable, StoreFull) as error:
            outcome = REFUSED
            tape.errors.append(str(error))
        except Stat7Error as error:
            outcome = WRONG
            tape.errors.append(f"{type(error).__name__}: {error}")
        return outcome, (start, clock()), found

    def _touched(self, address: str | None, id: str | None = None) -> int:
        """A bit for each shard that the operation concerns; 0 where there are no shards."""
        if self.shard_map is None:
            return 0
        bits = 0 if address is None else 1 << self.shard_map.shard_of(address)
        return bits if id is None else bits | 1 << self.shard_map.home_of(id)


def _told(tapes: Sequence[Tape]) -> dict[str, Any]:
    """What goes back: all operations of the worker. Errors: the first few of them that differ."""
    errors = dict.fromkeys(error for tape in tapes for error in tape.errors[:50])
    return {
        "starts": b"".join(tape.starts.tobytes() for tape in tapes),
        "ends": b"".join(tape.ends.tobytes() for tape in tapes),
        "touched": b"".join(tape.touched.tobytes() for tape in tapes),
        "kinds": b"".join(bytes(tape.kinds) for tape in tapes),
        "outcomes": b"".join(bytes(tape.outcomes) for tape in tapes),
        "acknowledged": b"".join(tape.acknowledged.tobytes() for tape in tapes),
        "errors": list(errors)[:3],
    }


@dataclass(frozen=True, slots=True)
class AskAnyway:
    """One of a crew: ordered to, it reads `reads` stored entities and puts `writes` new ones, all at once."""

    subject: Subject
    location: Location
    workload: Workload
    first_write: int
    reads: int
    writes: int

    @contextmanager
    def prepare(self) -> Iterator[Obey]:
        """Open the store while all servers are there."""
        with self.subject.open(self.location) as repository, ThreadPoolExecutor(self.reads + self.writes) as pool:

            def obey(order: Any, tell: Tell) -> Mapping[str, Any]:
                addresses = [self.workload.record(index).address for index in range(self.reads)]
                lines = [self.workload.line(self.first_write + number) for number in range(self.writes)]
                asked = [
                    *(partial(repository.get_document, address) for address in addresses),
                    *(partial(repository.put, line) for line in lines),
                ]
                answers = list(pool.map(_refused_after, asked))
                return {"answered": answers.count(None), "seconds": [each for each in answers if each is not None]}

            yield obey


def _refused_after(operate: Callable[[], object]) -> float | None:
    """Seconds until it was refused; None if it was answered."""
    begun = time.monotonic()
    try:
        operate()
    except Unavailable:
        return time.monotonic() - begun
    return None
