"""Address generation: one entity at a time on one core, and lines of JSON in bulk on all cores."""

from __future__ import annotations

from stat7.stress.context import SILENCE, Context, Outcome, Stage, timings
from stat7.stress.measure import Timings, summarise
from stat7.stress.results import Figure, TestResult
from stat7.stress.tasks.address import SingleAddresses
from stat7.stress.tasks.ingest import CHUNK, Generate
from stat7.stress.workers import run_together

CLAIM = "the address of an entity is made at once, and many are made fast"
_LEAST_SINGLES = 20_000
_MOST_SINGLES = 200_000


def measure(context: Context, stage: Stage) -> TestResult:
    """Throughput and latency of single addresses, checked one by one, and throughput in bulk."""
    outcome = Outcome("address", stage.scale, CLAIM)
    share = context.budget.begin("address", stage.scale)
    seconds = context.mode.single_seconds * share
    count = max(_LEAST_SINGLES, min(stage.scale, _MOST_SINGLES))
    task = SingleAddresses(context.subject, stage.workload, stage.scale, count, seconds)
    (single,) = run_together([task], seconds=seconds + SILENCE)
    summary = summarise([timings(single)])
    outcome.summaries = [summary]
    outcome.figures = summary.figures("single_") | _bulk(context, stage, share)
    outcome.parameters = {"singles": len(summary.latencies), "workers_in_bulk": context.cores}
    if single["wrong"]:
        outcome.invalid = f"{single['wrong']} addresses differ from the SHA-256 of the harness's own canonical form"
    return outcome.judged(context)


def _bulk(context: Context, stage: Stage, share: float) -> dict[str, Figure]:
    """Addresses per second of all cores together, counting the time of addressing alone."""
    count = min(stage.scale, max(CHUNK, int(context.mode.bulk_entities * share)))
    tasks = [
        Generate(context.subject, stage.workload, 0, count, worker, context.cores) for worker in range(context.cores)
    ]
    results = run_together(tasks, seconds=SILENCE)
    rate = sum(_rate(timings(result), result["addressed"]) for result in results)
    return {"bulk_per_second": Figure(rate, "1/s", sum(result["addressed"] for result in results))}


def _rate(chunks: Timings, addressed: int) -> float:
    ends, _ = chunks
    return addressed / (float(ends[-1]) / 1e9) if len(ends) and ends[-1] else 0.0
