"""Small runs of EXP-01 to EXP-03 for tests: a context, and workers that work within the test's own process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stat7.stress.context import Context
from stat7.stress.experiments import claims, conduct, exp01, exp02, exp03, find_experiment
from stat7.stress.experiments.fact_cases import FactCase
from stat7.stress.housing import Embedded
from stat7.stress.measure import time_the_timer
from stat7.stress.plan import Budget, Mode
from stat7.stress.results import ExperimentResult, schema
from stat7.stress.subject import Subject
from stat7.stress.targets import SEED
from stat7.stress.tasks.uniqueness import AddressAgain
from stat7.stress.workers import Task, run_together
from stat7.stress.workload import Workload

SCALE = 3000


def context(
    folder: Path, subject: Subject | None = None, workload: Workload | None = None, scale: int = SCALE
) -> Context:
    """A context of one small scale, with no store built yet."""
    subject = subject or Subject()
    mode = Mode("quick", (scale,), 120.0, 0.25, 2000, 0.25, 30.0)
    timer = time_the_timer(subject.clock)
    budget = Budget([], mode.limit)
    return Context(subject, workload or Workload(7), Embedded(folder), folder, mode, SEED, budget, timer, cores=1)


def work_here(monkeypatch: pytest.MonkeyPatch, apart: bool = False) -> None:
    """Let the tasks of the experiments be done in this process: quicker than to start one for each.

    With `apart` those that are about processes still get their own.
    """

    def here(tasks: Sequence[Task], **how: Any) -> list[Mapping[str, Any]]:
        if apart and isinstance(tasks[0], AddressAgain):
            return run_together(tasks, **how)
        return [task.prepare()(lambda done: None) for task in tasks]

    for module in (claims, exp01, exp02, exp03):
        monkeypatch.setattr(module, "run_together", here)


def conducted(case: FactCase, folder: Path) -> ExperimentResult:
    """The experiment of a case on what it sabotages."""
    return conduct(find_experiment(case.experiment), context(folder, case.subject, case.workload))


def follows_the_schema(result: ExperimentResult) -> bool:
    """Whether it can be written into results; raises ValidationError or ValueError where it can't."""
    document = json.loads(json.dumps(asdict(result), allow_nan=False))
    jsonschema.validate(document, {"$ref": "#/$defs/experiment", "$defs": schema()["$defs"]})
    return True
