"""Memory: what an entity takes in the in-memory store, by what Python allocates and by what the system charges."""

from __future__ import annotations

from stat7.stress.context import SILENCE, Context, Outcome, Stage
from stat7.stress.measure import bootstrap
from stat7.stress.plan import LARGEST_TRACED
from stat7.stress.results import Figure, TestResult, exact
from stat7.stress.tasks.memory import Occupy
from stat7.stress.workers import run_together

CLAIM = "the in-memory store keeps 100,000 entities in less than 500 MB"
_PER_ENTITY = 400e-6
_ENOUGH = 0.6
"""With a smaller share of the planned time nothing is traced."""


def measure(context: Context, stage: Stage) -> TestResult:
    """Growth of a process that holds all entities; traced in a second process where tracing is affordable.

    The verdict is on the bytes allocated; beyond LARGEST_TRACED, and where time is short, on the anonymous memory.
    """
    outcome = Outcome("memory", stage.scale, CLAIM)
    share = context.budget.begin("memory", stage.scale)
    scale = stage.scale
    traced = [True, False] if scale <= LARGEST_TRACED and share >= _ENOUGH else [False]
    tasks = [Occupy(context.subject, context.workload, scale, choice) for choice in traced]
    found = run_together(tasks, seconds=SILENCE + scale * _PER_ENTITY)
    anonymous = found[-1]["bytes"]
    allocated = found[0]["bytes"] if len(found) > 1 else None
    judged = anonymous if allocated is None else allocated
    spread = bootstrap([each / scale * len(found[0]["growth"]) for each in found[0]["growth"]])
    outcome.figures = {
        "bytes_per_entity": Figure(judged / scale, "B", scale, spread),
        "allocated_bytes": Figure(allocated, "B", 0 if allocated is None else scale),
        "anonymous_bytes": Figure(anonymous, "B", scale),
        "bytes_per_put_again": exact(found[0]["again_bytes"] / found[0]["again"], "B", found[0]["again"]),
    }
    outcome.parameters = {"verdict_by": "anonymous memory" if allocated is None else "bytes allocated"}
    stored = {result["stored"] for result in found}
    if stored != {scale}:
        outcome.invalid = f"the in-memory store counts {max(stored)} entities after {scale} were put"
    return outcome.judged(context)
