"""EXP-02, retrieval efficiency: how the latency of a lookup by address grows with what is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from stat7.stress.context import SILENCE, Context, Outcome, Stage, saturated
from stat7.stress.experiments import Experiment, Findings, Lacking
from stat7.stress.experiments.claims import built, fill_small, held, judged, largest, reason
from stat7.stress.experiments.growth import (
    MODELS,
    TOLERANCE,
    Array,
    Growth,
    describe,
    exponents,
    typical,
    without_moods,
)
from stat7.stress.results import Curve, Figure, Point, Target, TestResult
from stat7.stress.tasks.growth import GetInTurns
from stat7.stress.workers import run_together

MOST: Final = 1_000_000
SMALLEST: Final = 1000
LEAST_SCALES: Final = 3
BOUND: Final = 0.5
"""Of the exponent. A tree or a hash stays below 1/ln(1000) = 0.15 from 1,000 entities on; a scan nears 1, and passes
0.5 where walking through what is stored takes longer than all the rest of a lookup.
"""

TOGETHER: Final = 100_000
"""Stores of up to so many entities are filled by one process, one after the other."""

_PER_TURN: Final = 200
_ROUNDS: Final = {"quick": 60, "full": 150}
_SECONDS: Final = {"quick": 6.0, "full": 30.0}
_KINDS: Final = {"hit": "retrieval hits", "miss": "retrieval misses"}
_MILLISECOND: Final = 1e6
_POINTS: Final = 13
"""Of a fitted line."""


def run(context: Context) -> Findings:
    """Measure hits and misses at all scales, judge their growth, and draw it."""
    scales = ladder(largest(context, MOST))
    share = context.budget.begin("EXP-02", scales[-1])
    if context.housing.apart:
        stages = _with_larger(context, _stages(context, scales))
        found = _in_turns(context, stages, share)
    else:
        stages, found = _growing(context, scales, share)
    counts = tuple(stage.scale for stage in stages)
    growths, tests = {}, []
    for kind in _KINDS:
        times = without_moods(found[kind], None if context.housing.apart else found["reference"])
        growths[kind] = describe(counts, times) if len(times) > 1 else None
        tests.append(_judged(context, kind, counts, found, growths[kind]))
    parameters = {
        "scales": list(counts),
        "rounds": len(found["hit"]),
        "operations_per_turn": _PER_TURN,
        "scales_measured": "in turns" if context.housing.apart else "one after the other, relative to a loop",
        "models_hold_to_within": TOLERANCE,
    }
    curves = [_curve(kind, growth) for kind, growth in growths.items() if growth is not None]
    return Findings(tests, curves, parameters)


def ladder(top: int) -> tuple[int, ...]:
    """Two scales for each power of ten (1,000, 3,000, 10,000 and so on) up to `top`; at least two powers of ten."""
    scale, rungs = top, [top]
    least = min(SMALLEST, top // 100)
    while scale > least:
        scale = max(least, scale // 10)
        rungs += [round(scale * 3)] if scale * 3 < rungs[-1] else []
        rungs.append(scale)
    return tuple(reversed([rung for rung in rungs if rung]))


def _stages(context: Context, scales: Sequence[int]) -> list[Stage]:
    """The stages that have a store. Raises Lacking if they are too few."""
    fill_small(context, [scale for scale in scales if scale <= TOGETHER])
    stages = []
    for number, scale in enumerate(scales):
        context.tell(number, len(scales))
        stages.append(built(context, scale))
    there = [stage for stage in stages if stage.location is not None and stage.digests is not None]
    if len(there) < LEAST_SCALES:
        missing = next(stage for stage in stages if stage not in there)
        raise Lacking(f"growth takes {LEAST_SCALES} scales; {missing.scale:,} entities: {reason(missing)}")
    return there


def _with_larger(context: Context, stages: list[Stage]) -> list[Stage]:
    """And what the run has built beyond, for other tests, of the same kind of entities."""
    more = [
        stage
        for stage in context.stages
        if stage.scale > stages[-1].scale and stage.location and stage.digests and not stage.workload.lean
    ]
    return stages + sorted(more, key=lambda stage: stage.scale)


def _in_turns(context: Context, stages: Sequence[Stage], share: float) -> Mapping[str, Any]:
    rounds = max(1, int(_ROUNDS.get(context.mode.name, 60) * share))
    seconds = _SECONDS.get(context.mode.name, 6.0) * share
    stores = tuple((stage.location, stage.digests) for stage in stages if stage.location and stage.digests)
    task = GetInTurns(
        context.subject,
        tuple(stage.scale for stage in stages),
        stores,
        context.workload.seed,
        rounds,
        _PER_TURN,
        seconds,
    )
    (found,) = run_together([task], seconds=SILENCE, on_progress=lambda worker, done: context.tell(done, rounds))
    return found


def _growing(context: Context, scales: Sequence[int], share: float) -> tuple[list[Stage], Mapping[str, Any]]:
    """Fill one store from scale to scale, and measure each before it grows on. Raises Lacking if it's too full."""
    there = held(context)
    ahead = [scale for scale in scales if scale > there]
    if len(ahead) < LEAST_SCALES:
        raise Lacking(
            f"the store holds {there:,} entities of this run already, and growth takes {LEAST_SCALES} scales beyond: "
            "run the experiment by itself, --experiment EXP-02"
        )
    stages, parts = [], []
    for scale in ahead:
        stage = built(context, scale)
        if stage.location is None:
            raise Lacking(f"{scale:,} entities: {reason(stage)}")
        stages.append(stage)
        parts.append(_in_turns(context, [stage], share / len(ahead)))
    return stages, _joined(parts)


