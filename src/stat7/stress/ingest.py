"""Building the store of one scale: lines made and addressed by as many processes as there are cores, stored by one
more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any, Final

from stat7.stress.context import SILENCE, Context, Stage
from stat7.stress.housing import Room
from stat7.stress.results import Figure
from stat7.stress.tasks.ingest import Fill, Generate
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.workers import run_together

QUIET_PER_ENTITY: Final = 100e-6
"""Seconds for each entity that the building of indexes at the end may pass without a word."""

LARGE: Final = 5_000_000
"""From this scale on the time a build will take is predicted first, from the largest one before it."""

SAMPLED: Final = 10
"""Where time is short, the subject addresses one chunk in so many of a large scale, the template the others."""

LEANER: Final = 0.73
"""What storing an entity without neighbours takes, as a share of storing one with them."""

_MARGIN: Final = 1.2


@dataclass(slots=True)
class Pace:
    """Seconds for each entity of the largest build so far: in all, and of the process that stores, waiting left out."""

    entity: float = 0.0
    storing: float = 0.0


@dataclass(frozen=True, slots=True)
class Way:
    """How a scale is built: the subject addresses one chunk in `every`, and entities may be `lean`."""

    every: int = 1
    lean: bool = False


def build(context: Context, stage: Stage, pace: Pace) -> None:
    """Make the store of this stage and its digests; where there's no room, or no time, say so in the stage.

    Raises WorkerFailed.
    """
    context.budget.begin("ingest", stage.scale)
    lacking, way = context.housing.lacks(stage.scale), Way()
    if lacking is None and stage.scale >= LARGE and pace.entity:
        way, lacking = _affordable(context, stage.scale, pace)
    if lacking is not None:
        stage.lacking = lacking
        return
    stage.workload = replace(stage.workload, lean=way.lean)
    room = context.housing.move_in(stage.scale)
    begun = time.monotonic()
    *generated, filled = _ingest(context, stage, room, way.every)
    took = time.monotonic() - begun
    count = stage.scale - room.held
    pace.entity, pace.storing = took / count, (filled["took_ns"] - filled["waited_ns"]) / 1e9 / count
    stage.location, stage.digests = room.location, room.digests
    stage.malformed = sum(result["malformed"] for result in generated)
    stage.addressed = room.held + sum(result["addressed"] for result in generated)
    stage.build = {
        "build_seconds": Figure(took, "s", 1),
        "build_per_second": Figure(count / took, "1/s", count),
    }


def _affordable(context: Context, scale: int, pace: Pace) -> tuple[Way, str | None]:
    """The most thorough way that fits the time left; or why none does."""
    left = context.budget.remaining - context.budget.reserved
    sampled = pace.storing + pace.entity / SAMPLED
    ways = (
        (Way(), pace.entity, ""),
        (Way(SAMPLED), sampled, _SAMPLING),
        (Way(SAMPLED, lean=True), sampled * LEANER, f"{_SAMPLING}, and entities have no neighbours"),
    )
    for way, seconds, cut in ways:
        if _MARGIN * seconds * scale <= left:
            context.budget.cuts += [f"ingest at {scale:,}: {cut}"] if cut else []
            return way, None
    needed = _MARGIN * sampled * LEANER * scale
    return Way(), f"building it would take {needed:,.0f} s at the pace so far; {max(0, left):,.0f} s are left"


_SAMPLING: Final = (
    f"one entity in {SAMPLED} was addressed by the program under test, the others by the harness's own template"
)


def _ingest(context: Context, stage: Stage, room: Room, every: int) -> list[Mapping[str, Any]]:
    scale, cores = stage.scale, context.cores
    pipes = [get_context("spawn").Pipe(duplex=False) for _ in range(cores)]
    with room.digests.open("ab") as file:
        file.truncate(scale * DIGEST)
    generators = [
        Generate(context.subject, stage.workload, room.held, scale, worker, cores, room.digests, outlet, every)
        for worker, (_, outlet) in enumerate(pipes)
    ]
    fill = Fill(room.location, room.new, tuple(inlet for inlet, _ in pipes), scale - room.held)

    def on_progress(worker: int, items: int) -> None:
        if worker == cores:
            context.tell(items, scale - room.held)

    ends = [end for pair in pipes for end in pair]
    silence = SILENCE + scale * QUIET_PER_ENTITY
    return run_together([*generators, fill], seconds=silence, hand_over=ends, on_progress=on_progress)
