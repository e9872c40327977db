"""How much memory the in-memory store takes, in a process that does nothing else."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

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
        """Nothing takes long."""
        return self._run

    def _run(self, tell: Tell) -> Mapping[str, Any]:
        store: Store = MemoryStore()
        self._put(store, range(self.scale, self.scale + _BATCH))  # whatever is made once, is made now
        store.discard([self.workload.record(index).address for index in range(self.scale, self.scale + _BATCH)])
        if self.traced:
            tracemalloc.start()
        before = self._measure()
        for start in range(0, self.scale, _BATCH):
            self._put(store, range(start, min(start + _BATCH, self.scale)))
            tell(start)
        return {"bytes": self._measure() - before, "stored": store.count()}

    def _put(self, store: Store, indexes: range) -> None:
        records = [self.workload.record(index) for index in indexes]
        store.put(records, [HeadMove(record.id, None, record.address) for record in records])

    def _measure(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] if self.traced else anonymous_bytes()
