"""One run: every test at every scale, in order, each on its own feet; what was measured is kept whatever happens."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from stat7.errors import ConfigError, Stat7Error
from stat7.progress import Report, silent
from stat7.record import format_time
from stat7.registry import anchored, redact
from stat7.stress import breaking, environment, ingest, reference
from stat7.stress.anonymous import PeakWatch
from stat7.stress.context import Context, Outcome, Stage, attempt, one_line
from stat7.stress.experiments import Experiment, conduct
from stat7.stress.housing import Embedded, Given, Housing, make_folder, on_this_machine
from stat7.stress.measure import time_the_timer
from stat7.stress.plan import LARGEST_IN_MEMORY, Budget, Mode, Step, remaining, steps_of
from stat7.stress.results import BreakingPoint, ExperimentResult, Results, Run, TestResult
from stat7.stress.subject import Location, Subject
from stat7.stress.targets import SEED, Profile
from stat7.stress.tests import address, collisions, concurrent, lookup, memory, paced, scaling
from stat7.stress.tests.paced import closed_loop_rate
from stat7.stress.workers import WorkerFailed
from stat7.stress.workload import Workload

PACED_SHARE: Final = 0.5
"""Of what the closed loop reached, this share is offered in the open one."""

OnResult = Callable[[TestResult | ExperimentResult | BreakingPoint], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What to run. `given` is the store to measure; None: an SQLite file of the run's own for each scale.

    With `experiments` only these are run. `before` are results of a run that was interrupted and goes on: it must have
    been of the same mode, seed, profile and store. `media` is a folder of pictures and movies that experiments with
    files begin with.
    """

    mode: Mode
    seed: int = 7
    subject: Subject = field(default_factory=Subject)
    profile: Profile = SEED
    given: Location | None = None
    command: str = ""
    experiments: Sequence[Experiment] = ()
    before: Results | None = None
    media: Path | None = None


def _unheard(result: TestResult | ExperimentResult | BreakingPoint) -> None:
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
    results = _begin(settings, folder)
    earlier = results.run.seconds
    workload = Workload(settings.seed, "" if settings.given is None else f"stress/{secrets.token_hex(8)}/")
    housing: Housing = Embedded(folder) if settings.given is None else Given(settings.given, workload, folder)
    planned = [] if settings.experiments else steps_of(settings.mode)
    steps = remaining(planned, _done(results))
    budget = Budget(steps, max(settings.mode.limit - earlier, sum(step.seconds for step in steps)))
    timer = time_the_timer(settings.subject.clock)
    results.settings["timer"] = asdict(timer)
    budget.cuts = results.settings["cuts"]
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
        settings.given is None or on_this_machine(settings.given.store),
        media=settings.media,
    )
    watch = PeakWatch()
    try:
        with watch:
            runner = _Runner(context, results, report, on_result)
            if settings.experiments:
                runner.conduct(settings.experiments)
            else:
                runner.run()
    except KeyboardInterrupt:
        results.run.interrupted = True
    results.settings["notes"] += housing.leave()
    results.tests = _in_order(results.tests, planned)
    results.run.finished_at = _now()
    results.run.seconds = round(earlier + budget.elapsed, 3)
    results.run.peak_anonymous_bytes = max(watch.peak or 0, results.run.peak_anonymous_bytes or 0) or None
    return results


def _begin(settings: Settings, folder: Path) -> Results:
    """Results to be filled: new ones, or those of the run that goes on. Raises ConfigError if that was another run."""
    asked = {
        "profile": settings.profile.name,
        "scales": list(settings.mode.scales),
        "store": Embedded.shown if settings.given is None else redact(settings.given.store),
        "time_limit_seconds": settings.mode.limit,
        "experiments": [experiment.name for experiment in settings.experiments],
    }
    before = settings.before
    if before is None:
        durability = _durability(settings.given or Location(anchored("sqlite:asked.db", folder)))
        return Results(
            Run(secrets.token_hex(8), settings.mode.name, settings.command, settings.seed, _now()),
            environment.describe(folder, durability),
            {**asked, "timer": {}, "cuts": [], "notes": []},
        )
    asked |= {"mode": settings.mode.name, "seed": settings.seed}
    was = {**before.settings, "mode": before.run.mode, "seed": before.run.seed}
    for name, wanted in asked.items():
        if was[name] != wanted:
            raise ConfigError(
                f"--resume: the run was made with {name} {was[name]}, not {wanted}; give the same, or none"
            )
    before.run.interrupted = False
    before.run.resumed += 1
    return before


def _step(test: TestResult) -> tuple[str, int]:
    """The name and scale of the step that a test was."""
    return f"{test.name} {test.variant.partition(' ')[0]}".strip(), test.scale


def _done(results: Results) -> set[tuple[str, int]]:
    """The steps whose results are there."""
    points = {(f"breaking {point.name}", point.scale) for point in results.breaking_points}
    return {_step(test) for test in results.tests} | points


def _in_order(tests: Sequence[TestResult], steps: Sequence[Step]) -> list[TestResult]:
    """The tests in the order in which a run that wasn't interrupted has them."""
    places = {(step.name, step.scale): place for place, step in enumerate(steps)}
    return sorted(tests, key=lambda test: places[_step(test)])


