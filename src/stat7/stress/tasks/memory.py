"""How much memory the in-memory store takes, in a process that does nothing else."""

from __future__ import annotations

import gc
import marshal
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stat7.record import Record
from stat7.stores.base import HeadMove, Store
from stat7.stores.memory import MemoryStore
from stat7.stress.anonymous import anonymous_bytes
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Occupy:
    """Put `scale` entities with their heads into a new in-memory store and tell by how much the process grew.

    With `traced` by the bytes that Python allocated (tracemalloc; slow, and takes memory itself), else by the anonymous
    memory that the system charges to the process.
    """

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
        _put(MemoryStore(), _rows(self.workload, range(_BATCH)))  # whatever is made only once is made now
        store: Store = MemoryStore()
        if self.traced:
            tracemalloc.start()
        before = self._measure()
        for number, part in enumerate(self._parts()):
            _put(store, marshal.loads(packed[number]) if packed else _rows(self.workload, part))  # noqa: S302 - ours
            tell(part.stop)
        return {"bytes": self._measure() - before, "stored": store.count()}

    def _parts(self) -> list[range]:
        return [range(start, min(start + _BATCH, self.scale)) for start in range(0, self.scale, _BATCH)]

    def _measure(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] if self.traced else anonymous_bytes()


def _rows(workload: Workload, indexes: range) -> list[tuple[Any, ...]]:
    """Records as plain tuples, which can be marshalled."""
    return [tuple(workload.record(index)) for index in indexes]


def _put(store: Store, rows: list[tuple[Any, ...]]) -> None:
    records = [Record._make(row) for row in rows]
    store.put(records, [HeadMove(record.id, None, record.address) for record in records])
