"""How much memory the in-memory store takes, in a process that does nothing else."""

from __future__ import annotations

import gc
import marshal
import tracemalloc
from collections.abc import Mapping
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
        made = [self._packed(start) for start in range(0, self.scale, _BATCH)] if self.traced else []

        def work(tell: Tell) -> Mapping[str, Any]:
            return self._run(made, tell)

        return work

    def _run(self, made: list[bytes], tell: Tell) -> Mapping[str, Any]:
        _put(MemoryStore(), marshal.loads(self._packed(0)))  # noqa: S302 - whatever is made only once is made now
        store: Store = MemoryStore()
        if self.traced:
            tracemalloc.start()
        before = self._measure()
        for number, start in enumerate(range(0, self.scale, _BATCH)):
            _put(store, marshal.loads(made[number] if made else self._packed(start)))  # noqa: S302 - made here
            tell(start)
        return {"bytes": self._measure() - before, "stored": store.count()}

    def _packed(self, start: int) -> bytes:
        indexes = range(start, min(start + _BATCH, self.scale))
        return marshal.dumps([tuple(self.workload.record(index)) for index in indexes])

    def _measure(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] if self.traced else anonymous_bytes()


def _put(store: Store, rows: list[tuple[Any, ...]]) -> None:
    """Put records that arrived as plain tuples."""
    records = [Record._make(row) for row in rows]
    store.put(records, [HeadMove(record.id, None, record.address) for record in records])
