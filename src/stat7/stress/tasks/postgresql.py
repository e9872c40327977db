"""What the experiment with PostgreSQL has workers do: fill a table, look at plans, and look up in many threads, with
the store and with the bare driver by turns.
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
from random import Random
from typing import Any, Final

import psycopg

from stat7.errors import Stat7Error
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.stores.postgresql import PostgreSQLStore
from stat7.stores.postgresql.reader import MANY, ONE
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.loops import drag
from stat7.stress.workers import Obey, Tell, Work
from stat7.stress.workload import Workload

OURS: Final = "ours"
BARE: Final = "bare"
READ: Final = 0
WRITE: Final = 1
FILL_BATCH: Final = 2000
WRITES_IN_TEN: Final = 3
_MADE_PER_SECOND: Final = 3000
_SECOND: Final = 1_000_000_000
_BARE_ONE: Final = ONE.replace("$1", "%s").encode()
_BARE_MANY: Final = MANY.encode()


def store_under(repository: Repository) -> PostgreSQLStore:
    """The PostgreSQL store beneath all wrappers."""
    store: Any = repository.store
    while not isinstance(store, PostgreSQLStore):
        store = store.inner if "inner" in vars(store) else store._inner
    return store


@dataclass(frozen=True, slots=True)
class FillTable:
    """Put entities `first` to `first + count` in batches, with their heads, for at most `seconds`."""

    location: Location
    workload: Workload
    first: int
    count: int
    seconds: float

    def prepare(self) -> Work:
        """Open the store."""
        repository = self.location.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            until, done = time.monotonic() + self.seconds, 0
            with repository:
                while done < self.count and time.monotonic() < until:
                    size = min(FILL_BATCH, self.count - done)
                    records = [self.workload.record(self.first + done + at) for at in range(size)]
                    repository.store.put(records, [HeadMove(record.id, None, record.address) for record in records])
                    done += size
                    tell(done)
            return {"done": done}

        return work


@dataclass(frozen=True, slots=True)
class Turn:
    """An order: for `seconds`, in so many threads, look up `batch` addresses at a time (1: one by one) on one side.

    `writes`: three operations of ten put a new entity.
    """

    side: str
    threads: int
    batch: int
    writes: bool
    seconds: float


@dataclass(slots=True)
class _Tape:
    """What one thread did: in `ends` and `durations` ns, the kinds, and what came back, to be hashed afterwards."""

    ends: array[int] = field(default_factory=lambda: array("q"))
    durations: array[int] = field(default_factory=lambda: array("q"))
    kinds: bytearray = field(default_factory=bytearray)
    found: list[tuple[Sequence[str], Mapping[str, object] | bytes]] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""


@dataclass(frozen=True, slots=True)
class Pooled:
    """One of a crew: a repository, and connections of the bare driver to the same tables, for up to `threads` threads.

    `keys` are indexes of stored entities, looked up at random; new entities are those from `first_write` on.
    """

    subject: Subject
    location: Location
    workload: Workload
    keys: Sequence[int]
    threads: int
    first_write: int

    @contextmanager
    def prepare(self) -> Iterator[Obey]:
        """Open both ways."""
        with self.location.open() as unchanged:
            conninfo = store_under(unchanged).settings.conninfo()
        addresses = [self.workload.record(index).address for index in self.keys]
        bare = [psycopg.connect(conninfo, autocommit=True) for _ in range(self.threads)]
        with self.subject.open(self.location) as repository, ThreadPoolExecutor(self.threads) as pool:
            hand = _Hand(self, repository, [each.cursor(binary=True) for each in bare], addresses, pool)
            yield hand.obey
        for connection in bare:
            connection.close()


class _Shared:
    """An iterator that several threads draw from; its first item is drawn, and dropped, at once."""

    def __init__(self, items: Iterator[tuple[int, Record]]) -> None:
        self._items = items
        self._lock = threading.Lock()
        next(items, None)

    def draw(self) -> tuple[int, Record]:
        """The next item."""
        with self._lock:
            return next(self._items)


@dataclass(slots=True)
class _Hand:
    """Carries out orders. `drawn` counts the entities that were drawn for puts so far."""

    task: Pooled
    repository: Repository
    cursors: Sequence[psycopg.Cursor[Any]]
    addresses: Sequence[str]
    pool: ThreadPoolExecutor
    drawn: int = 0
    turns: int = 0

    def obey(self, turn: Turn, tell: Tell) -> Mapping[str, Any]:
        """One turn; every document that came back is hashed when it is over."""
        self.turns += 1
        clock = self.task.subject.clock
        supply = _Shared(self._supply(turn))
        barrier = threading.Barrier(turn.threads)

        def run(number: int) -> tuple[_Tape, int]:
            tape, chance = _Tape(), Random(self.turns * 1000 + number)
            step = self._step(turn, number, tape, chance, supply)
            barrier.wait()
            begun = clock()
            limit = int(turn.seconds * _SECOND)
            while clock() - begun < limit:
                self._timed(step, tape, begun)
            return tape, begun

        tapes = [tape for tape, _ in self.pool.map(run, range(turn.threads))]
        return _told(tapes)

    def _supply(self, turn: Turn) -> Iterator[tuple[int, Record]]:
        """Entities to be put, with their numbers: most are made before the clock runs, the others when needed."""
        if not turn.writes:
            return
        first, base = self.drawn, self.task.first_write
        made = [self.task.workload.record(base + first + at) for at in range(1 + int(turn.seconds * _MADE_PER_SECOND))]
        yield first, made[0]  # which nobody puts: the others are ready by then
        for number in itertools.count(first + 1):
            self.drawn = number + 1
            at = number - first
            yield number, made[at] if at < len(made) else self.task.workload.record(base + number)

    def _timed(self, step: Callable[[], tuple[int, Any]], tape: _Tape, begun: int) -> None:
        clock, drag_ns = self.task.subject.clock, self.task.subject.drag_ns
        start = clock()
        try:
            kind, found = step()
        except (Stat7Error, psycopg.Error) as error:
            tape.errors += 1
            tape.first_error = tape.first_error or f"{type(error).__name__}: {error}"
            return
        end = clock()
        tape.ends.append(end - begun)
        tape.durations.append(end - start)
        tape.kinds.append(kind)
        if found is not None:
            tape.found.append(found)
        if drag_ns:
            drag(clock, drag_ns)

    def _step(
        self, turn: Turn, number: int, tape: _Tape, chance: Random, supply: _Shared
    ) -> Callable[[], tuple[int, Any]]:
        """The operation to be repeated; it gives its kind and what it found."""
        addresses, repository, store = self.addresses, self.repository, self.repository.store
        cursor = self.cursors[number]

        def get() -> tuple[int, Any]:
            address = chance.choice(addresses)
            return READ, ((address,), repository.get_document(address))

        def get_bare() -> tuple[int, Any]:
            address = chance.choice(addresses)
            row = cursor.execute(_BARE_ONE, (bytes.fromhex(address),), prepare=True).fetchone()
            return READ, ((address,), b"" if row is None else row[0])

        def get_many() -> tuple[int, Any]:
            at = chance.randrange(len(addresses) - turn.batch + 1)
            chosen = addresses[at : at + turn.batch]
            return READ, (chosen, repository.get_documents(chosen))

        def get_many_bare() -> tuple[int, Any]:
            at = chance.randrange(len(addresses) - turn.batch + 1)
            chosen = addresses[at : at + turn.batch]
            rows = cursor.execute(_BARE_MANY, ([bytes.fromhex(each) for each in chosen],), prepare=True).fetchall()
            return READ, (chosen, {raw.hex(): document for raw, document in rows})

        def mixed() -> tuple[int, Any]:
            if chance.random() * 10 >= WRITES_IN_TEN:
                return get()
            drawn, record = supply.draw()
            store.put([record], [HeadMove(record.id, None, record.address)])
            tape.written.append(drawn)
            return WRITE, None

        if turn.writes:
            return mixed
        if turn.side == OURS:
            return get if turn.batch == 1 else get_many
        return get_bare if turn.batch == 1 else get_many_bare


def _told(tapes: Sequence[_Tape]) -> Mapping[str, Any]:
    """What goes back: the operations of all threads in the order of their ends."""
    order = sorted((end, tape, at) for tape, each in enumerate(tapes) for at, end in enumerate(each.ends))
    written = array("q", sorted(number for tape in tapes for number in tape.written))
    return {
        "ends": array("q", [end for end, _, _ in order]).tobytes(),
        "durations": array("q", [tapes[tape].durations[at] for _, tape, at in order]).tobytes(),
        "kinds": bytes(tapes[tape].kinds[at] for _, tape, at in order),
        "wrong": sum(_wrong(chosen, found) for tape in tapes for chosen, found in tape.found),
        "errors": sum(tape.errors for tape in tapes),
        "first_error": next((tape.first_error for tape in tapes if tape.first_error), ""),
        "acknowledged": written.tobytes(),
    }


def _wrong(chosen: Sequence[str], found: Mapping[str, object] | bytes) -> int:
    """How many of the addresses didn't come with bytes that hash to them."""
    sha256 = hashlib.sha256
    if isinstance(found, bytes):
        return int(sha256(found).hexdigest() != chosen[0])
    return sum(
        not isinstance(document := found.get(address), bytes) or sha256(document).hexdigest() != address
        for address in chosen
    )
