"""A load that goes on while something is done to its servers, and what can be read from it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stat7.stress.context import SILENCE, Context
from stat7.stress.histogram import Nanoseconds
from stat7.stress.measure import Summary, bootstrap, part_of, summarise
from stat7.stress.results import Figure, Point
from stat7.stress.tasks.availability import ANSWERED, READ, REFUSED, STALE, WRITE, WRONG, KeepGoing
from stat7.stress.tasks.writing import ReadBack
from stat7.stress.workers import run_together

SECOND: Final = 1_000_000_000
SLICE: Final = 0.5
"""Seconds of the slices that a rate over time is made of."""

_SETTLED: Final = 3
"""Slices in a row that must be at half of the rate before, or above, to call it recovered."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens so many seconds after the last scene was over."""

    after: float
    name: str
    act: Callable[[], object]


@dataclass(slots=True)
class Happened:
    """When scenes began and ended, in ns of the clock; `begun` is that of the load."""

    begun: int = 0
    times: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """All operations of all workers, and by worker what was acknowledged."""

    starts: Nanoseconds
    ends: Nanoseconds
    touched: Nanoseconds
    kinds: NDArray[np.uint8]
    outcomes: NDArray[np.uint8]
    workers: NDArray[np.int64]
    acknowledged: Sequence[tuple[int, bytes]]
    hung: int
    errors: Sequence[str]

    @property
    def answered(self) -> Mask:
        """Which operations were answered, rightly or wrongly."""
        return np.asarray(self.outcomes != REFUSED)

    def between(self, begin: int, end: int) -> Mask:
        """Which operations ended in that time."""
        return np.asarray((self.ends >= begin) & (self.ends < end))

    def refused(self, kinds: Sequence[int], begin: int, end: int) -> int:
        """Operations of these kinds that were under way in that time and were refused."""
        meant = np.isin(self.kinds, kinds) & (self.outcomes == REFUSED) & (self.ends >= begin) & (self.starts < end)
        return int(meant.sum())

    def concerns(self, shard: int) -> Mask:
        """Which operations concern that shard."""
        return np.asarray(self.touched & (1 << shard) != 0)

    def wrong(self) -> str | None:
        """Why the answers can't be right, None if they can."""
        counts = {name: int((self.outcomes == code).sum()) for name, code in (("wrong", WRONG), ("stale", STALE))}
        if not any(counts.values()):
            return None
        first = self.errors[0] if self.errors else "no more is known"
        return f"answers checked: {counts['wrong']} wrong, {counts['stale']} stale, one of them: {first}"


def play(context: Context, tasks: Sequence[KeepGoing], scenes: Sequence[Scene]) -> tuple[Load, Happened]:
    """Let the scenes happen under the load of the tasks, which share one `stop` file. Raises WorkerFailed."""
    director = _Director(context, scenes, tasks[0].stop)
    limit = tasks[0].seconds
    found = run_together(tasks, seconds=SILENCE + limit, prepare_seconds=2 * SILENCE, on_progress=director.tick)
    tasks[0].stop.unlink(missing_ok=True)
    return _collected(tasks, found), director.happened


class _Director:
    """Does what is due when a worker tells that it is at work; after the last scene it ends the load."""

    def __init__(self, context: Context, scenes: Sequence[Scene], stop: Path) -> None:
        self.happened = Happened()
        self._context = context
        self._scenes = list(scenes)
        self._stop = stop
        self._count = len(scenes)
        self._last = 0

    def tick(self, worker: int, done: int) -> None:
        """See run_together's on_progress."""
        clock = self._context.subject.clock
        if not self.happened.begun:
            self.happened.begun = self._last = clock()
        if not self._scenes:
            return
        scene = self._scenes[0]
        if clock() - self._last < scene.after * SECOND:
            return
        del self._scenes[0]
        begun = clock()
        scene.act()
        self._last = clock()
        self.happened.times[scene.name] = begun, self._last
        self._context.tell(self._count - len(self._scenes), self._count)
        if not self._scenes:
            self._stop.touch()


