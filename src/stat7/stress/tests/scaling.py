"""Linear scaling: the exponent of the time that N entities take against N."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from stat7.stress.context import SILENCE, Context, Outcome, Stage
from stat7.stress.results import Figure, TestResult
from stat7.stress.statistics import Fit, fit_exponent, fit_rounds
from stat7.stress.tasks.scaling import InTurns
from stat7.stress.workers import run_together

CLAIM: Final = "the time to address N entities, and to look each of them up among N stored, grows no faster than N"
CLAIM_WITHOUT_STORES: Final = "the time to address N entities grows no faster than N"
ROUNDS: Final = 60
PER_ROUND: Final = 300


def measure(context: Context) -> TestResult:
    """The exponent of addressing and looking up together, which has the target, and of each of them apart.

    Scales with stores of their own are measured in turns, so that moods of the machine cancel out. A store that grew
    from scale to scale can't be: only addressing is judged then, and the lookups measured on the way are fitted beside.
    """
    share = context.budget.begin("scaling", context.mode.scales[-1])
    stages = [stage for stage in context.stages if stage.location is not None]
    stores = tuple((stage.location, stage.digests) for stage in stages if stage.location and stage.digests)
    in_turns = context.housing.apart and len(stores) > 1
    scales = tuple(stage.scale for stage in stages) if in_turns else context.mode.scales
    outcome = Outcome("scaling", scales[-1], CLAIM if in_turns else CLAIM_WITHOUT_STORES, timed=True)
    rounds = max(2, int(ROUNDS * share))
    task = InTurns(context.subject, context.workload, scales, stores if in_turns else (), rounds, PER_ROUND)
    (times,) = run_together([task], seconds=SILENCE)
    fits = _in_turns(scales, times) if in_turns else _apart(scales, times, stages)
    outcome.figures = {name: Figure(fit.exponent, "1", fit.points, fit.interval) for name, fit in fits.items() if fit}
    outcome.parameters = {
        "scales": list(scales),
        "method": f"{rounds} rounds of {PER_ROUND} operations of each kind at each scale in turn",
        "interval": "two standard errors to each side",
    }
    if "exponent" not in outcome.figures:
        outcome.lacking = f"{len(scales)} scale(s) were measured; an exponent takes two or more"
    return outcome.judged(context)


def _in_turns(scales: Sequence[int], times: Mapping[str, Any]) -> dict[str, Fit | None]:
    together = [
        [address + lookup for address, lookup in zip(addresses, lookups, strict=True)]
        for addresses, lookups in zip(times["address"], times["lookup"], strict=True)
    ]
    return {
        "exponent": _fit(scales, together),
        "address_exponent": _fit(scales, times["address"]),
        "lookup_exponent": _fit(scales, times["lookup"]),
    }


def _apart(scales: Sequence[int], times: Mapping[str, Any], stages: Sequence[Stage]) -> dict[str, Fit | None]:
    fit = _fit(scales, times["address"])
    points = [(stage.scale, stage.scale * stage.lookup_ns) for stage in stages if stage.lookup_ns]
    return {"exponent": fit, "address_exponent": fit, "lookup_exponent": fit_exponent(points)}


def _fit(scales: Sequence[int], rounds: Sequence[Sequence[float]]) -> Fit | None:
    """From the time for one operation to that for all N at each scale, and the exponent of it."""
    return fit_rounds(scales, [[scale * each for scale, each in zip(scales, times, strict=True)] for times in rounds])