class _Runner:
    """The order of things, and the net under each of them."""

    def __init__(self, context: Context, results: Results, report: Report, on_result: OnResult) -> None:
        self.context = context
        self.results = results
        self.report = report
        self.on_result = on_result
        self.pace = ingest.Pace()
        self._wanted = {(step.name, step.scale) for step in context.budget.left}

    def run(self) -> None:
        """All scales, then what is fitted over them and where it ends; the reference loop before, between and after."""
        self._refer(0)
        for scale in self.context.mode.scales:
            stage = Stage(scale, self.context.workload)
            self.context.stages.append(stage)
            self._run_scale(stage)
            self._refer(scale)
        largest = self.context.mode.scales[-1]
        self._test("scaling", "", largest, scaling.CLAIM, lambda: scaling.measure(self.context))
        self._break(
            "scale", largest, lambda: breaking.scale(self.context, self.results, self.context.mode.edge_seconds)
        )

    def conduct(self, experiments: Sequence[Experiment]) -> None:
        """Each of the experiments, but those that are done."""
        done = {experiment.name for experiment in self.results.experiments}
        for number, experiment in enumerate(experiments):
            if experiment.name in done:
                continue
            self._show_part(experiment.name, number, len(experiments))
            result = conduct(experiment, self.context)
            self.results.experiments.append(result)
            self.on_result(result)

    def _run_scale(self, stage: Stage) -> None:
        context, scale = self.context, stage.scale
        self._test("address", "", scale, address.CLAIM, lambda: address.measure(context, stage))
        self._build(stage)
        self._test("collisions", "", scale, collisions.CLAIM, lambda: collisions.measure(context, stage))
        self._test("lookup", "", scale, lookup.CLAIM, lambda: lookup.measure(context, stage))
        if scale > LARGEST_IN_MEMORY:
            return
        for count in context.mode.workers_at(scale):
            name, variant = "concurrent", f"{count} workers"

            def measure(workers: int = count) -> TestResult:
                return concurrent.measure(context, stage, workers)

            self._test(name, variant, scale, concurrent.CLAIM, measure)
        rate = closed_loop_rate(self.results.tests, scale, context.mode.workers[0]) if context.mode.workers else None
        workers, seconds = min(context.cores, 4), context.mode.paced_seconds
        offered = None if rate is None else rate * PACED_SHARE
        self._test("paced", "", scale, paced.CLAIM, lambda: paced.measure(context, stage, offered, workers, seconds))
        limit = context.mode.breaking_seconds
        self._break("rate", scale, lambda: breaking.rate(context, stage, rate, workers=workers, limit=limit))
        self._test("memory", "", scale, memory.CLAIM, lambda: memory.measure(context, stage))

    def _build(self, stage: Stage) -> None:
        if ("ingest", stage.scale) not in self._wanted:
            return
        self._show("building the store", stage.scale)
        try:
            ingest.build(self.context, stage, self.pace)
        except (WorkerFailed, Stat7Error, OSError) as error:
            stage.broken = f"building the store failed: {error}"

    def _test(self, name: str, variant: str, scale: int, claim: str, measure: Callable[[], TestResult]) -> None:
        """Run one test; what keeps it from its result makes it INVALID, and the others go on."""
        if (f"{name} {variant.partition(' ')[0]}".strip(), scale) not in self._wanted:
            return
        self._show(f"{name} {variant}".strip(), scale)
        result = attempt(self.context, Outcome(name, scale, claim, variant), measure)
        self.results.tests.append(result)
        self.on_result(result)

    def _break(self, name: str, scale: int, measure: Callable[[], BreakingPoint]) -> None:
        """Look for a breaking point; what keeps it from being found is said in its place."""
        if (f"breaking {name}", scale) not in self._wanted:
            return
        self._show(f"breaking point, {name}", scale)
        try:
            point = measure()
        except (WorkerFailed, Stat7Error, OSError) as error:
            why = one_line(f"the measurement broke off: {error}")
            point = BreakingPoint(name, scale, "none was tried to its end", "1", None, None, None, 0, why)
        self.results.breaking_points.append(point)
        self.on_result(point)

    def _refer(self, scale: int) -> None:
        """How fast the machine is now, whatever is stored."""
        if scale:
            self.context.budget.begin("reference", scale)
        self.results.self_check.setdefault("reference", []).append(asdict(reference.measure()))

    def _show(self, what: str, scale: int) -> None:
        budget = self.context.budget
        before, step = budget.done, budget.next_seconds

        def tell(done: int, total: int | None) -> None:
            part = step * done / total if total else 0.0
            self.report(f"{what}, {short(scale)}", round(before + part), round(budget.total))

        self.context.tell = tell
        tell(0, None)

    def _show_part(self, what: str, number: int, parts: int) -> None:
        """Progress by experiments, of which nobody knows how long they take."""

        def tell(done: int, total: int | None) -> None:
            part = done / total if total else 0.0
            self.report(what, round(100 * (number + part)), 100 * parts)

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
