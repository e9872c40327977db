"""From index to stored entity, by several processes: some make lines and address them, one stores what they made.

Records travel between them as marshalled tuples, a chunk at a time; nobody ever holds more than a few chunks.
"""

from __future__ import annotations

import marshal
import re
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

from stat7.address import is_address
from stat7.record import Record
from stat7.stores.base import HeadMove, Store
from stat7.stores.sqlite.bulk import fill
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

CHUNK: Final = 1000

_OTHER = re.compile(r"[^0-9a-f]")


@dataclass(frozen=True, slots=True)
class Generate:
    """Address entities `start` to `stop`, worker number `worker` of `workers` taking every so-manieth chunk.

    Digests go to their place in `digests` (a file that exists), records into `outlet`. One chunk in `every` is
    addressed by the subject and timed; the others by the workload's own template, which is quicker.
    """

    subject: Subject
    workload: Workload
    start: int
    stop: int
    worker: int
    workers: int
    digests: Path | None = None
    outlet: Connection | None = None
    every: int = 1

    def prepare(self) -> Work:
        """Nothing takes long."""
        return self._run

    def _run(self, tell: Tell) -> Mapping[str, Any]:
        begun = time.process_time_ns()
        ends, durations = array("q"), array("q")
        spent = cpu = malformed = addressed = 0
        firsts = range(self.start + self.worker * CHUNK, self.stop, self.workers * CHUNK)
        with ExitStack() as stack:
            file = stack.enter_context(self.digests.open("r+b")) if self.digests else None
            for turn, first in enumerate(firsts):
                indexes = range(first, min(first + CHUNK, self.stop))
                if turn % self.every == 0:
                    records, took, used = self._address(indexes)
                    spent += took
                    cpu += used
                    durations.append(took)
                    ends.append(spent)
                    addressed += len(records)
                else:
                    records = [self.workload.record(index) for index in indexes]
                digests, bad = pack([record.address for record in records])
                malformed += bad
                if file is not None:
                    file.seek(first * DIGEST)
                    file.write(digests)
                if bad:  # nothing could be stored under what isn't an address
                    records = [self.workload.record(index) for index in indexes]
                if self.outlet is not None:
                    self.outlet.send_bytes(marshal.dumps([tuple(record) for record in records]))
                tell((turn + 1) * CHUNK)
        if self.outlet is not None:
            self.outlet.close()
        return {
            "ends": ends.tobytes(),
            "durations": durations.tobytes(),
            "addressed": addressed,
            "addressing_cpu_ns": cpu,
            "cpu_ns": time.process_time_ns() - begun,
            "malformed": malformed,
        }

    def _address(self, indexes: range) -> tuple[list[Record], int, int]:
        """The records, and the time that addressing them took: of the subject's clock, and of the processor, in ns."""
        lines = [self.workload.line(index) for index in indexes]
        read, clock = self.subject.addresser.record, self.subject.clock
        used = time.process_time_ns()
        start = clock()
        records = [read(line) for line in lines]
        took = clock() - start
        return records, took, time.process_time_ns() - used


@dataclass(frozen=True, slots=True)
class Fill:
    """Store what comes out of the inlets, in the order it comes, `total` records in all.

    With `new` a store is made there in bulk, else they are put into the one at `location`.
    """

    location: Location
    new: Path | None
    inlets: tuple[Connection, ...]
    total: int

    def prepare(self) -> Work:
        """Nothing takes long."""
        return self._run

    def _run(self, tell: Tell) -> Mapping[str, Any]:
        arriving = _Arriving(self.inlets, tell)
        begun = time.process_time_ns()
        if self.new is not None:
            fill(self.new, arriving)
        else:
            with self.location.open() as repository:
                for chunk in arriving:
                    _put(repository.store, chunk)
        if arriving.count != self.total:
            raise ValueError(f"{arriving.count} records arrived of {self.total}")
        return {"cpu_ns": time.process_time_ns() - begun}


class _Arriving:
    """The records that come out of the pipes, a chunk at a time."""

    def __init__(self, inlets: Sequence[Connection], tell: Tell) -> None:
        self.count = 0
        self._inlets = list(inlets)
        self._tell = tell

    def __iter__(self) -> Iterator[list[Record]]:
        while self._inlets:
            for inlet in wait(self._inlets):
                yield from self._chunk(inlet)  # type: ignore[arg-type]

    def _chunk(self, inlet: Connection) -> Iterator[list[Record]]:
        try:
            data = inlet.recv_bytes()
        except EOFError:
            self._inlets.remove(inlet)
            return
        records = [Record._make(row) for row in marshal.loads(data)]  # noqa: S302 - from a process of our own
        self.count += len(records)
        yield records
        self._tell(self.count)


def _put(store: Store, records: Sequence[Record]) -> None:
    """The usual way into a store: a durable batch with its head moves."""
    size = store.capabilities.max_batch
    for start in range(0, len(records), size):
        part = records[start : start + size]
        store.put(part, [HeadMove(record.id, None, record.address) for record in part])


@dataclass(frozen=True, slots=True)
class Remove:
    """Take entities back out of a store that isn't ours: heads first, then documents, for each range of indexes."""

    location: Location
    workload: Workload
    ranges: tuple[range, ...]

    def prepare(self) -> Work:
        """Open the store."""
        repository = self.location.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            with repository:
                return {"removed": sum(self._remove(repository.store, indexes, tell) for indexes in self.ranges)}

        return work

    def _remove(self, store: Store, indexes: range, tell: Tell) -> int:
        for start in range(0, len(indexes), CHUNK):
            records = [self.workload.record(index) for index in indexes[start : start + CHUNK]]
            store.swap_heads([HeadMove(record.id, record.address, None) for record in records])
            store.discard([record.address for record in records])
            tell(start)
        return len(indexes)


def pack(addresses: Sequence[str]) -> tuple[bytes, int]:
    """The digests of these addresses, 32 bytes each, and how many of them have the wrong form.

    Of an address of the wrong form the hex digits it has are taken, filled up by zeros or cut.
    """
    if set(map(len, addresses)) <= {64}:
        joined = "".join(addresses)
        with suppress(ValueError):
            digests = bytes.fromhex(joined)
            if digests.hex() == joined:
                return digests, 0
    malformed = [index for index, address in enumerate(addresses) if not is_address(address)]
    addresses = list(addresses)
    for index in malformed:
        addresses[index] = _OTHER.sub("", addresses[index].lower())[:64].ljust(64, "0")
    return bytes.fromhex("".join(addresses)), len(malformed)
