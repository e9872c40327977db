"""Building the store of one scale: lines made and addressed by as many processes as there are cores, stored by one
more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any, Final

from stat7.stress.context import SILENCE, Context, Stage
from stat7.stress.housing import Room
from stat7.stress.results import Figure
from stat7.stress.tasks.ingest import Fill, Generate
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.workers import OutOfTime, Task, run_together

QUIET_PER_ENTITY: Final = 100e-6
"""Seconds for each entity that the building of indexes at the end may pass without a word."""

LARGE: Final = 5_000_000
"""From this scale on the time a build will take is predicted first, from the largest one before it."""

LEAST_SECONDS: Final = 20.0
"""A smaller scale may take so long, whatever is left."""

SAMPLED: Final = 10
"""Where time is short, the subject addresses one chunk in so many of a large scale, the template the others."""

LEANER: Final = 0.73
"""What storing an entity without neighbours takes, as a share of storing one with them."""

_MARGIN: Final = 1.25
"""Larger stores take longer for each entity, too."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a scale is built: the subject addresses one chunk in `every`; entities may be `lean`, or not be `stored`."""

    every: int = 1
    lean: bool = False
    stored: bool = True


@dataclass(slots=True)
class Pace:
    """Seconds for each entity of the largest build so far: of the clock, and of processors for each part of it."""

    clock: float = 0.0
    storing: float = 0.0
    making: float = 0.0
    addressing: float = 0.0

    def predicted(self, way: Way, cores: int) -> float:
        """Seconds of the clock for each entity, built this way while the machine is as busy as it was."""
        usual = self._least(Way(), cores)
        return self._least(way, cores) * self.clock / usual if usual else 0.0

    def _least(self, way: Way, cores: int) -> float:
        """By what the one process that stores takes, or by all the work shared out among the cores."""
        storing = self.storing * way.stored * (LEANER if way.lean else 1)
        return max(storing, (storing + self.making + self.addressing / way.every) / cores)


def build(context: Context, stage: Stage, pace: Pace) -> None:
    """Make the store of this stage and its digests; where there's no room, or no time, say so in the stage.

    Raises WorkerFailed.
    """
    context.budget.begin("ingest", stage.scale)
    lacking = context.housing.lacks(stage.scale)
    if lacking is not None:
        stage.lacking = lacking
        return
    way: Way | None = Way()
    if pace.clock and (stage.scale >= LARGE or _is_hopeless(context, stage, pace)):
        way = _affordable(context, stage, pace)
    if way is None:
        return
    stage.workload = replace(stage.workload, lean=way.lean)
    room = context.housing.move_in(stage.scale, way.stored)
    begun = time.monotonic()
    try:
        results = _ingest(context, stage, room, way)
    except OutOfTime:
        _owe(context, begun)
        stage.lacking = f"building it was broken off after {time.monotonic() - begun:,.0f} s: no time was left"
        return
    stage.digests = room.digests
    generated = results[: context.cores]
    stage.malformed = sum(result["malformed"] for result in generated)
    stage.addressed = room.held + sum(result["addressed"] for result in generated)
    if way.stored:
        _note(stage, room, time.monotonic() - begun, results, pace)
        _owe(context, begun)


def _owe(context: Context, begun: float) -> None:
    """What was put into somebody's store is taken out again, which takes about as long."""
    if not context.housing.apart:
        context.budget.owed += time.monotonic() - begun


def _is_hopeless(context: Context, stage: Stage, pace: Pace) -> bool:
    """Whether a store is so slow that all the time left wouldn't do even for a scale that is no large one."""
    return pace.predicted(Way(), context.cores) * stage.scale > context.budget.remaining


def _note(stage: Stage, room: Room, took: float, results: Sequence[Mapping[str, Any]], pace: Pace) -> None:
    """Keep where the store is, and how long it took."""
    *generated, filled = results
    count = stage.scale - room.held
    addressing = sum(result["addressing_cpu_ns"] for result in generated) / 1e9
    making = sum(result["cpu_ns"] for result in generated) / 1e9 - addressing
    pace.clock, pace.storing = took / count, filled["cpu_ns"] / 1e9 / count
    pace.making, pace.addressing = making / count, addressing / count
    stage.location = room.location
    stage.build = {
        "build_seconds": Figure(took, "s", 1),
        "build_per_second": Figure(count / took, "1/s", count),
    }


_SAMPLING: Final = (
    f"one entity in {SAMPLED} was addressed by the program under test, the others by the harness's own template"
)
_WAYS: Final = (
    (Way(), _MARGIN, ""),
    (Way(SAMPLED), _MARGIN, _SAMPLING),
    # What nothing but leaving it undone comes after is tried with less to spare.
    (Way(SAMPLED, lean=True), 1.0, f"{_SAMPLING}, and entities have no neighbours"),
    (Way(SAMPLED, stored=False), 1.0, f"{_SAMPLING}, and nothing was stored"),
)


def _affordable(context: Context, stage: Stage, pace: Pace) -> Way | None:
    """The most thorough way that fits the time left; None if none does. The stage is told what it will be lacking."""
    left = max(0.0, context.budget.remaining - context.budget.reserved)
    for way, margin, cut in _WAYS:
        if way.lean and not context.housing.apart:
            continue  # all entities of a store that grows are of one kind
        needed = margin * pace.predicted(way, context.cores) * stage.scale
        if not context.housing.apart:
            needed *= 1 + way.stored
        if needed <= left:
            context.budget.cuts += [f"ingest at {stage.scale:,}: {cut}"] if cut else []
            return way
        if way.stored:
            stage.lacking = f"building it would take {needed:,.0f} s at the pace so far; {left:,.0f} s are left"
    return None


def _ingest(context: Context, stage: Stage, room: Room, way: Way) -> list[Mapping[str, Any]]:
    """Run the generators and, unless nothing is to be stored, the one that stores; their results in that order."""
    scale, cores, count = stage.scale, context.cores, stage.scale - room.held
    pipes = [get_context("spawn").Pipe(duplex=False) for _ in range(cores)] if way.stored else []
    with room.digests.open("ab") as file:
        file.truncate(scale * DIGEST)
    tasks: list[Task] = [
        Generate(
            context.subject,
            stage.workload,
            room.held,
            scale,
            worker,
            cores,
            room.digests,
            pipes[worker][1] if way.stored else None,
            way.every,
        )
        for worker in range(cores)
    ]
    if way.stored:
        tasks.append(Fill(room.location, room.new, tuple(inlet for inlet, _ in pipes), count))
    done = [0] * len(tasks)

    def on_progress(worker: int, items: int) -> None:
        done[worker] = items
        context.tell(min(count, done[-1] if way.stored else sum(done)), count)

    ends = [end for pair in pipes for end in pair]
    silence = SILENCE + scale * QUIET_PER_ENTITY
    limit = max(1.0 if scale >= LARGE else LEAST_SECONDS, context.budget.remaining)
    return run_together(tasks, seconds=silence, limit=limit, hand_over=ends, on_progress=on_progress)
