"""What every load that writes needs: entities nobody else writes, and the search for those that were acknowledged."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stat7.errors import Stat7Error, StoreFull, Unavailable
from stat7.stores.base import Store
from stat7.stress.subject import Location
from stat7.stress.tasks.ingest import CHUNK
from stat7.stress.tasks.loops import Tape
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

FIRST_WRITE: Final = 10**12
"""Entities from this index (times the scale) on are those that workers write."""

ROOM_FOR_WRITES: Final = 10_000_000
"""Indexes set apart for the writes of one worker."""

PACED_FROM: Final = 5 * 10**11
"""Where, after the first, those of the open loop begin: in parts of PACED_PART indexes, one for each use."""

PACED_PART: Final = 10**11


def paced_from(scale: int, part: int) -> int:
    """Where the writes of an open loop begin; `part` (0 to 4) tells apart several of them at one scale."""
    return FIRST_WRITE * scale + PACED_FROM + part * PACED_PART


def documents(workload: Workload, first: int, made: int = 0) -> Iterator[tuple[bytes, str]]:
    """Entities from index `first` on without end, as lines of JSON with their addresses; `made` are made right now."""
    ready = [_document(workload, first + number) for number in range(made)]
    return _endless(workload, first + made, ready)


def _endless(workload: Workload, index: int, ready: Sequence[tuple[bytes, str]]) -> Iterator[tuple[bytes, str]]:
    yield from ready
    while True:
        yield _document(workload, index)
        index += 1


def _document(workload: Workload, index: int) -> tuple[bytes, str]:
    return workload.line(index), workload.record(index).address


def note(tape: Tape, error: Stat7Error) -> None:
    """Count an error: what a store may refuse, busy or full, is an error; anything else is a wrong answer."""
    if isinstance(error, Unavailable | StoreFull):
        tape.refused(error)
    else:
        tape.failed(error)


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
