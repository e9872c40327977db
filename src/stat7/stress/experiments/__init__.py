"""The eight experiments: each states a claim, how it is tried, and what could mislead, and ends with a verdict that can
fail.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from stat7.errors import ConfigError, Stat7Error
from stat7.stress.context import Context, one_line
from stat7.stress.results import Curve, ExperimentResult, TestResult, Verdict, worst_of
from stat7.stress.workers import WorkerFailed

NAMES: Final = tuple(f"EXP-{number:02d}" for number in range(1, 9))


@dataclass(slots=True)
class Findings:
    """What an experiment has measured: tests, each with its verdict, and curves to be drawn."""

    tests: Sequence[TestResult] = ()
    curves: Sequence[Curve] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment. `run` raises Stat7Error, WorkerFailed or OSError where it can't be done.

    `needs` tells what it takes beyond the embedded default ("a PostgreSQL server"), None if nothing.
    """

    name: str
    title: str
    claim: str
    method: str
    threats: tuple[str, ...]
    run: Callable[[Context], Findings]
    needs: str | None = None


class Lacking(Exception):
    """An experiment can't be run here; the text, one line, says what it takes, and how to get it: NO_DATA."""


def find_experiment(name: str) -> Experiment:
    """An experiment by its name (`EXP-01`, or `1`). Raises ConfigError naming those there are."""
    wanted = f"EXP-{int(name):02d}" if name.isdecimal() and len(name) < 3 else name.upper()
    if wanted not in NAMES:
        raise ConfigError(f"--experiment: there is none named {name!r}; choose one of {', '.join(NAMES)}")
    module = importlib.import_module(f"stat7.stress.experiments.{wanted.lower().replace('-', '')}")
    experiment: Experiment = module.EXPERIMENT
    return experiment


def conduct(experiment: Experiment, context: Context) -> ExperimentResult:
    """Run an experiment. What keeps it from its findings makes it INVALID, what it lacks NO_DATA."""
    begun = time.monotonic()
    findings, verdict, why = Findings(), Verdict.NO_DATA, "it measured nothing"
    try:
        findings = experiment.run(context)
        verdict = worst_of(test.verdict for test in findings.tests)
        worst = [test for test in findings.tests if test.verdict is verdict]
        if worst:
            first = worst[0]
            why = f"{len(worst)} of {len(findings.tests)} tests {verdict}: {first.name} {first.variant}: {first.why}"
    except Lacking as error:
        why = str(error)
    except (WorkerFailed, Stat7Error, OSError) as error:
        verdict, why = Verdict.INVALID, f"the experiment broke off: {error}"
    return ExperimentResult(
        experiment.name,
        experiment.title,
        experiment.claim,
        experiment.method,
        experiment.threats,
        verdict,
        one_line(why),
        findings.tests,
        findings.curves,
        findings.parameters,
        round(time.monotonic() - begun, 3),
    )
