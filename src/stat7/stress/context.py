"""What the tests of one run share, and how each of them comes to its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from stat7.errors import Stat7Error
from stat7.stress.histogram import Nanoseconds
from stat7.stress.housing import Housing
from stat7.stress.measure import Summary, Timer, Timings
from stat7.stress.plan import Budget, Mode
from stat7.stress.results import Figure, TestResult, Verdict
from stat7.stress.subject import Location, Subject
from stat7.stress.targets import Profile, judge
from stat7.stress.workers import WorkerFailed
from stat7.stress.workload import Workload

SATURATED: Final = 0.8
"""A rate within this share of what the load generator can do at most says nothing about the store."""

SILENCE: Final = 60.0
"""Seconds that a worker may say nothing, beyond what its work is planned to take."""


def _unheard(done: int, total: int | None) -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Context:
    """One run. `alone`: all that is measured runs on this machine. `media`: a folder of pictures and movies that
    experiments with files begin with. `tell` is called with the items done in the step that is under way, and their
    total if known.
    """

    subject: Subject
    workload: Workload
    housing: Housing
    folder: Path
    mode: Mode
    profile: Profile
    budget: Budget
    timer: Timer
    cores: int
    alone: bool = True
    media: Path | None = None
    tell: Callable[[int, int | None], None] = _unheard
    stages: list[Stage] = field(default_factory=list)


@dataclass(slots=True)
class Stage:
    """What one scale has come to.

    `location` is where its entities are stored, None if they aren't: `lacking` says why there was no room or time for
    it, `broken` why building it failed. `malformed` and `addressed` count the addresses that the subject made for it.
    """

    scale: int
    workload: Workload
    location: Location | None = None
    digests: Path | None = None
    lacking: str = "the store of this scale wasn't built"
    broken: str | None = None
    malformed: int = 0
    addressed: int = 0
    lookup_ns: float | None = None
    build: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """What a test has measured, before it's judged.

    `invalid` names the check of correctness that failed, if any; `lacking` says why there is nothing to judge. `timed`:
    figures depend on the clock, as they do wherever there are `summaries`: by kind of operation, what the histograms
    and series of the result are made of.
    """

    name: str
    scale: int
    claim: str
    variant: str = ""
    figures: dict[str, Figure] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    summaries: Mapping[str, Summary] = field(default_factory=dict)
    timed: bool = False
    invalid: str | None = None
    lacking: str | None = None
    begun: float = field(default_factory=time.monotonic)

    def without(self, stage: Stage, context: Context) -> TestResult:
        """The result where the stage has no store to measure."""
        self.lacking, self.invalid = stage.lacking, stage.broken
        return self.judged(context)

    def judged(self, context: Context) -> TestResult:
        """The result with its verdict: INVALID before NO_DATA before what the targets say."""
        targets = context.profile.of(self.name)
        slack = max((summary.slack for summary in self.summaries.values()), default=1.0)
        verdict, why = judge(targets, self.figures, slack, alone=context.profile.machines and context.alone)
        if slack > 1:
            why += f" (no steady state: judged as if figures were off by a factor of up to {slack:.1f})"
            verdict = Verdict.NO_DATA if verdict is Verdict.INCONCLUSIVE else verdict
        if self.lacking is not None:
            verdict, why = Verdict.NO_DATA, self.lacking
        if (self.summaries or self.timed) and context.timer.too_coarse:
            step = context.timer.step_ns / 1e6
            verdict, why = Verdict.INVALID, f"timer floor: the clock moves in steps of {step:g} ms, too coarse to judge"
        if self.invalid is not None:
            verdict, why = Verdict.INVALID, self.invalid
        held = {kind: summary for kind, summary in self.summaries.items() if len(summary.latencies)}
        return TestResult(
            self.name,
            self.variant,
            self.scale,
            self.claim,
            verdict,
            one_line(why + self._below_the_floor(context.timer)),
            targets,
            self.figures,
            self.parameters,
            round(time.monotonic() - self.begun, 3),
            {kind: summary.histogram() for kind, summary in held.items()} or None,
            {kind: summary.series() for kind, summary in held.items()} or None,
        )

    def _below_the_floor(self, timer: Timer) -> str:
        """Say which latencies the timer can't tell from nothing."""
        lost = [
            name
            for name, figure in self.figures.items()
            if figure.unit == "ms" and figure.value is not None and figure.value * 1e6 <= timer.floor_ns
        ]
        return f" (at or below the timer's floor: {', '.join(lost)})" if lost else ""


def attempt(context: Context, outcome: Outcome, measure: Callable[[], TestResult]) -> TestResult:
    """What `measure` returns; what keeps it from returning makes the empty `outcome` INVALID, and is told there."""
    try:
        return measure()
    except (WorkerFailed, Stat7Error, OSError) as error:
        outcome.invalid = f"the measurement broke off: {error}"
        return outcome.judged(context)


def one_line(text: str) -> str:
    """The text with all white space made single spaces."""
    return " ".join(text.split()) or "no reason given"


def saturated(rate: float, ceiling: float) -> str | None:
    """Why a rate is the load generator's own, None if it isn't."""
    if rate < SATURATED * ceiling:
        return None
    return f"generator saturated: {rate:,.0f}/s measured, {ceiling:,.0f}/s is its most with a store that does nothing"


def timings(result: Mapping[str, Any], kind: int | None = None) -> Timings:
    """Ends and durations of a worker's operations; of one kind only, if given."""
    ends: Nanoseconds = np.frombuffer(result["ends"], dtype=np.int64)
    durations: Nanoseconds = np.frombuffer(result["durations"], dtype=np.int64)
    if kind is None:
        return ends, durations
    chosen = np.frombuffer(result["kinds"], dtype=np.uint8) == kind
    return ends[chosen], durations[chosen]
