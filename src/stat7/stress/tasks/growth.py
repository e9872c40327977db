"""Hits and misses at all scales in turn, again and again, each operation timed and each hit hashed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, BinaryIO, Final

from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.sqlite.bulk import fill
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.ingest import CHUNK
from stat7.stress.tasks.loops import Tape, ceiling, draw_addresses, strange_addresses, timed_hits, timed_misses
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

LEAST_ROUNDS: Final = 12
LEAST_PER_TURN: Final = 20
_SECOND: Final = 1_000_000_000
_TURN_NS: Final = 1_000_000_000
"""The longest that one kind takes at one scale in one round."""

_REFERENCE: Final = range(20_000)


@dataclass(frozen=True, slots=True)
class FillStores:
    """Make a new store in bulk for each scale, and the file of its digests, by the workload's own template."""

    workload: Workload
    stores: tuple[tuple[int, Path, Path], ...]

    def prepare(self) -> Work:
        """Nothing takes long."""
        return self._run

    def _run(self, tell: Tell) -> Mapping[str, Any]:
        done = 0
        for scale, path, digests in self.stores:
            with digests.open("wb") as file:
                done += fill(path, self._records(scale, file, tell, done))
        return {"stored": done}

    def _records(self, scale: int, file: BinaryIO, tell: Tell, before: int) -> Iterator[list[Record]]:
        for start in range(0, scale, CHUNK):
            records = [self.workload.record(index) for index in range(start, min(start + CHUNK, scale))]
            file.write(bytes.fromhex("".join(record.address for record in records)))
            yield records
            tell(before + start + len(records))


@dataclass(frozen=True, slots=True)
class GetInTurns:
    """Read `per_turn` hits and as many misses at each scale, in up to `rounds` rounds, the scales in a new order each.

    After `seconds` no new round is begun, unless fewer than LEAST_ROUNDS are done. Returned, by round and scale, in ns:
    the median of each turn and, of hits, its 95th percentile; and `reference`, the time of a loop without a store.
    """

    subject: Subject
    scales: tuple[int, ...]
    stores: tuple[tuple[Location, Path], ...]
    seed: int
    rounds: int
    per_turn: int
    seconds: float

    def prepare(self) -> Work:
        """Open the stores, draw the addresses, read some of them once."""
        stack = ExitStack()
        random = Random(self.seed)
        repositories = [stack.enter_context(self.subject.open(location)) for location, _ in self.stores]
        count = (self.rounds + 1) * self.per_turn
        hits = [
            draw_addresses(digests, scale, count, random)
            for scale, (_, digests) in zip(self.scales, self.stores, strict=True)
        ]
        misses = strange_addresses(count, random)
        turns = _Turns(self.subject, self.per_turn)
        for repository, drawn in zip(repositories, hits, strict=True):
            turns.time(timed_hits, repository, drawn[-self.per_turn :])
            turns.time(timed_misses, repository, misses[-self.per_turn :])
        turns.forget()

        def work(tell: Tell) -> Mapping[str, Any]:
            with stack:
                return self._run(turns, repositories, hits, misses, random, tell)

        return work

    def _run(
        self,
        turns: _Turns,
        repositories: Sequence[Repository],
        hits: Sequence[Sequence[str]],
        misses: Sequence[str],
        random: Random,
        tell: Tell,
    ) -> Mapping[str, Any]:
        clock = self.subject.clock
        most = ceiling(clock, self.subject.drag_ns)
        table: dict[str, list[list[float]]] = {"hit": [], "hit_p95": [], "miss": [], "reference": []}
        order = list(range(len(self.scales)))
        begun = clock()
        for number in range(self.rounds):
            part = slice(number * self.per_turn, (number + 1) * self.per_turn)
            random.shuffle(order)
            rows = {name: [0.0] * len(order) for name in table}
            for at in order:
                rows["reference"][at] = _reference(clock)
                rows["hit"][at], rows["hit_p95"][at] = turns.time(timed_hits, repositories[at], hits[at][part])
                rows["miss"][at], _ = turns.time(timed_misses, repositories[at], misses[part])
            for name, row in rows.items():
                table[name].append(row)
            tell(number + 1)
            if number + 1 >= LEAST_ROUNDS and clock() - begun > self.seconds * _SECOND:
                break
        tape = turns.tape
        return {
            **table,
            "ceiling": most,
            "rate": turns.operations / max(turns.spent, 1) * _SECOND,
            "operations": turns.operations,
            "wrong": tape.wrong,
            "first_error": tape.first_error,
        }


class _Turns:
    """Turns of one kind at one scale, all on one tape."""

    def __init__(self, subject: Subject, size: int) -> None:
        self.subject = subject
        self.tape = Tape(size)
        self.forget()

    def forget(self) -> None:
        """What was done so far was to warm up; what went wrong then will again."""
        self.operations = self.spent = 0

    def time(self, loop: Callable[..., None], repository: Repository, addresses: Sequence[str]) -> tuple[float, float]:
        """Median and 95th percentile of one turn in ns; 0 where nothing was answered."""
        tape, clock = self.tape, self.subject.clock
        begun = clock()
        loop(tape, repository.get_document, addresses, clock, _TURN_NS, self.subject.drag_ns)
        self.spent += clock() - begun
        self.operations += tape.count
        ordered = sorted(tape.durations[: tape.count])
        if len(ordered) < LEAST_PER_TURN:
            return 0.0, 0.0
        return float(ordered[len(ordered) // 2]), float(ordered[len(ordered) * 95 // 100])


def _reference(clock: Callable[[], int]) -> float:
    """The time of some arithmetic, in ns."""
    start = clock()
    sum(number * number for number in _REFERENCE)
    return float(clock() - start)
