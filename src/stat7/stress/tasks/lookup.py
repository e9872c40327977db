"""One reader: hits and misses, one at a time and in batches, each hit hashed by the harness itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from stat7.repository import Repository
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.loops import (
    Tape,
    batches,
    ceiling,
    draw_addresses,
    strange_addresses,
    timed_batches,
    timed_hits,
    timed_misses,
)
from stat7.stress.workers import Tell, Work

BATCH: Final = 1000
_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Lookups:
    """Look up `count` addresses, and `batch_count` batches of BATCH, of each kind, for at most `seconds` a kind."""

    subject: Subject
    location: Location
    digests: Path
    scale: int
    seed: int
    count: int
    batch_count: int
    seconds: float

    def prepare(self) -> Work:
        """Open the store and draw the addresses."""
        repository = self.subject.open(self.location)
        random = Random(self.seed)
        hits = draw_addresses(self.digests, self.scale, self.count, random)
        misses = strange_addresses(self.count, random)
        many_hits = draw_addresses(self.digests, self.scale, self.batch_count * BATCH, random)
        many_misses = strange_addresses(self.batch_count * BATCH, random)

        def work(tell: Tell) -> Mapping[str, Any]:
            with repository:
                return self._run(repository, hits, misses, many_hits, many_misses, tell)

        return work

    def _run(
        self,
        repository: Repository,
        hits: Sequence[str],
        misses: Sequence[str],
        many_hits: Sequence[str],
        many_misses: Sequence[str],
        tell: Tell,
    ) -> Mapping[str, Any]:
        clock, drag_ns = self.subject.clock, self.subject.drag_ns
        limit = int(self.seconds * _SECOND)
        tapes = {
            name: Tape(count)
            for name, count in (
                ("hit", self.count),
                ("miss", self.count),
                ("batched_hits", self.batch_count),
                ("batched_misses", self.batch_count),
            )
        }
        most = ceiling(clock, drag_ns)
        tell(1)
        timed_hits(tapes["hit"], repository.get_document, hits, clock, limit, drag_ns)
        tell(2)
        timed_misses(tapes["miss"], repository.get_document, misses, clock, limit, drag_ns)
        tell(3)
        timed_batches(tapes["batched_hits"], repository.get_documents, batches(many_hits, BATCH), True, clock, limit)
        timed_batches(
            tapes["batched_misses"], repository.get_documents, batches(many_misses, BATCH), False, clock, limit
        )
        return {"ceiling": most, **{name: tape.result() for name, tape in tapes.items()}}
