"""How much memory the in-memory store takes, in a process that does nothing else."""

from __future__ import annotations

import gc
import marshal
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from stat7.record import Record
from stat7.stores.base import HeadMove, Store
from stat7.stress.anonymous import anonymous_bytes
from stat7.stress.subject import Subject
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

SEGMENTS: Final = 20
"""Parts of the scale whose growth is told apart."""

AGAIN: Final = 5000
"""Entities that are put once more at the end, which must not take memory."""

_PART: Final = 500
_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Occupy:
    """Put `scale` entities with their heads into a new in-memory store and tell by how much the process grew.

    With `traced` by the bytes that Python allocated (tracemalloc; slow, and takes memory itself), else by the anonymous
    memory that the system charges to the process.
    """

    subject: Subject
    workload: Workload
    scale: int
    traced: bool

    def prepare(self) -> Work:
        """Make the records beforehand where storing is traced: tracing their making, too, would be slow."""
        packed = [marshal.dumps(_rows(self.workload, part)) for part in self._parts()] if self.traced else []

        def work(tell: Tell) -> Mapping[str, Any]:
            return self._run(packed, tell)

        return work

    def _run(self, packed: Sequence[bytes], tell: Tell) -> Mapping[str, Any]:
        _put(self.subject.memory(), _rows(self.workload, range(_BATCH)))  # whatever is made only once is made now
        store = self.subject.memory()
        if self.traced:
            tracemalloc.start()
        before = self._measure()
        parts = self._parts()
        marks: list[int] = []
        for number, part in enumerate(parts):
            _put(store, marshal.loads(packed[number]) if packed else _rows(self.workload, part))  # noqa: S302 - ours
            if (number + 1) * SEGMENTS // len(parts) > len(marks):
                marks.append(self._taken())
            tell(part.stop)
        growth = [after - mark for mark, after in pairwise([before, *marks])]
        taken = self._measure()
        again = min(AGAIN if self.traced else 4 * AGAIN, self.scale)
        for start in range(0, again, _PART):
            _put(store, _rows(self.workload, range(start, min(start + _PART, again))), moves=False)
        return {
            "bytes": taken - before,
            "growth": growth,
            "again": again,
            "again_bytes": self._measure() - taken,
            "stored": store.count(),
        }

    def _parts(self) -> list[range]:
        size = max(1, min(_BATCH, self.scale // SEGMENTS))
        return [range(start, min(start + size, self.scale)) for start in range(0, self.scale, size)]

    def _measure(self) -> int:
        gc.collect()
        return self._taken()

    def _taken(self) -> int:
        return tracemalloc.get_traced_memory()[0] if self.traced else anonymous_bytes()


def _rows(workload: Workload, indexes: range) -> list[tuple[Any, ...]]:
    """Records as plain tuples, which can be marshalled."""
    return [tuple(workload.record(index)) for index in indexes]


def _put(store: Store, rows: list[tuple[Any, ...]], *, moves: bool = True) -> None:
    records = [Record._make(row) for row in rows]
    store.put(records, [HeadMove(record.id, None, record.address) for record in records] if moves else ())
