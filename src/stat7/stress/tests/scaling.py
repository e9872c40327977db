"""Linear scaling: the exponent of time against the number of entities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from stat7.stress.context import SILENCE, Context, Outcome, Stage
from stat7.stress.results import Figure, TestResult
from stat7.stress.statistics import Fit, fit_exponent, fit_rounds
from stat7.stress.tasks.scaling import InTurns
from stat7.stress.workers import WorkerFailed, run_together

CLAIMS: Final = {
    "address": "the time to address N entities grows no faster than N",
    "lookup": "the time to look up N entities out of N stored grows no faster than N",
}
ROUNDS: Final = 60
PER_ROUND: Final = 300


class _Found(NamedTuple):
    """A fit, or None, the scales behind it, and how they were measured."""

    fit: Fit | None
    scales: Sequence[int]
    method: str


def measure(context: Context) -> list[TestResult]:
    """One result per operation.

    Scales with stores of their own are measured in turns, so that the moods of the machine cancel out; of a store that
    grew from scale to scale the lookups measured at each of them are fitted.
    """
    outcomes = [Outcome("scaling", context.mode.scales[-1], claim, name) for name, claim in CLAIMS.items()]
    share = context.budget.begin("scaling", context.mode.scales[-1])
    try:
        found = _measure(context, share)
    except WorkerFailed as error:
        for outcome in outcomes:
            outcome.invalid = f"the measurement broke off: {error}"
    else:
        for outcome in outcomes:
            _fill_in(outcome, found[outcome.variant])
    return [outcome.judged(context) for outcome in outcomes]


def _measure(context: Context, share: float) -> dict[str, _Found]:
    stages = [stage for stage in context.stages if stage.digests is not None]
    stores = tuple((stage.location, stage.digests) for stage in stages if stage.location and stage.digests)
    in_turns = context.housing.apart and len(stores) > 1
    scales = tuple(stage.scale for stage in stages) if in_turns else context.mode.scales
    rounds = max(2, int(ROUNDS * share))
    task = InTurns(context.subject, context.workload, scales, stores if in_turns else (), rounds, PER_ROUND)
    (times,) = run_together([task], seconds=SILENCE)
    method = f"{rounds} rounds of {PER_ROUND} operations at each scale in turn"
    address = _Found(fit_rounds(scales, _totals(scales, times["address"])), scales, method)
    if in_turns:
        return {
            "address": address,
            "lookup": _Found(fit_rounds(scales, _totals(scales, times["lookup"])), scales, method),
        }
    return {"address": address, "lookup": _one_after_the_other(stages)}


def _one_after_the_other(stages: Sequence[Stage]) -> _Found:
    points = [(stage.scale, stage.scale * stage.lookup_ns) for stage in stages if stage.lookup_ns]
    return _Found(
        fit_exponent(points), [scale for scale, _ in points], f"{len(points)} scales measured one after the other"
    )


def _totals(scales: Sequence[int], rounds: Sequence[Sequence[float]]) -> list[list[float]]:
    """The time for all N at each scale, by round."""
    return [[scale * each for scale, each in zip(scales, times, strict=True)] for times in rounds]


def _fill_in(outcome: Outcome, found: _Found) -> None:
    outcome.scale = max(found.scales, default=outcome.scale)
    outcome.parameters = {
        "scales": list(found.scales),
        "method": found.method,
        "interval": "two standard errors to each side",
    }
    if found.fit is None:
        outcome.lacking = f"{found.method}: too few to tell growth from a change of the machine's speed"
    else:
        outcome.figures = {"exponent": Figure(found.fit.exponent, "1", found.fit.points, found.fit.interval)}
