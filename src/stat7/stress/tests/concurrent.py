"""Concurrent reads and durable writes, 70 to 30, by several processes; every read hashed, every acknowledged write
read back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from stat7.stress.context import SILENCE, Context, Outcome, Stage, saturated, timings
from stat7.stress.measure import Summary, part_of, summarise
from stat7.stress.results import Figure, TestResult, exact
from stat7.stress.tasks.concurrent import READ, WRITE, ReadsAndWrites
from stat7.stress.tasks.writing import FIRST_WRITE, ROOM_FOR_WRITES, ReadBack
from stat7.stress.workers import run_together

CLAIM = "several processes read and durably write one store at once; no read is wrong and no acknowledged write is lost"

_MOST_PER_SECOND: Final = 100_000
_MADE_PER_SECOND: Final = 6000
_REPEATED: Final = 100


def measure(context: Context, stage: Stage, workers: int, most: int | None = None, again: int = 0) -> TestResult:
    """Operations per second and latencies of `workers` processes, after at most `most` operations each.

    `again` (at most 4) counts repetitions on the same store: each writes entities of its own.
    """
    outcome = Outcome("concurrent", stage.scale, CLAIM, f"{workers} workers")
    share = context.budget.begin(f"concurrent {workers}", stage.scale)
    if stage.location is None or stage.digests is None:
        return outcome.without(stage, context)
    seconds = context.mode.mixed_seconds * share
    room = most or int(seconds * _MOST_PER_SECOND / workers)
    made = min(int(seconds * _MADE_PER_SECOND / workers), room)
    tasks = [
        ReadsAndWrites(
            context.subject,
            stage.location,
            stage.workload,
            stage.digests,
            stage.scale,
            worker,
            _first_write(stage.scale, again * _REPEATED + workers, worker),
            seconds,
            room,
            made,
        )
        for worker in range(workers)
    ]
    tried = [room] * workers  # at most, which is all that is known if a worker fails
    try:
        found = run_together(tasks, seconds=seconds + SILENCE, prepare_seconds=SILENCE + 3 * workers)
        tried = [result["puts"] for result in found]
    finally:
        for task, puts in zip(tasks, tried, strict=True):
            context.housing.wrote(range(task.first_write, task.first_write + puts))
    outcome.summaries = _summaries(found)
    outcome.figures = _figures(outcome.summaries, found)
    outcome.parameters = {"workers": workers, "reads_in_ten": 7, "durable_writes_in_ten": 3}
    lost = _lost(context, stage, tasks, found, outcome.figures)
    outcome.invalid = _wrong(found) or lost or _limited(outcome.summaries["all"], found)
    return outcome.judged(context)


def _first_write(scale: int, workers: int, worker: int) -> int:
    """Where the writes of a worker begin: apart from those of all other workers, variants, scales and repetitions."""
    return FIRST_WRITE * scale + (workers * 100 + worker) * ROOM_FOR_WRITES


def _summaries(found: Sequence[Mapping[str, Any]]) -> dict[str, Summary]:
    whole = summarise([timings(result) for result in found])
    reads = part_of(whole, [timings(result, READ) for result in found])
    writes = part_of(whole, [timings(result, WRITE) for result in found])
    return {"all": whole, "read": reads, "write": writes}


def _figures(summaries: Mapping[str, Summary], found: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    rate = "operations_per_second"
    errors = sum(result["errors"] for result in found)
    return {
        rate: summaries["all"].figures(rate=rate)[rate],
        **summaries["read"].figures("read_"),
        **summaries["write"].figures("write_"),
        "errors": exact(errors, "operations", sum(len(result["kinds"]) for result in found) + errors),
        "generator_ceiling": Figure(sum(result["ceiling"] for result in found), "1/s", len(found)),
    }


def _wrong(found: Sequence[Mapping[str, Any]]) -> str | None:
    wrong = sum(result["wrong"] for result in found)
    if not wrong:
        return None
    first = next(result["first_error"] for result in found if result["first_error"])
    return f"re-hashed reads: {wrong} wrong answers under load, the first: {first}"


def _lost(
    context: Context,
    stage: Stage,
    tasks: Sequence[ReadsAndWrites],
    found: Sequence[Mapping[str, Any]],
    figures: dict[str, Figure],
) -> str | None:
    """Read back every acknowledged write in a process that had no part in the run."""
    assert stage.location is not None
    writes = tuple((task.first_write, result["acknowledged"]) for task, result in zip(tasks, found, strict=True))
    (back,) = run_together([ReadBack(stage.location, stage.workload, writes)], seconds=SILENCE)
    figures["acknowledged_writes_lost"] = exact(back["lost"], "writes", back["looked"])
    if not back["lost"]:
        return None
    return f"acknowledged writes read back: {back['lost']} of {back['looked']} are not there as they were put"


def _limited(summary: Summary, found: Sequence[Mapping[str, Any]]) -> str | None:
    return saturated(summary.rate, sum(result["ceiling"] for result in found))