def _collected(tasks: Sequence[KeepGoing], found: Sequence[Mapping[str, Any]]) -> Load:
    def joined(name: str, kind: Any) -> Any:
        return np.concatenate([np.frombuffer(result[name], dtype=kind) for result in found])

    workers = [np.full(len(result["kinds"]), number, dtype=np.int64) for number, result in enumerate(found)]
    return Load(
        joined("starts", np.int64),
        joined("ends", np.int64),
        joined("touched", np.int64),
        joined("kinds", np.uint8),
        joined("outcomes", np.uint8),
        np.concatenate(workers),
        [(task.first_write, result["acknowledged"]) for task, result in zip(tasks, found, strict=True)],
        sum(result["hung"] for result in found),
        [error for result in found for error in result["errors"]],
    )


def lost(load: Load, task: KeepGoing) -> tuple[int, int]:
    """How many acknowledged writes aren't there, and how many were looked for, by a process of its own."""
    (back,) = run_together(
        [ReadBack(task.location, task.workload, tuple(load.acknowledged))], seconds=2 * SILENCE, prepare_seconds=SILENCE
    )
    return int(back["lost"]), int(back["looked"])


def longest_gap(load: Load, begin: int, end: int, mask: Mask | None = None) -> float:
    """The most seconds within that time in which nothing (of `mask`) was answered."""
    meant = load.answered & load.between(begin, end)
    ends = np.sort(load.ends[meant if mask is None else meant & mask])
    return float(np.diff(np.concatenate([[begin], ends, [end]])).max()) / SECOND


def slowest(load: Load, mask: Mask) -> float:
    """The most seconds that an operation took; 0 if there is none."""
    return float((load.ends - load.starts)[mask].max()) / SECOND if mask.any() else 0.0


def slices(load: Load, begin: int, end: int, mask: Mask | None = None) -> list[float]:
    """Answers a second in each whole slice of that time."""
    count = int((end - begin) / SECOND / SLICE)
    meant = load.answered & load.between(begin, end)
    at = (load.ends[meant if mask is None else meant & mask] - begin) / (SLICE * SECOND)
    return [float(found) / SLICE for found in np.bincount(at.astype(np.int64), minlength=count)[:count]]


def rate(load: Load, begin: int, end: int) -> Figure:
    """Answers a second, the mean over the slices."""
    found = slices(load, begin, end)
    return Figure(fmean(found), "1/s", len(found), bootstrap(found)) if found else Figure(None, "1/s", 0)


def recovered_after(load: Load, since: int, until: int, wanted: float) -> float | None:
    """Seconds from `since` until answers come at the wanted rate, or above, for a few slices; None if they never do."""
    found = slices(load, since, until)
    for at in range(len(found) - _SETTLED + 1):
        if min(found[at : at + _SETTLED]) >= wanted:
            return at * SLICE
    return None


def line(load: Load, happened: Happened, zero: int, mask: Mask | None = None) -> list[Point]:
    """Answers a second over the time, `zero` being where it counts from."""
    found = slices(load, happened.begun, int(load.ends.max()), mask)
    first = (happened.begun - zero) / SECOND
    return [Point(round(first + (at + 0.5) * SLICE, 3), value) for at, value in enumerate(found)]


def summaries(load: Load, begin: int, end: int) -> dict[str, Summary]:
    """All operations, reads and writes of that time, as of a steady load."""
    meant = (load.outcomes == ANSWERED) & load.between(begin, end)

    def of(kind: int | None) -> list[tuple[Nanoseconds, Nanoseconds]]:
        parts = []
        for worker in np.unique(load.workers):
            chosen = meant & (load.workers == worker) & (True if kind is None else load.kinds == kind)
            order = np.argsort(load.ends[chosen], kind="stable")
            ends, starts = load.ends[chosen][order], load.starts[chosen][order]
            parts.append((ends - begin, ends - starts))
        return parts

    whole = summarise(of(None))
    return {"all": whole, "read": part_of(whole, of(READ)), "write": part_of(whole, of(WRITE))}