def _joined(parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What was measured scale by scale, as if the first rounds of all scales had been one round, and so on."""
    rounds = min(len(part["hit"]) for part in parts)
    tables = {
        name: [[part[name][number][0] for part in parts] for number in range(rounds)]
        for name in ("hit", "hit_p95", "miss", "reference")
    }
    worst = max(parts, key=lambda part: part["rate"] / part["ceiling"])
    return {
        **tables,
        "rate": worst["rate"],
        "ceiling": worst["ceiling"],
        "operations": sum(part["operations"] for part in parts),
        "wrong": sum(part["wrong"] for part in parts),
        "first_error": next((part["first_error"] for part in parts if part["first_error"]), ""),
    }


def _judged(
    context: Context, kind: str, scales: Sequence[int], found: Mapping[str, Any], growth: Growth | None
) -> TestResult:
    names = {"exponent": kind} | ({"p95_exponent": "hit_p95"} if kind == "hit" else {})
    outcome = Outcome(
        _KINDS[kind],
        scales[-1],
        "the latency of a lookup by address hardly grows with what is stored",
        timed=True,
    )
    reference = None if context.housing.apart else found["reference"]
    for name, table in names.items():
        outcome.figures |= _exponents(name, scales, without_moods(found[table], reference))
    targets = [Target(name, "<", BOUND, "1") for name in (*names, *(f"last_{name}" for name in names))]
    outcome.parameters = {"scales": list(scales)}
    if growth is None:
        outcome.lacking = "too few rounds were answered at every scale"
    else:
        outcome.figures |= _described(growth, found[kind])
        outcome.parameters |= {"growth": growth.verdict, "models": _models(growth)}
    if found["wrong"]:
        outcome.invalid = f"re-hashed reads: {found['wrong']} wrong answers {found['first_error']}"
    outcome.invalid = outcome.invalid or saturated(found["rate"], found["ceiling"])
    return judged(outcome, context, targets)


def _exponents(name: str, scales: Sequence[int], times: Array) -> dict[str, Figure]:
    """Of latency against N: over all scales, and over the last power of ten."""
    first = max((at for at, scale in enumerate(scales) if scale * 10 <= scales[-1]), default=0)
    return {name: exponents(scales, times), f"last_{name}": exponents(scales[first:], times[:, first:])}


def _described(growth: Growth, rounds: Sequence[Sequence[float]]) -> dict[str, Figure]:
    """Medians as they were measured, moods and all, and how often each model was the best."""
    times = np.asarray(rounds, dtype=np.float64) / _MILLISECOND
    figures = {
        f"median_at_{scale}": typical(column[column > 0], "ms")
        for scale, column in zip(growth.scales, times.T, strict=True)
    }
    return figures | {f"support_{model}": Figure(growth.support[model], "1", len(rounds)) for model in MODELS}


def _models(growth: Growth) -> dict[str, dict[str, float]]:
    """Levels and slopes in ms: for each power of ten (logarithmic), for each entity (linear)."""
    return {
        model: {"level_ms": fit.level / _MILLISECOND, "slope_ms": fit.slope / _MILLISECOND, "criterion": fit.criterion}
        for model, fit in growth.fits.items()
    }


def _curve(kind: str, growth: Growth) -> Curve:
    measured = [
        Point(scale, float(latency) / _MILLISECOND, (low / _MILLISECOND, high / _MILLISECOND))
        for scale, latency, (low, high) in zip(growth.scales, growth.latencies, growth.intervals, strict=True)
    ]
    ends = float(growth.scales[0]), float(growth.scales[-1])
    places = [round(float(place), 1) for place in np.geomspace(*ends, _POINTS)]
    fitted = {
        f"{model} fit": [Point(place, growth.predicted(model, place) / _MILLISECOND) for place in places]
        for model in MODELS
    }
    what = {"hit": "Hits", "miss": "Misses"}[kind]
    lines = {"measured": measured, **fitted}
    return Curve(f"{what}: latency against entities stored", "entities", "", "median latency", "ms", lines, log_x=True)


EXPERIMENT: Final = Experiment(
    "EXP-02",
    "Retrieval efficiency",
    "an entity is found by its address, or known not to be there, in a time that hardly depends on how many are stored",
    "Hits and misses, one at a time, on stores of many sizes, measured in turns (all sizes in each round, in a new "
    "order), so that what slows the machine slows all sizes alike; a store that was given grows from size to size "
    "instead, and is measured relative to a loop that touches no store. Every hit is hashed again. Judged is the "
    "exponent of latency against N, of the median and of the 95th percentile, over all sizes and over the last power "
    "of ten: its whole interval must be below 0.5. Beside it stand weighted fits of three models, compared by Akaike's "
    "criterion over resampled rounds: constant, logarithmic, linear, or not to be told apart.",
    (
        "A linear part that takes less than half of a lookup at the largest size isn't found out: larger sizes would.",
        "Small stores fit the caches of the processor, and all of them the memory of this machine: a step where they "
        "no longer do looks like growth, and a disk that must be read was hardly measured.",
        "The intervals are of repetitions on these stores and this machine; another machine has other caches.",
        "Three models are compared, none of which a real machine follows: deviations of a few per cent count for "
        "nothing.",
        "A store that was given can't be measured in turns: moods of the machine that the loop doesn't feel (its disk, "
        "its network) stay in the figures.",
        "One reader, nothing else under way: see the concurrent test for contention.",
    ),
    run,
)
