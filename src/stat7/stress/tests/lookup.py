"""Lookup by address: hits and misses, one at a time and a thousand at a time, by one reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stat7.stress.context import SILENCE, Context, Outcome, Stage, saturated, timings
from stat7.stress.measure import Summary, summarise
from stat7.stress.results import Figure, TestResult
from stat7.stress.tasks.lookup import BATCH, Lookups
from stat7.stress.workers import run_together

CLAIM = (
    "an entity is found by its address at once, however many there are, and what isn't stored is not found as quickly"
)
KINDS = ("hit", "miss", "batched_hits", "batched_misses")
_MOST = 200_000
_MOST_PER_SECOND = 40_000
_BATCHES_PER_SECOND = 100


def measure(context: Context, stage: Stage) -> TestResult:
    """Latency of hits and misses, and entities per second in batches; every document is hashed again."""
    outcome = Outcome("lookup", stage.scale, CLAIM)
    share = context.budget.begin("lookup", stage.scale)
    if stage.location is None or stage.digests is None:
        return outcome.without(stage, context)
    seconds = context.mode.lookup_seconds * share
    task = Lookups(
        context.subject,
        stage.location,
        stage.digests,
        stage.scale,
        stage.workload.seed + stage.scale,
        min(_MOST, int(seconds * _MOST_PER_SECOND)),
        int(seconds * _BATCHES_PER_SECOND),
        seconds,
    )
    (found,) = run_together([task], seconds=4 * seconds + SILENCE)
    summaries = {kind: summarise([timings(found[kind])]) for kind in KINDS}
    stage.lookup_ns = float(summaries["hit"].latencies.mean()) if len(summaries["hit"].latencies) else None
    outcome.summaries = summaries
    outcome.figures = {**_figures(summaries, found), **stage.build}
    outcome.parameters = {"batch": BATCH, "readers": 1}
    outcome.invalid = _invalid(summaries, found)
    return outcome.judged(context)


def _figures(summaries: Mapping[str, Summary], found: Mapping[str, Any]) -> dict[str, Figure]:
    figures = summaries["hit"].figures("hit_") | summaries["miss"].figures("miss_")
    for kind in ("batched_hits", "batched_misses"):
        rate = f"{kind}_per_second"
        figures[rate] = summaries[kind].figures(f"{kind}_", each=BATCH)[rate]
    figures["generator_ceiling"] = Figure(found["ceiling"], "1/s", 1)
    return figures


def _invalid(summaries: Mapping[str, Summary], found: Mapping[str, Any]) -> str | None:
    wrong = {kind: found[kind]["wrong"] for kind in KINDS if found[kind]["wrong"]}
    if wrong:
        return f"re-hashed reads: wrong answers: {', '.join(f'{count} of {kind}' for kind, count in wrong.items())}"
    fastest = max(summaries["hit"].rate, summaries["miss"].rate)
    return saturated(fastest, found["ceiling"])
