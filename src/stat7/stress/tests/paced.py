"""An open loop: requests come at a rate of their own, whatever the store does, and latency counts from when each was
due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from stat7.stress.context import Context, Outcome, Stage, saturated
from stat7.stress.offer import ENOUGH, look_back, lost_writes, offering, wrong_answers
from stat7.stress.results import TestResult, exact
from stat7.stress.tasks.arrivals import Arrivals, Poisson
from stat7.stress.tasks.mixed import ReadsAndPuts
from stat7.stress.tasks.paced import Load
from stat7.stress.tasks.writing import paced_from

CLAIM = (
    "at a given rate of requests, whatever became of those before, latencies from when each was due stay within bounds"
)

PART: Final = 0
"""The part of the writes' indexes (tasks.writing.paced_from) that is this test's; breaking.py has 1, others 2 to 4."""

LONGER: Final = 3.0


def measure(
    context: Context,
    stage: Stage,
    rate: float | None,
    workers: int,
    seconds: float,
    variant: str = "",
    *,
    load: Load | None = None,
    arrivals: Callable[[float], Arrivals] = Poisson,
    threads: int = 1,
    name: str = "paced",
    claim: str = CLAIM,
) -> TestResult:
    """Offer `rate` requests per second for `seconds` (and a warm-up of a quarter of that) by `workers` processes of
    `threads` lanes each; up to LONGER times as long if a p99 takes that.

    The load is the usual mix of reads and puts, unless given; NO_DATA without a rate, or a store where the mix needs
    one. Raises WorkerFailed, Stat7Error and OSError (see context.attempt).
    """
    outcome = Outcome(name, stage.scale, claim, variant)
    share = context.budget.begin(name, stage.scale)
    if load is None:
        if stage.location is None or stage.digests is None:
            return outcome.without(stage, context)
        load = usual(stage, PART)
    if not rate:
        outcome.lacking = "no rate to offer: the closed loop before gave none"
        return outcome.judged(context)
    planned = arrivals(rate)
    with offering(context, load, workers, threads, context.workload.seed) as offer:
        ability = offer.ability(planned)
        offered = offer.offer(planned, max(seconds * share, min(ENOUGH / rate, seconds * LONGER)))
    outcome.summaries = offered.summaries()
    lost, looked = look_back(load, offer.told)
    outcome.figures = {**offered.figures(outcome.summaries), **ability.figures()}
    outcome.figures["acknowledged_writes_lost"] = exact(lost, "writes", looked)
    outcome.parameters = parameters(load, planned, workers, threads)
    outcome.invalid = (
        wrong_answers(offered)
        or lost_writes(lost, looked)
        or saturated(rate, ability.ceiling)
        or offered.never_sent()
        or ability.too_weak()
    )
    return outcome.judged(context)


def usual(stage: Stage, part: int) -> ReadsAndPuts:
    """Seven reads to three durable puts, on the stage's store (which it must have)."""
    assert stage.location is not None
    assert stage.digests is not None
    return ReadsAndPuts(stage.location, stage.workload, stage.digests, stage.scale, paced_from(stage.scale, part))


def parameters(load: Load, arrivals: Arrivals, workers: int, threads: int) -> dict[str, object]:
    """What was offered, for the results."""
    return {
        "workers": workers,
        "lanes": workers * threads,
        "arrivals": type(arrivals).__name__.lower(),
        "rate_asked": arrivals.rate,
        "weights": dict(load.weights),
    }


def closed_loop_rate(tests: Sequence[TestResult], scale: int, workers: int) -> float | None:
    """Operations per second that the concurrent test found at a scale with so many workers, None if it didn't."""
    variant = f"{workers} workers"
    for test in tests:
        if (test.name, test.scale, test.variant) == ("concurrent", scale, variant):
            return test.figures["operations_per_second"].value if "operations_per_second" in test.figures else None
    return None
