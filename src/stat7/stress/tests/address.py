"""Address generation: one entity at a time on one core, and lines of JSON in bulk on all cores."""

from __future__ import annotations

from stat7.stress.context import SILENCE, Context, Outcome, Stage, timings
from stat7.stress.measure import Summary, summarise
from stat7.stress.results import TestResult
from stat7.stress.tasks.address import SingleAddresses
from stat7.stress.tasks.ingest import CHUNK, Generate
from stat7.stress.workers import run_together

CLAIM = "the address of an entity is made at once, and many are made fast"
_LEAST_SINGLES = 20_000
_MOST_SINGLES = 200_000
_LEAST_CHUNKS = 40
"""Enough for as many blocks as an interval takes; at small scales entities beyond the scale are addressed, too."""


def measure(context: Context, stage: Stage) -> TestResult:
    """Throughput and latency of single addresses, checked one by one, and throughput in bulk."""
    outcome = Outcome("address", stage.scale, CLAIM)
    share = context.budget.begin("address", stage.scale)
    seconds = context.mode.single_seconds * share
    count = max(_LEAST_SINGLES, min(stage.scale, _MOST_SINGLES))
    task = SingleAddresses(context.subject, stage.workload, stage.scale, count, seconds)
    (single,) = run_together([task], seconds=seconds + SILENCE)
    summary = summarise([timings(single)])
    bulk = _bulk(context, stage, share)
    outcome.summaries = {"single": summary, "bulk": bulk}
    outcome.figures = summary.figures("single_")
    outcome.figures["bulk_per_second"] = bulk.figures("bulk_", each=CHUNK)["bulk_per_second"]
    outcome.parameters = {"singles": len(summary.latencies), "workers_in_bulk": context.cores}
    if single["wrong"]:
        outcome.invalid = f"{single['wrong']} addresses differ from the SHA-256 of the harness's own canonical form"
    return outcome.judged(context)


def _bulk(context: Context, stage: Stage, share: float) -> Summary:
    """The addressing of chunks by all cores together, in the time of addressing alone."""
    count = max(_LEAST_CHUNKS * CHUNK, int(min(context.mode.bulk_entities, stage.scale) * share))
    count -= count % (CHUNK * context.cores)
    tasks = [
        Generate(context.subject, stage.workload, 0, count, worker, context.cores) for worker in range(context.cores)
    ]
    return summarise([timings(result) for result in run_together(tasks, seconds=SILENCE)])
