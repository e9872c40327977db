"""Building the store of one scale: lines made and addressed by as many processes as there are cores, stored by one
more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final

from stat7.stress.context import SILENCE, Context, Stage
from stat7.stress.results import Figure
from stat7.stress.subject import Location
from stat7.stress.tasks.ingest import Fill, Generate
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.workers import Task, run_together

QUIET_PER_ENTITY: Final = 40e-6
"""Seconds for each entity that the building of indexes at the end may pass without a word."""

LARGE: Final = 5_000_000
"""From this scale on the time a build will take is predicted first, from the largest one before it."""

SAMPLED: Final = 10
"""Where time is short, the subject addresses one chunk in so many of a large scale, and the template makes the others.
"""

_MARGIN: Final = 1.15


@dataclass(slots=True)
class Pace:
    """Seconds for each entity of the largest build so far: all in all, and of the process that stores, waiting left
    out.
    """

    entity: float = 0.0
    storing: float = 0.0


def build(context: Context, stage: Stage, pace: Pace) -> None:
    """Make the store of this stage and its digests; where there's no room, or no time, say so in the stage.

    Raises WorkerFailed.
    """
    context.budget.begin("ingest", stage.scale)
    lacking = context.housing.lacks(stage.scale)
    every = 1
    if lacking is None and stage.scale >= LARGE and pace.entity:
        every, lacking = _affordable(context, stage.scale, pace)
    if lacking is not None:
        stage.lacking = lacking
        return
    location, held = context.housing.move_in(stage.scale)
    begun = time.monotonic()
    results = _ingest(context, stage.scale, location, held, every)
    took = time.monotonic() - begun
    *generated, filled = results
    stage.malformed += sum(result["malformed"] for result in generated)
    storing = (filled["took_ns"] - filled["waited_ns"]) / 1e9
    count = max(1, stage.scale - held)
    pace.entity, pace.storing = took / count, storing / count
    stage.location = location
    stage.build = {
        "build_seconds": Figure(took, "s", 1),
        "build_per_second": Figure(count / took, "1/s", count),
    }
    stage.addressed = held + sum(result["addressed"] for result in generated)


def _affordable(context: Context, scale: int, pace: Pace) -> tuple[int, str | None]:
    """Which share of the entities the subject can address in the time that is left: one in `every`; or why none."""
    left = context.budget.remaining - context.budget.reserved
    whole, sampled = (_MARGIN * seconds * scale for seconds in (pace.entity, pace.storing + pace.entity / SAMPLED))
    if whole <= left:
        return 1, None
    if sampled <= left:
        context.budget.cuts.append(
            f"ingest at {scale:,}: one entity in {SAMPLED} was addressed by the program under test, the others by the "
            f"harness's own canonical template"
        )
        return SAMPLED, None
    return (
        1,
        f"building {scale:,} entities would take {sampled:,.0f} s at the pace so far; {max(0, left):,.0f} s are left",
    )


def _ingest(context: Context, scale: int, location: Location, held: int, every: int) -> list[Any]:
    pipes = [get_context("spawn").Pipe(duplex=False) for _ in range(context.cores)]
    with context.digests.open("ab") as file:
        file.truncate(scale * DIGEST)
    tasks: list[Task] = [
        Generate(context.subject, context.workload, held, scale, worker, context.cores, context.digests, outlet, every)
        for worker, (_, outlet) in enumerate(pipes)
    ]
    tasks.append(Fill(location, tuple(inlet for inlet, _ in pipes), scale - held))
    done = [0] * len(tasks)

    def on_progress(worker: int, items: int) -> None:
        done[worker] = items
        context.tell(min(done[-1], scale - held), scale - held)

    ends: list[Connection] = [end for pair in pipes for end in pair]
    silence = SILENCE + scale * QUIET_PER_ENTITY
    return list(run_together(tasks, seconds=silence, hand_over=ends, on_progress=on_progress))
