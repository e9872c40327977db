"""What experiments share: targets that belong to a claim of their own, how many entities they take, and the building
of stores that aren't there yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from stat7.stress import ingest
from stat7.stress.context import SILENCE, Context, Outcome, Stage
from stat7.stress.results import Target, TestResult
from stat7.stress.tasks.growth import FillStores
from stat7.stress.workers import run_together

Z95: Final = 1.96
"""Standard errors to each side that hold 95 % of a normal distribution."""


def judged(outcome: Outcome, context: Context, targets: Sequence[Target]) -> TestResult:
    """The result by the profile's targets for this test where it has any, else by these, which belong to the claim."""
    profile = context.profile
    if profile.of(outcome.name):
        return outcome.judged(context)
    own = replace(profile, targets={**profile.targets, outcome.name: tuple(targets)})
    return outcome.judged(replace(context, profile=own))


def largest(context: Context, most: int) -> int:
    """The largest scale of this run, `most` at most."""
    return min(max(context.mode.scales), most)


def built(context: Context, scale: int) -> Stage:
    """The run's stage of this many entities, or a new one, which is built now.

    Where there is no store the stage says why (`lacking`, `broken`); it isn't tried twice. Raises WorkerFailed.
    """
    there = _there(context, scale)
    if there is not None:
        return there
    stage = Stage(scale, context.workload)
    ingest.build(context, stage, ingest.Pace())
    context.stages.append(stage)
    return stage


def fill_small(context: Context, scales: Sequence[int]) -> None:
    """Build the stages of these scales that aren't there yet, by one process, with addresses of the harness's own.

    Only where each scale has a store of its own; what there is no room for is left out. Raises WorkerFailed.
    """
    if not context.housing.apart:
        return
    missing = [scale for scale in scales if _there(context, scale) is None and context.housing.lacks(scale) is None]
    if not missing:
        return
    rooms = [(scale, context.housing.move_in(scale)) for scale in missing]
    task = FillStores(context.workload, tuple((scale, room.new, room.digests) for scale, room in rooms if room.new))
    total = sum(missing)
    run_together([task], seconds=SILENCE, on_progress=lambda worker, done: context.tell(done, total))
    context.stages += [Stage(scale, context.workload, room.location, room.digests) for scale, room in rooms if room.new]


def _there(context: Context, scale: int) -> Stage | None:
    """The stage of this scale, whatever became of it."""
    return next((stage for stage in context.stages if stage.scale == scale), None)


def held(context: Context) -> int:
    """Entities that a store which grows from scale to scale holds by now; 0 where each scale has its own."""
    return 0 if context.housing.apart else context.housing.move_in(1, stored=False).held


def reason(stage: Stage) -> str:
    """Why a stage has no store."""
    return stage.broken or stage.lacking
