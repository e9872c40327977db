"""One run: every test at every scale, in order, each on its own feet; what was measured is kept whatever happens."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stat7.errors import Stat7Error
from stat7.progress import Report, silent
from stat7.record import format_time
from stat7.registry import anchored
from stat7.stress import environment, ingest
from stat7.stress.anonymous import PeakWatch
from stat7.stress.context import Context, Outcome, Stage, attempt
from stat7.stress.housing import Embedded, Given, Housing, make_folder
from stat7.stress.measure import time_the_timer
from stat7.stress.plan import LARGEST_IN_MEMORY, Budget, Mode, steps_of
from stat7.stress.results import Results, Run, TestResult
from stat7.stress.subject import Location, Subject
from stat7.stress.targets import SEED, Profile
from stat7.stress.tests import address, collisions, concurrent, lookup, memory, scaling
from stat7.stress.workers import WorkerFailed
from stat7.stress.workload import Workload

OnResult = Callable[[TestResult], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What to run. `given` is the store to measure; None: an SQLite file of the run's own for each scale."""

    mode: Mode
    seed: int = 7
    subject: Subject = field(default_factory=Subject)
    profile: Profile = SEED
    given: Location | None = None
    command: str = ""


def _unheard(result: TestResult) -> None:
    """Nobody listens."""


def run(settings: Settings, report: Report = silent, on_result: OnResult = _unheard) -> Results:
    """Run all tests. `report` gets the planned seconds that are done and those in all, `on_result` each result as it
    comes.

    An interrupt ends the run early: the results so far come back, marked. Nothing is left behind, or the notes say
    what.
    """
    folder = make_folder()
    try:
        return _run(settings, folder, report, on_result)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(settings: Settings, folder: Path, report: Report, on_result: OnResult) -> Results:
    number = secrets.token_hex(8)
    workload = Workload(settings.seed, "" if settings.given is None else f"stress/{number}/")
    housing: Housing = Embedded(folder) if settings.given is None else Given(settings.given, workload, folder)
    budget = Budget(steps_of(settings.mode), settings.mode.limit)
    timer = time_the_timer(settings.subject.clock)
    results = Results(
        Run(number, settings.mode.name, settings.command, settings.seed, _now()),
        environment.describe(folder, _durability(settings.given or Location(anchored("sqlite:asked.db", folder)))),
        {
            "profile": settings.profile.name,
            "scales": list(settings.mode.scales),
            "store": housing.shown,
            "timer": asdict(timer),
            "time_limit_seconds": settings.mode.limit,
            "cuts": budget.cuts,
            "notes": [],
        },
    )
    context = Context(
        settings.subject,
        workload,
        housing,
        folder,
        settings.mode,
        settings.profile,
        budget,
        timer,
        environment.usable_cores(),
    )
    watch = PeakWatch()
    try:
        with watch:
            _Runner(context, results, report, on_result).run()
    except KeyboardInterrupt:
        results.run.interrupted = True
    results.settings["notes"] += housing.leave()
    results.run.finished_at = _now()
    results.run.seconds = round(budget.elapsed, 3)
    results.run.peak_anonymous_bytes = watch.peak
    return results


class _Runner:
    """The order of things, and the net under each of them."""

    def __init__(self, context: Context, results: Results, report: Report, on_result: OnResult) -> None:
        self.context = context
        self.results = results
        self.report = report
        self.on_result = on_result
        self.pace = ingest.Pace()

    def run(self) -> None:
        """All scales, then what is fitted over them."""
        for scale in self.context.mode.scales:
            stage = Stage(scale, self.context.workload)
            self.context.stages.append(stage)
            self._run_scale(stage)
        self._test("scaling", "", self.context.mode.scales[-1], scaling.CLAIM, lambda: scaling.measure(self.context))

    def _run_scale(self, stage: Stage) -> None:
        context, scale = self.context, stage.scale
        self._test("address", "", scale, address.CLAIM, lambda: address.measure(context, stage))
        self._build(stage)
        self._test("collisions", "", scale, collisions.CLAIM, lambda: collisions.measure(context, stage))
        self._test("lookup", "", scale, lookup.CLAIM, lambda: lookup.measure(context, stage))
        if scale > LARGEST_IN_MEMORY:
            return
        for count in context.mode.workers:
            name, variant = "concurrent", f"{count} workers"

            def measure(workers: int = count) -> TestResult:
                return concurrent.measure(context, stage, workers)

            self._test(name, variant, scale, concurrent.CLAIM, measure)
        self._test("memory", "", scale, memory.CLAIM, lambda: memory.measure(context, stage))

    def _build(self, stage: Stage) -> None:
        self._show("building the store", stage.scale)
        try:
            ingest.build(self.context, stage, self.pace)
        except (WorkerFailed, Stat7Error, OSError) as error:
            stage.broken = f"building the store failed: {error}"

    def _test(self, name: str, variant: str, scale: int, claim: str, measure: Callable[[], TestResult]) -> None:
        """Run one test; what keeps it from its result makes it INVALID, and the others go on."""
        self._show(f"{name} {variant}".strip(), scale)
        self._add(attempt(self.context, Outcome(name, scale, claim, variant), measure))

    def _add(self, result: TestResult) -> None:
        self.results.tests.append(result)
        self.on_result(result)

    def _show(self, what: str, scale: int) -> None:
        budget = self.context.budget
        before, step = budget.done, budget.next_seconds

        def tell(done: int, total: int | None) -> None:
            part = step * done / total if total else 0.0
            self.report(f"{what}, {short(scale)}", round(before + part), round(budget.total))

        self.context.tell = tell
        tell(0, None)


def short(count: int) -> str:
    """A scale in few letters: 1K, 100K, 10M; other counts in full."""
    for size, letter in ((1_000_000, "M"), (1000, "K")):
        if count >= size and count % size == 0:
            return f"{count // size}{letter}"
    return f"{count:,}"


def _durability(location: Location) -> list[str]:
    with location.open() as repository:
        return environment.durability_of(repository)


def _now() -> str:
    return format_time(time.time_ns() // 1_000_000)
